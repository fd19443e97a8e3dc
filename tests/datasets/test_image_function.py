import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from mlphys.data.split_sizes import sizes
from mlphys.data.splits import split
from mlphys.datasets.image_function import ImageFunction
from mlphys.errors import UserError
from mlphys.io import checksum, image_files

GREY = np.array([[0, 51, 102], [153, 204, 255]], np.uint8)
TURNED = 6  # EXIF: the image is shown turned by 90 degrees clockwise


@pytest.fixture
def save(tmp_path):
    """Write an image to a file; gives the dataset that names it."""

    def save(pixels, name="own.png", mode=None, size=None, **keys):
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels, mode)
        image.save(tmp_path / name, **keys)
        return ImageFunction(name="image_function", path=str(tmp_path / name), size=size)

    return save


def refusals(spec) -> set[str]:
    texts = set()
    for step in (ImageFunction.describe, ImageFunction.load):
        with pytest.raises(UserError) as error:
            step(spec)
        texts.add(str(error.value))
    return texts


def test_the_samples_are_the_pixels_in_the_order_of_the_rows(save):
    samples = save(GREY).load()
    assert samples.x.tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]
    assert np.array_equal(samples.y[:, 0], np.array([0, 0.2, 0.4, 0.6, 0.8, 1], np.float32))
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("size", [None, 1, 2, 3, 128])
def test_what_is_described_is_what_is_loaded(save, size):
    spec = save(GREY, size=size)
    description, samples = spec.describe(), spec.load()
    assert samples.x.shape == (description.samples, *description.shape)
    assert samples.y.shape == (description.samples, *description.target_shape) == (len(samples.x), 1)
    assert (description.classes, description.test_samples, samples.x_test) == ((), None, None)


@pytest.mark.parametrize(
    ("size", "width", "height"), [(128, 128, 85), (640, 640, 427), (1000, 640, 427), (None, 640, 427), (1, 1, 1)]
)
def test_without_a_path_it_is_the_photograph_of_scikit_learn(size, width, height):
    spec = ImageFunction(name="image_function", size=size)
    samples = spec.load()
    assert spec.describe().samples == len(samples.x) == width * height
    assert samples.y.mean() == pytest.approx(load_sample_image("china.jpg").mean() / 255, abs=0.02)
    assert (spec.files(), samples.files) == ((), ())


def test_the_proportion_of_the_sides_is_kept(save):
    spec = save(np.zeros((300, 200), np.uint8), size=30)
    samples = spec.load()
    assert len(np.unique(samples.x[:, 0])) == 20
    assert len(np.unique(samples.x[:, 1])) == 30


@pytest.mark.parametrize("size", [7, 10, 33])
def test_shrinking_keeps_the_grey_of_what_has_one_and_the_order_of_what_rises(save, size):
    assert np.array_equal(np.unique(save(np.full((50, 70), 255, np.uint8), size=size).load().y), [1])
    rising = np.tile(np.arange(100, dtype=np.uint8), (50, 1))
    y = save(rising, size=size).load().y.reshape(-1, size)
    assert (np.diff(y, axis=1) > 0).all()
    assert y.mean() == pytest.approx(rising.mean() / 255, abs=0.01)


def test_16_bits_are_not_clipped(save):
    deep = np.array([[0, 257, 256], [32768, 65535, 1]], np.uint16)
    y = save(deep).load().y
    assert np.array_equal(y[:, 0], (deep / np.float32(65535)).ravel())


COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
LUMINANCE = [0.299, 0.587, 0.114, 1]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_become_their_luminance(save, mode):
    image = Image.fromarray(COLOURS).convert(mode)
    assert save(image).load().y[:, 0] == pytest.approx(LUMINANCE, abs=0.003)


def test_two_levels_are_black_and_white(save):
    assert save(Image.fromarray(GREY > 100)).load().y[:, 0].tolist() == [0, 0, 1, 1, 1, 1]


def test_behind_what_is_transparent_is_white(save):
    image = Image.fromarray(np.array([[[0, 0], [0, 51], [0, 255]]], np.uint8), "LA")
    assert save(image).load().y[:, 0] == pytest.approx([1, 0.8, 0], abs=0.003)


