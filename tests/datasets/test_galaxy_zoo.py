import csv
import re

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from mlphys.data.splits import split
from mlphys.datasets import _galaxy_zoo_tree as tree
from mlphys.datasets import galaxy_zoo
from mlphys.datasets.galaxy_zoo import GalaxyZoo
from mlphys.errors import UserError
from mlphys.numerics import chunked

IDS = [100008 + 3 * k for k in range(120)]
EDGE = 48  # pixels of an image; its middle half has another colour


def picture(path, grey):
    """A red frame around a middle in one grey."""
    image = Image.new("RGB", (EDGE, EDGE), (255, 0, 0))
    image.paste((grey,) * 3, (EDGE // 4, EDGE // 4, 3 * EDGE // 4, 3 * EDGE // 4))
    image.save(path, quality=95)


def fractions(number):
    """Fractions of galaxy `number`, the largest of which name its class, number % 4."""
    values = dict.fromkeys(tree.COLUMNS, 0.05)
    values[("Class1.3", "Class5.3", "Class6.2", "Class8.7")[number % 4]] = 0.9
    return values | {"Class1.1": number / 1000}


def write_votes(path, rows, columns=("GalaxyID", *tree.COLUMNS)):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def rows():
    return [{"GalaxyID": number, **fractions(k)} for k, number in enumerate(IDS)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo") / "images_training_rev1"
    folder.mkdir()
    for k, number in enumerate(IDS):
        picture(folder / f"{number}.jpg", 2 * k)
    return folder


@pytest.fixture
def zoo(images, tmp_path):
    """Kaggle's folder and CSV, which a test may damage."""
    folder = tmp_path / "images_training_rev1"
    folder.mkdir()
    for path in images.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    write_votes(tmp_path / "training_solutions_rev1.csv", rows())
    return folder


def spec(folder, **keys):
    return GalaxyZoo(**{"name": "galaxy_zoo", "path": str(folder), "size": 8} | keys)


def refused(folder, text, **keys):
    with pytest.raises(UserError, match=re.escape(text)):
        spec(folder, **keys).describe()


def test_the_four_classes_are_those_of_the_largest_fraction(zoo):
    samples = spec(zoo).load()
    assert spec(zoo).describe().classes == ("no galaxy", "spiral", "elliptical", "irregular")
    assert samples.y.tolist() == [k % 4 for k in range(120)]
    assert samples.notes == ()


def test_each_of_an_answers_columns_counts_for_its_class():
    one_of = {"Class1.3": 0, "Class6.2": 2} | {f"Class5.{k}": 1 for k in range(1, 5)}
    one_of |= {f"Class8.{k}": 3 for k in range(1, 8)}
    for name, number in one_of.items():
        assert tree.labels(np.array([[float(column == name) for column in tree.COLUMNS]])) == [number]
    assert len(tree.COLUMNS) == 37
    assert (tree.COLUMNS[0], tree.COLUMNS[-1]) == ("Class1.1", "Class11.6")


def test_fractions_are_targets_by_their_names_whatever_the_order_of_the_columns(zoo):
    write_votes(zoo.parent / "mixed.csv", rows(), (*reversed(tree.COLUMNS), "GalaxyID"))
    for keys in ({}, {"votes": str(zoo.parent / "mixed.csv")}):
        found = spec(zoo, targets="fractions", **keys)
        y = found.load().y
        assert found.target_names() == tree.COLUMNS
        np.testing.assert_allclose(y[:, 0], np.arange(120) / 1000)
        np.testing.assert_allclose(y[6], list(fractions(6).values()))


def test_the_middle_of_an_image_is_cut_out_and_resized(zoo):
    whole, middle = spec(zoo).load().x, spec(zoo, crop=EDGE // 2 - 4).load().x
    assert middle.shape == (120, 8, 8, 3)
    np.testing.assert_allclose(
        middle, np.broadcast_to((2 * np.arange(120) / 255)[:, None, None, None], middle.shape), atol=0.03
    )
    np.testing.assert_allclose(whole[:, 0, 0], [(1, 0, 0)] * 120, atol=0.05)
    assert spec(zoo, greyscale=True, crop=[20, 10], size=[6, 3]).load().x.shape == (120, 6, 3, 1)
    with pytest.raises(UserError, match=r"120 of 120 images cannot be used") as error:
        spec(zoo, crop=99).load()
    assert str(error.value).count("its size is [48, 48], smaller than the part [99, 99] that is cut out") == 3


def test_images_that_exceed_the_memory_are_decoded_when_they_are_needed(zoo, monkeypatch):
    resident = spec(zoo).load()
    monkeypatch.setattr(galaxy_zoo, "LARGEST_RESIDENT", 1000)
    streamed = spec(zoo).load()
    assert isinstance(streamed.x, chunked.LazyArray)
    assert np.array_equal(chunked.read(streamed.x[::7]), resident.x[::7])


def test_one_percent_of_missing_damaged_and_additional_images_is_counted_and_left_out(zoo):
    (zoo / f"{IDS[5]}.jpg").unlink()
    cut_off = zoo / f"{IDS[9]}.jpg"
    cut_off.write_bytes(cut_off.read_bytes()[:300])
    picture(zoo / "7.jpg", 0)
    samples = spec(zoo).load()
    assert samples.notes == (
        f"images_training_rev1: missing images of the CSV: 1 ({IDS[5]}.jpg); left out",
        f"images_training_rev1: damaged images, or no JPEG: 1 ({IDS[9]}.jpg); left out",
        "images_training_rev1: images without votes in the CSV: 1 (7.jpg); left out",
    )
    assert spec(zoo).describe().samples == len(samples.x) == 118
    assert samples.y.tolist() == [k % 4 for k in range(120) if k not in (5, 9)]
    assert len(split(spec(zoo), spec(zoo).describe(), samples).train) > 0


def test_images_and_votes_are_opened_once_until_they_change(zoo):
    counts = [galaxy_zoo._has_both_ends.cache_info, galaxy_zoo._parsed.cache_info]
    before = [count().misses for count in counts]
    for _ in range(3):
        assert spec(zoo).describe().samples == 120
    assert [count().misses for count in counts] == [before[0] + 120, before[1] + 1]
    changed = zoo / f"{IDS[9]}.jpg"
    changed.write_bytes(b"x" * changed.stat().st_size)
    write_votes(zoo.parent / "training_solutions_rev1.csv", [{"GalaxyID": number, **fractions(2)} for number in IDS])
    assert spec(zoo).describe().samples == 119
    assert set(spec(zoo).load().y) == {2}


@pytest.mark.parametrize("damage", [b"", b"no image", b"\xff\xd8 cut off"])
def test_more_than_one_percent_of_them_is_refused_by_name(zoo, damage):
    for number in IDS[:2]:
        (zoo / f"{number}.jpg").write_bytes(damage)
    refused(zoo, f"damaged images, or no JPEG: 2 ({IDS[0]}.jpg, {IDS[1]}.jpg)")
    refused(zoo, "more than 1% of the 120 galaxies in the CSV; unpack the archive again")


def test_a_csv_of_some_of_the_images_is_refused_with_the_remedy(zoo):
    write_votes(zoo.parent / "training_solutions_rev1.csv", rows()[:100])
    refused(zoo, f"images without votes in the CSV: 20 ({IDS[100]}.jpg, {IDS[101]}.jpg, {IDS[102]}.jpg, ...)")
    refused(zoo, "or name the CSV of these images as data.votes")


@pytest.mark.parametrize("value", [-0.1, 1.2, "nan", "", "many"])
def test_a_fraction_out_of_its_range_is_refused_by_line_and_column(zoo, value):
    content = rows()
    content[2]["Class7.2"] = value
    write_votes(zoo.parent / "training_solutions_rev1.csv", content)
    with pytest.raises(UserError, match=r"training_solutions_rev1\.csv:4: Class7\.2: "):
        spec(zoo).describe()


def test_rounded_fractions_just_above_one_are_fractions(zoo):
    content = rows()
    content[2]["Class7.2"] = 1.0000001
    write_votes(zoo.parent / "training_solutions_rev1.csv", content)
    assert spec(zoo).describe().samples == 120


def test_a_csv_that_is_none_of_galaxy_zoo_is_refused(zoo):
    votes = zoo.parent / "training_solutions_rev1.csv"
    write_votes(votes, rows(), ("GalaxyID", *(name for name in tree.COLUMNS if name not in ("Class6.2", "Class8.1"))))
    refused(zoo, "2 of the 38 columns are missing: Class6.2, Class8.1 (columns: GalaxyID, Class1.1,")
    write_votes(votes, [*rows(), rows()[3]])
    refused(zoo, f"galaxy {IDS[3]} is in it more than once; leave one line out")
    write_votes(votes, [{**rows()[0], "GalaxyID": "M31"}])
    refused(zoo, "csv:2: GalaxyID: expected a whole number; received 'M31'")
    write_votes(votes, [])
    refused(zoo, "no galaxies: there is nothing below the names of the columns")
    votes.unlink()
    refused(zoo, f"{votes}: no such file; name the CSV of the vote fractions as data.votes")


def test_a_folder_that_is_none_of_galaxy_zoo_is_refused(zoo, tmp_path):
    refused(tmp_path, f"no image is called by a GalaxyID, such as 100008.jpg; they are in {zoo}")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, "name the folder that Kaggle's archive images_training_rev1 was unpacked into")
    refused(tmp_path / "none", "no such folder")
    picture(zoo / f"0{IDS[0]}.jpg", 3)
    refused(zoo, f"galaxy {IDS[0]} is ")


@pytest.mark.parametrize("key", ["size", "crop"])
def test_more_pixels_than_an_image_can_have_are_refused(tmp_path, key):
    with pytest.raises(ValidationError, match=f"{key}: expected at most .* pixels; received .*; lower {key}"):
        spec(tmp_path, **{key: 10**6})


def test_the_csv_may_be_in_the_folder(zoo):
    votes = zoo.parent / "training_solutions_rev1.csv"
    votes.rename(zoo / votes.name)
    assert spec(zoo).files() == (zoo / votes.name,)
    assert spec(zoo).load().files[0]["path"] == str(zoo / votes.name)
