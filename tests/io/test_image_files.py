import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mlphys.errors import UserError
from mlphys.io import image_files

# A step from black to white from left to right, three pixels wide, two high.
STEP = np.array([[0, 128, 255], [0, 128, 255]], np.uint8)


def png_claiming(width, height):
    """The start of a PNG file, as little of it as its header needs."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_values_are_the_bytes_divided_by_255(tmp_path):
    Image.fromarray(STEP).save(tmp_path / "a.png")
    assert image_files.header(tmp_path / "a.png") == (2, 3)
    grey = image_files.decode(tmp_path / "a.png", greyscale=True)
    assert (grey.shape, grey.dtype) == ((2, 3, 1), np.float32)
    assert np.array_equal(grey[..., 0], STEP / np.float32(255))
    colour = image_files.decode(tmp_path / "a.png", greyscale=False)
    assert np.array_equal(colour, grey.repeat(3, axis=2))


@pytest.mark.parametrize("greyscale", [True, False])
@pytest.mark.parametrize("size", [None, (2, 3)])
def test_sixteen_bits_of_grey_are_not_clipped(tmp_path, greyscale, size):
    Image.fromarray(np.array([[0, 300, 65535]] * 2, np.uint16)).save(tmp_path / "a.png")
    x = image_files.decode(tmp_path / "a.png", greyscale, size)
    assert x.shape == (2, 3, 1 if greyscale else 3)
    assert np.allclose(x[0, :, -1], [0, 300 / 65535, 1])


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, (1, 1, 1)),
        ("L", 51, (0.2, 0.2, 0.2)),
        ("LA", (0, 0), (1, 1, 1)),
        ("RGB", (255, 0, 51), (1, 0, 0.2)),
        ("RGBA", (255, 0, 0, 0), (1, 1, 1)),
        ("RGBA", (0, 0, 255, 255), (0, 0, 1)),
        ("RGBA", (0, 0, 0, 204), (0.2, 0.2, 0.2)),
    ],
)
def test_every_mode_becomes_three_channels_and_what_is_transparent_white(tmp_path, mode, value, expected):
    Image.new(mode, (1, 1), value).save(tmp_path / "a.png")
    assert np.allclose(image_files.decode(tmp_path / "a.png", greyscale=False), expected)


def test_a_palette_is_looked_up_and_its_transparent_colour_is_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=1)
    assert np.array_equal(image_files.decode(tmp_path / "a.png", False), [[[1, 0, 0], [1, 1, 1], [0, 0, 1]]])


def test_a_colour_for_print_is_converted(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    assert np.allclose(image_files.decode(tmp_path / "a.jpg", False)[0, 0], [1, 0, 0], atol=0.02)


def test_grey_is_the_luma_of_colours(tmp_path):
    Image.fromarray(np.eye(3, dtype=np.uint8)[None] * 255).save(tmp_path / "a.png")
    assert np.allclose(image_files.decode(tmp_path / "a.png", True)[0, :, 0], [0.299, 0.587, 0.114], atol=0.002)


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_the_camera_says(tmp_path, orientation, ending):
    path = tmp_path / f"a.{ending}"
    pixels = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6).repeat(8, axis=0).repeat(8, axis=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    # Exif 2.32: where the visual top left of the image is stored
    upright = [
        pixels, pixels[:, ::-1], pixels[::-1, ::-1], pixels[::-1],
        pixels.T, np.rot90(pixels, -1), pixels[::-1, ::-1].T, np.rot90(pixels),
    ][orientation - 1]  # fmt: skip
    x = image_files.decode(path, greyscale=True)
    assert image_files.header(path) == x.shape[:2]
    assert np.allclose(x[..., 0] * 255, upright, atol=3)


def test_shrinking_averages_over_what_it_leaves_out(tmp_path):
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "a.png")
    x = image_files.decode(tmp_path / "a.png", True, (4, 8))
    assert x.shape == (4, 8, 1)
    assert np.allclose(x, 0.5, atol=0.02)


def test_many_are_decoded_in_their_order_and_errors_stand_in_their_places(tmp_path):
    paths = [tmp_path / f"{k}.png" for k in range(20)]
    for k, path in enumerate(paths):
        Image.new("L", (2, 2), k).save(path)
    paths[7].write_bytes(b"no image")
    found = list(image_files.decode_each(paths, greyscale=True))
    assert [path for path, _ in found] == paths
    assert isinstance(found[7][1], UserError)
    assert [round(255 * float(x[0, 0, 0])) for _, x in found[:7] + found[8:]] == [*range(7), *range(8, 20)]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not a PNG, JPEG, TIFF, BMP, GIF or WebP image; save it as PNG, or leave it out"),
        (b"%PDF" + bytes(100), "not a PNG, JPEG, TIFF, BMP, GIF or WebP image; save it as PNG, or leave it out"),
        (
            png_claiming(10_000, 5_001),
            "its size [5001, 10000] has more than the 50000000 pixels that an image may have; save it smaller",
        ),
        (
            png_claiming(1_000_000, 1_000_000),
            "it has more than the 50000000 pixels that an image may have; save it smaller",
        ),
    ],
    ids=["empty", "pdf", "large", "bomb"],
)
@pytest.mark.parametrize(
    "function", [image_files.header, lambda path: image_files.decode(path, True)], ids=["header", "decode"]
)
def test_what_is_no_image_or_too_large_a_one_is_refused_from_its_header(tmp_path, function, content, text):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        function(path)
    assert str(error.value) == f"{path}: {text}"


def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"is not a regular file; copy its content into one"):
        image_files.header(tmp_path / "a.png")


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_damaged_bytes_give_an_image_or_one_error_whatever_they_are(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    generator = np.random.default_rng(0)

    def outcome():
        try:
            return image_files.decode(path, False).shape[2]
        except UserError as error:
            return str(error).removeprefix(f"{path}: ").partition(" ")[0]

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(generator.integers(0, 256, (16, 16, 3), np.uint8)).save(path, exif=exif)
    whole = path.read_bytes()
    outcomes = set()
    for k in range(400):
        broken = bytearray(whole[: generator.integers(len(whole))] if k % 2 else whole)
        for place in generator.integers(max(len(broken), 1), size=3) if broken else ():
            broken[place] = generator.integers(256)
        path.write_bytes(broken)
        outcomes.add(outcome())
    assert {3, "not", "damaged:"} <= outcomes


@pytest.mark.parametrize("ending", ["tif", "tiff", "bmp", "gif", "webp"])
def test_images_of_other_formats_are_read_as_png_is(tmp_path, ending):
    lossless = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(STEP).convert("RGB").save(tmp_path / f"a.{ending}", **lossless)
    Image.fromarray(STEP).save(tmp_path / "a.png")
    for size in (None, (4, 2)):
        found = image_files.decode(tmp_path / f"a.{ending}", greyscale=True, size=size)
        assert np.allclose(found, image_files.decode(tmp_path / "a.png", greyscale=True, size=size), atol=0.01)


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    frames = [Image.new("L", (2, 2), value) for value in (51, 255, 0)]
    for name in ("a.gif", "a.webp", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert np.allclose(image_files.decode(tmp_path / name, greyscale=True), 0.2, atol=0.01)


@pytest.mark.parametrize(("largest", "white"), [(1000, 1023), (3000, 4095), (16_000, 16_383), (60_000, 65_535)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_values_of_16_bits_are_divided_by_the_white_that_is_given(tmp_path, largest, white, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.array([[0, largest]], np.uint16)).save(path)
    assert image_files.largest_of_16_bits([path]) == largest
    x = image_files.decode(path, greyscale=True, white_of_16_bits=white)
    assert np.array_equal(x[0, :, 0], np.array([0, largest], np.float32) / np.float32(white))


def test_images_of_8_bits_have_no_largest_value_of_16(tmp_path):
    Image.fromarray(STEP).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"damaged")
    assert image_files.largest_of_16_bits([tmp_path / "a.png", tmp_path / "b.png"]) is None


AS_ARRAY = "save all as one array with np.save, and write data: {name: array, path: ...}"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.array([[0.5, 1e6]], np.float32), "has fractions as values, and it is unknown which is white"),
        (np.array([[0, 70_000]], np.int32), "has values from 0 to 70000, more than 16 bits"),
        (np.array([[-5, 3]], np.int32), "has values from -5 to 3, more than 16 bits"),
    ],
)
def test_values_without_a_white_are_refused_with_what_reads_them(tmp_path, values, told):
    path = tmp_path / "a.tif"
    Image.fromarray(values).save(path)
    with pytest.raises(UserError) as error:
        image_files.decode(path, greyscale=True)
    assert str(error.value) == f"{path}: {told}; {AS_ARRAY}"


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(STEP.repeat(8, axis=0).repeat(8, axis=1)).save(path, progressive=True)
    whole = path.read_bytes()
    start, end = whole.rindex(b"\xff\xda"), whole.rindex(b"\xff\xd9")
    assert image_files.decode(path, greyscale=True).shape == (16, 24, 1)
    path.write_bytes(whole[:end] + 2000 * whole[start:end] + whole[end:])
    scans = whole.count(b"\xff\xda") + 2000
    with pytest.raises(UserError) as error:
        image_files.decode(path, greyscale=True)
    assert str(error.value) == f"{path}: a JPEG of {scans} scans, more than 100; save it again"


def test_images_are_found_in_deeper_folders_and_other_files_are_counted(tmp_path):
    for name in ("a.png", "deep/b.JPG", "deep/deeper/c.webp", "deep/.hidden/d.png", "notes.txt", "deep/e.xcf", "f.xcf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deep/circle").symlink_to(tmp_path)
    images, others = image_files.below(tmp_path)
    assert [path.name for path in images] == ["a.png", "b.JPG", "c.webp"]
    assert image_files.left_out(tmp_path, others) == (
        f"{tmp_path.name}: 3 files are no images and are not read: 2 .xcf, 1 .txt"
    )
    assert image_files.left_out(tmp_path, []) == ""


@pytest.mark.parametrize(("types", "more"), [(image_files.NAMED, ""), (image_files.NAMED + 2, " and 2 other types")])
def test_of_many_types_of_files_the_most_frequent_are_named(types, more, tmp_path):
    told = image_files.left_out(tmp_path, [tmp_path / f"a.x{i}" for i in range(types)])
    named = ", ".join(f"1 .x{i}" for i in range(image_files.NAMED))
    assert told == f"{tmp_path.name}: {types} files are no images and are not read: {named}{more}"