@pytest.mark.parametrize("name", ["own.png", "own.jpg"])
def test_it_is_turned_as_its_exif_says(save, name):
    exif = Image.Exif()
    exif[0x0112] = TURNED
    halves = np.zeros((16, 64), np.uint8)
    halves[:, 32:] = 255
    spec = save(halves, name, exif=exif)
    y = spec.load().y.reshape(64, 16)
    assert spec.describe().samples == 16 * 64
    assert y[:32].max() < 0.1
    assert y[32:].min() > 0.9


def test_a_file_of_the_users_is_recorded_with_size_and_checksum(save):
    spec = save(GREY)
    (path,) = spec.files()
    recorded = {"path": str(path), "bytes": path.stat().st_size, "sha256": checksum.sha256(path)}
    assert spec.load().files == (recorded,)


def test_the_path_is_that_from_where_it_was_given(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert ImageFunction(name="image_function", path="own.png").path == str(tmp_path / "own.png")


def test_the_splits_are_those_of_any_data(save):
    spec = save(np.arange(100, dtype=np.uint8).reshape(10, 10))
    description, samples = spec.describe(), spec.load()
    assert sizes(spec, description) == {"train": 70, "validation": 10, "test": 20}
    dataset = split(spec, description, samples)
    assert sorted(np.concatenate([dataset.train.y, dataset.validation.y, dataset.test.y])[:, 0]) == sorted(samples.y)


def test_an_animation_is_refused(save):
    frames = [Image.fromarray(np.full((4, 4), grey, np.uint8)) for grey in (0, 128, 255)]
    spec = save(frames[0], save_all=True, append_images=frames[1:])
    assert refusals(spec) == {f"{spec.path}: an animation of 3 images; save one of them as a file"}


@pytest.mark.parametrize(("name", "format"), [("own.png", "PPM"), ("own.jpg", "TGA"), ("own.gif", "PCX")])
def test_other_formats_are_refused_whatever_their_name(save, name, format):
    spec = save(GREY, name, format=format)
    (text,) = refusals(spec)
    assert text.startswith(f"{spec.path}: not a PNG, JPEG, TIFF, BMP, GIF or WebP image; ")


@pytest.mark.parametrize(("name", "format"), [("own.gif", "GIF"), ("own.png", "BMP"), ("own.jpg", "TIFF")])
def test_an_image_is_read_by_its_content_whatever_its_name(save, name, format):
    assert save(GREY, name, format=format).describe().shape == (2,)


def test_what_is_no_image_is_refused(tmp_path):
    path = tmp_path / "own.png"
    path.write_text("x, y, grey\n")
    (text,) = refusals(ImageFunction(name="image_function", path=str(path)))
    assert text.startswith(f"{path}: not a PNG, JPEG, TIFF, BMP, GIF or WebP image; ")


@pytest.mark.parametrize("name", ["own.png", "own.jpg"])
def test_a_truncated_image_is_refused(save, name):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50), np.uint8)
    spec = save(noise, name)
    Path(spec.path).write_bytes(Path(spec.path).read_bytes()[:800])
    with pytest.raises(UserError) as error:
        spec.load()
    assert str(error.value).startswith(f"{spec.path}: damaged: ")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("side", [7072, 12_000, 2**31 - 1])
def test_more_pixels_than_memory_should_hold_are_refused_by_the_header_alone(tmp_path, side):
    header = struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)
    path = tmp_path / "own.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    (text,) = refusals(ImageFunction(name="image_function", path=str(path)))
    assert text.startswith(f"{path}: ")
    assert f"has more than the {image_files.MOST_PIXELS} pixels that an image may have; save it smaller" in text


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path, text in [
        (tmp_path / "none.png", f"no such file; a relative path starts at {Path.cwd()}"),
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "pipe.png", "is not a regular file; copy its content into one"),
    ]:
        assert refusals(ImageFunction(name="image_function", path=str(path))) == {f"{path}: {text}"}


def test_describing_the_photograph_does_not_import_scikit_learn():
    lines = [
        "from mlphys.datasets.image_function import ImageFunction",
        "ImageFunction(name='image_function').describe()",
        "import sys; print('sklearn' in sys.modules)",
    ]
    out = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
