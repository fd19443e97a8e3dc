import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from mlphys.data.splits import split
from mlphys.datasets import image_folder
from mlphys.datasets.image_folder import ImageFolder
from mlphys.errors import UserError
from mlphys.io import image_files
from mlphys.numerics import chunked


def save(path, value=0, size=(4, 6), mode="RGB"):
    """An image of one colour; size is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size[::-1], value).save(path)


def spec(folder, **keys):
    return ImageFolder(name="image_folder", path=str(folder), **keys)


def error_of(folder, function=ImageFolder.describe, **keys):
    with pytest.raises(UserError) as error:
        function(spec(folder, **keys))
    return str(error.value)


@pytest.fixture
def animals(tmp_path):
    """Two classes; each image has its own grey."""
    for name, value in (("cat/b.png", 20), ("cat/a.PNG", 10), ("dog/c.jpeg", 40), ("ant/d.JPG", 30)):
        save(tmp_path / name, (value,) * 3)
    return tmp_path


def test_classes_are_the_sorted_folders_and_samples_are_sorted_in_them(animals):
    description, samples = spec(animals).describe(), spec(animals).load()
    assert (description.shape, description.classes) == ((4, 6, 3), ("ant", "cat", "dog"))
    assert (description.samples, description.test_samples, description.target_shape) == (4, None, ())
    assert np.array_equal(samples.y, [0, 1, 1, 2])
    assert np.allclose(samples.x[:, 0, 0, 0] * 255, [30, 10, 20, 40], atol=1)  # JPEG rounds
    assert (samples.x.shape, samples.x.dtype, samples.y.dtype) == ((4, 4, 6, 3), np.float32, np.int32)
    assert samples.files == spec(animals).files() == ()


def test_images_in_deeper_folders_are_of_their_class_and_files_of_other_types_are_counted(animals):
    save(animals / ".hidden/a.png")
    save(animals / "cat/.a.png")
    save(animals / "cat/kittens/a.png")
    save(animals / "cat/folder.png/a.png")
    (animals / "cat/notes.txt").write_text("a cat")
    (animals / "README.md").write_text("animals")
    assert spec(animals).describe().samples == 6
    samples = spec(animals, size=[4, 6]).load()
    assert np.bincount(samples.y).tolist() == [1, 4, 1]
    assert samples.notes == (f"{animals.name}: 2 files are no images and are not read: 1 .md, 1 .txt",)


@pytest.mark.parametrize(
    ("names", "drawn"),
    [
        (("train", "val", "test"), {}),
        (("Training", "testing"), {"validation": 0}),
        (("train", "valid"), {"test": 0}),
        (("train", "validation", "TEST"), {}),
    ],
)
def test_folders_of_splits_are_the_splits(tmp_path, names, drawn):
    for n, name in enumerate(names, start=2):
        for label, value in (("cat", 10), ("dog", 200)):
            for k in range(n):
                save(tmp_path / name / label / f"{k}.png", value + n, mode="L")
    (tmp_path / "labels.csv").write_text("")
    data = spec(tmp_path, greyscale=True, **drawn)
    parts = split(data, data.describe(), data.load())
    assert data.describe().classes == ("cat", "dog")
    found = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    for n, name in enumerate(names, start=2):
        (part,) = [part for part in found if part.startswith(name.lower()[:3])]
        y = found[part].y
        assert sorted(y) == [0] * n + [1] * n
        assert np.allclose(found[part].x[:, 0, 0, 0] * 255, np.where(y == 0, 10, 200) + n)
    assert parts.notes == (f"{tmp_path.name}: 1 files are no images and are not read: 1 .csv",)


def test_splits_without_classes_are_read_too(tmp_path):
    for name, n in (("train", 5), ("test", 2)):
        for k in range(n):
            save(tmp_path / name / f"{k}.png", k, mode="L")
    description = spec(tmp_path).describe()
    assert (description.classes, description.samples, description.test_samples) == ((), 5, 2)


@pytest.mark.parametrize("names", [("train", "cat"), ("test", "val"), ("train",), ("cat", "dog")])
def test_folders_that_are_not_all_splits_are_classes(tmp_path, names):
    for name in names:
        save(tmp_path / name / "a.png")
    assert spec(tmp_path).describe().classes == tuple(sorted(names))


@pytest.mark.parametrize(
    ("largest", "white"), [(900, 1023), (4095, 4095), (9000, 16_383), (50_000, 65_535), (200, 255)]
)
def test_a_cameras_16_bits_are_divided_by_the_white_of_the_bits_it_uses(tmp_path, largest, white):
    for k, value in enumerate((0, largest // 2, largest)):
        Image.fromarray(np.full((2, 2), value, np.uint16)).save(tmp_path / f"{k}.tif")
    samples = spec(tmp_path, greyscale=True).load()
    assert samples.units.scale == white
    assert np.allclose(samples.x[:, 0, 0, 0], np.array([0, largest // 2, largest]) / white)
    save(tmp_path / "8 bits.png", 255, mode="L", size=(2, 2))
    assert spec(tmp_path, greyscale=True).load().x[3, 0, 0, 0] == 1


def test_a_linked_folder_is_a_class(animals, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "a.png")
    (animals / "bee").symlink_to(elsewhere)
    assert spec(animals).describe().classes == ("ant", "bee", "cat", "dog")


def test_images_directly_in_the_folder_have_no_targets(tmp_path):
    for k in range(3):
        save(tmp_path / f"{k}.png", k, mode="L")
    description, samples = spec(tmp_path).describe(), spec(tmp_path).load()
    assert (description.classes, description.target_shape, description.samples) == ((), (0,), 3)
    assert (samples.y.shape, samples.y.dtype) == ((3, 0), np.float32)


@pytest.mark.parametrize(("greyscale", "channels"), [(True, 1), (False, 3)])
def test_grey_and_coloured_images_get_the_same_channels(tmp_path, greyscale, channels):
    save(tmp_path / "a.png", (51, 51, 51))
    save(tmp_path / "b.png", 51, mode="L")
    x = spec(tmp_path, greyscale=greyscale).load().x
    assert x.shape == (2, 4, 6, channels)
    assert np.array_equal(x, np.full_like(x, 0.2))


def test_images_of_different_sizes_are_resized_to_height_and_width(tmp_path):
    save(tmp_path / "a.png", (0, 0, 255), size=(10, 3))
    save(tmp_path / "b.png", (0, 0, 255), size=(1, 1))
    x = spec(tmp_path, size=[4, 2]).load().x
    assert spec(tmp_path, size=[4, 2]).describe().shape == (4, 2, 3)
    assert np.array_equal(x, np.broadcast_to(np.array([0, 0, 1], np.float32), (2, 4, 2, 3)))
    assert spec(tmp_path, size=5).describe().shape == (5, 5, 3)


def test_what_is_described_can_be_split(tmp_path):
    for k in range(20):
        save(tmp_path / ("light" if k % 2 else "dark") / f"{k}.png", 200 * (k % 2), mode="L")
    data = spec(tmp_path, greyscale=True)
    parts = split(data, data.describe(), data.load())
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [14, 2, 4]
    assert np.array_equal(parts.test.y, parts.test.x[:, 0, 0, 0] > 0.5)


def test_all_images_of_another_size_are_counted_and_the_remedy_is_reported(animals):
    save(animals / "cat/c.png", size=(9, 6))
    save(animals / "dog/c.png", size=(6, 4))
    assert spec(animals).describe().shape == (4, 6, 3)
    assert error_of(animals, ImageFolder.load) == (
        f"{animals}: the first image has the size [4, 6], 2 of 6 another: {animals}/cat/c.png has [9, 6]; "
        "write data.size: [4, 6] to resize all"
    )


def test_all_damaged_images_are_counted_and_the_first_three_named(animals):
    for k in range(4):
        (animals / f"ant/{k}.png").write_bytes(b"no image")
    whole = (animals / "cat/b.png").read_bytes()
    (animals / "ant/0.png").write_bytes(whole[: whole.index(b"IDAT") + 8])
    os.mkfifo(animals / "cat/pipe.png")
    ant = animals / "ant"
    no_image = "not a PNG, JPEG, TIFF, BMP, GIF or WebP image; save it as PNG, or leave it out"
    assert spec(animals).describe().samples == 9
    lines = error_of(animals, ImageFolder.load).splitlines()
    assert lines[0] == f"{animals}: 5 of 9 images cannot be used"
    assert lines[1].startswith(f"{ant}/0.png: damaged: ")
    assert lines[1].endswith("; copy it again, or leave it out")
    assert lines[2:] == [f"{ant}/1.png: {no_image}", f"{ant}/2.png: {no_image}", "... and 2 more"]


def test_when_no_image_can_be_read_the_first_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    assert (
        error_of(tmp_path)
        == f"{tmp_path}/a.png: not a PNG, JPEG, TIFF, BMP, GIF or WebP image; save it as PNG, or leave it out"
    )


def test_folders_that_are_no_classes_are_refused(animals):
    (animals / "empty").mkdir()
    assert error_of(animals) == (
        f"{animals}: no images in empty, so no samples of a class; put some in, or move the folder away"
    )
    (animals / "empty").rmdir()
    save(animals / "own.png")
    assert error_of(animals) == (
        f"{animals}: 1 images, own.png first, are beside the folders of the classes ant, cat, dog; "
        "move them into one, or away"
    )


def test_splits_with_and_without_classes_are_refused(tmp_path):
    save(tmp_path / "train/cat/a.png")
    save(tmp_path / "test/a.png")
    assert error_of(tmp_path) == f"{tmp_path}: the images of test are in no folders of classes; move them there"


def test_folders_of_files_of_other_types_are_counted(tmp_path):
    for k in range(3):
        path = tmp_path / f"{'ab'[k % 2]}/{k}.xcf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert error_of(tmp_path) == (
        f"{tmp_path}: no images in a, b, so no samples of a class; {tmp_path.name}: 3 files are no images and are not "
        "read: 3 .xcf; save them as PNG"
    )


def test_a_path_that_is_no_folder_of_images_is_refused(tmp_path):
    assert error_of(tmp_path / "no") == f"{tmp_path}/no: no such folder; a relative path starts at {Path.cwd()}"
    assert error_of(tmp_path) == f"{tmp_path}: has no images and no folders of them; name a folder that has"
    (tmp_path / "a.txt").write_text("")
    assert error_of(tmp_path / "a.txt") == f"{tmp_path}/a.txt: is a file; name the folder that holds the images"


@pytest.fixture
def all_large(monkeypatch):
    monkeypatch.setattr(image_folder, "LARGEST_RESIDENT", 4 * 4 * 6 * 3 - 1)


def test_images_left_on_disk_read_as_they_would_be_in_memory(animals, all_large, monkeypatch):
    on_disk = spec(animals).load().x
    monkeypatch.setattr(image_folder, "LARGEST_RESIDENT", 4 * 4 * 6 * 3)
    resident = spec(animals).load().x
    assert isinstance(resident, np.ndarray)
    assert on_disk.shape == resident.shape
    for rows in (slice(None), slice(1, 3), np.array([3, 0, 3])):
        assert chunked.read(on_disk[rows]).tobytes() == resident[rows].tobytes()


@pytest.mark.usefixtures("all_large")
def test_all_damaged_images_on_disk_are_counted_when_the_first_is_read(animals):
    for name in ("ant/d.JPG", "dog/c.jpeg"):
        (animals / name).write_bytes(b"no image")
    samples = spec(animals).load()
    chunked.read(samples.x[1:3])
    with pytest.raises(UserError) as error:
        chunked.read(samples.x[2:])
    assert str(error.value).splitlines()[0] == f"{animals}: 2 of 4 images cannot be used"


@pytest.mark.usefixtures("all_large")
def test_images_on_disk_are_decoded_by_another_thread_without_a_word(animals, recwarn):
    x = spec(animals, size=[2, 2]).load().x
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(chunked.read, x).result().shape == (4, 2, 2, 3)
    assert not recwarn.list


def test_a_size_that_no_image_can_have_is_refused():
    with pytest.raises(ValidationError, match="an image can have 50000000 pixels; size is 100000000"):
        spec("folder", size=10_000)


def test_a_relative_path_and_a_home_are_resolved_when_the_config_is_read():
    assert spec("own").path == str(Path.cwd() / "own")
    assert spec("~/own").path == str(Path.home() / "own")


def test_more_pixels_than_an_image_may_have_are_counted_as_unusable(animals, monkeypatch):
    monkeypatch.setattr(image_files, "MOST_PIXELS", 24)
    save(animals / "dog/d.png", size=(5, 5))
    assert error_of(animals, ImageFolder.load).splitlines()[1:] == [
        f"{animals}/dog/d.png: its size [5, 5] has more than the 24 pixels that an image may have; save it smaller"
    ]
