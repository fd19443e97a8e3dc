import os

import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.data.splits import split
from mlphys.datasets.table import Table
from mlphys.errors import UserError
from mlphys.io import checksum, csvfile

IRIS = "length,width,kind\n5.1,3.5,setosa\n7.0,3.2,versicolor\n6.3,3.3,virginica\n4.9,3.0,setosa\n"
OHM = "current,voltage,power\n1,10,10\n2,20,40\n3,30.5,91.5\n"


@pytest.fixture
def save(tmp_path):
    """Write a text or bytes to a CSV file; gives the dataset that names it."""

    def save(content, **keys):
        path = tmp_path / "own.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Table(name="table", path=str(path), **keys)

    return save


def test_a_target_of_text_has_its_sorted_values_as_classes(save):
    spec = save(IRIS, target="kind")
    description, samples = spec.describe(), spec.load()
    assert (description.shape, description.target_shape, description.samples) == ((2,), (), 4)
    assert (description.classes, description.test_samples) == (("setosa", "versicolor", "virginica"), None)
    assert np.array_equal(samples.x, np.array([[5.1, 3.5], [7.0, 3.2], [6.3, 3.3], [4.9, 3.0]], np.float32))
    assert np.array_equal(samples.y, [0, 1, 2, 0])
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.int32)


def test_a_target_of_numbers_is_a_number_a_sample(save):
    spec = save(OHM, target="power", features=["voltage"])
    description, samples = spec.describe(), spec.load()
    assert (description.shape, description.target_shape, description.classes) == ((1,), (1,), ())
    assert np.array_equal(samples.x, [[10], [20], [30.5]])
    assert np.array_equal(samples.y, [[10], [40], [91.5]])
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.float32)


def test_several_targets_are_numbers_in_the_order_of_the_key(save):
    samples = save(OHM, target=["power", "current"]).load()
    assert np.array_equal(samples.y, [[10, 1], [40, 2], [91.5, 3]])
    assert samples.y.flags.c_contiguous


def test_features_stand_in_the_order_of_the_key_and_other_columns_may_hold_text(save):
    samples = save(IRIS, features=["width", "length"]).load()
    assert np.array_equal(samples.x[0], np.array([3.5, 5.1], np.float32))


def test_without_a_target_every_column_is_a_feature_and_y_is_empty(save):
    spec = save(OHM)
    assert (spec.describe().target_shape, spec.describe().shape) == ((0,), (3,))
    assert (spec.load().y.shape, spec.load().y.dtype) == ((3, 0), np.float32)


def test_labels_written_as_numbers_are_classes_when_the_key_says_so_in_the_order_of_numbers(save):
    spec = save("a,k\n1,10\n2,9\n3,1.50\n4,09\n", target="k", target_is="classes")
    assert spec.describe().classes == ("1.5", "9", "10")
    assert np.array_equal(spec.load().y, [2, 1, 0, 1])
    assert save("a,k\n1,10\n2,9\n", target="k").describe().classes == ()


def test_labels_of_text_and_numbers_are_classes_when_the_key_says_so(save):
    spec = save("a,k\n1,up\n2,3\n", target="k", target_is="classes")
    assert spec.describe().classes == ("3", "up")


@pytest.mark.parametrize(
    "content",
    [
        OHM.replace(",", ";"),
        OHM.replace(",", "\t"),
        OHM.replace(",", " , "),
        OHM.replace("\n", "\r\n"),
        "\n" + OHM + "\n\n  \n,,\n",
        '"current","voltage","power"\n"1","10","10"\n2, "20",40\n3,30.5,91.5',
        b"\xef\xbb\xbf" + OHM.encode(),
    ],
    ids=["semicolon", "tab", "blanks", "windows", "blank_lines", "quotes", "byte_order_mark"],
)
def test_a_file_as_spreadsheets_write_it_is_read_as_it_is_meant(save, content):
    samples = save(content, features=["current", "voltage"], target="power").load()
    assert np.array_equal(samples.x, [[1, 10], [2, 20], [3, 30.5]])
    assert np.array_equal(samples.y, [[10], [40], [91.5]])


def test_delimiters_inside_quotes_are_no_delimiters(save):
    spec = save('"U, I, R";n;"kind"\n1;2;"up; or ""down"""\n3;4;left\n', features=["U, I, R", "n"], target="kind")
    assert spec.describe().classes == ("left", 'up; or "down"')


def test_a_constant_feature_is_allowed(save):
    assert save("a,b\n1,1\n1,2\n", target="b").describe().samples == 2


def test_what_is_described_can_be_split(save):
    spec = save("a,k\n" + "".join(f"{n},{'odd' if n % 2 else 'even'}\n" for n in range(40)), target="k")
    parts = split(spec, spec.describe(), spec.load())
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [28, 4, 8]
    assert np.array_equal(parts.test.y, parts.test.x[:, 0] % 2)


def test_the_file_is_recorded_with_size_and_checksum(save, tmp_path):
    (recorded,) = save(OHM).load().files
    path = tmp_path / "own.csv"
    assert recorded == {"path": str(path), "bytes": path.stat().st_size, "sha256": checksum.sha256(path)}
    assert save(OHM).files() == (path,)


MEND = "; correct the file, or leave out these rows or columns"
QUOTES = "a cell with the delimiter in it must be quoted"
REFUSED = [
    ("", {}, ": the first line must name the columns; received nothing"),
    ("1,2\n3,4\n", {}, ": the first line must name the columns; received 1, 2"),
    ("a,b\n\n", {}, ": no samples: there is nothing below the names of the columns"),
    (OHM, {"target": "Power"}, ": no column Power; did you mean power? (columns: current, voltage, power)"),
    (OHM, {"features": ["loss"]}, ": no column loss (columns: current, voltage, power)"),
    (
        "current voltage\n1 2\n",
        {"target": "kind"},
        ": no column kind (columns: current voltage); the delimiter must be comma, semicolon or tab",
    ),
    ("a,b,a\n1,2,3\n", {}, ": 2 columns are called a; rename one"),
    (",a,b\n0,1,2\n", {}, ": column 1 has no name; name the ones to use in data.features"),
    ("a\n1\n2\n", {"target": "a"}, ": the target a is its only column; add columns of features"),
    (
        IRIS,
        {},
        ":2: kind: expected a finite number; received 'setosa'; 4 cells cannot be used" + MEND,
    ),
    ("a,b\n1,2\n3,\n", {}, ":3: b: the cell is empty" + MEND),
    ("a,b\n1,nan\n3,-inf\n", {}, ":2: b: expected a finite number; received 'nan'; 2 cells cannot be used" + MEND),
    ("a,b\n1,1e39\n", {}, ":2: b: 1e39 is beyond float32" + MEND),
    ("a,b\n1,1_000\n", {}, ":2: b: expected a finite number; received '1_000'" + MEND),
    ("a;b\n1;2,5\n", {}, ":2: b: expected a finite number; received '2,5'; write a decimal point" + MEND),
    ("a,b\n1,2\n3,4,5\n", {}, f":3: 3 cells, but the first line names 2 columns; {QUOTES}"),
    ("a,b\n1\n", {"target": "b"}, f":2: 1 cells, but the first line names 2 columns; {QUOTES}"),
    ("a,b\n1,2\n3,2\n", {"target": "b"}, ": the target b is the same in every row: there is nothing to learn"),
    ("a,k\n1,up\n3,up\n", {"target": "k"}, ": the target k is the same in every row: there is nothing to learn"),
    ("a,k\n1,\n3,up\n", {"target": "k"}, ":2: k: the cell is empty; fill it, or leave out the row"),
    ("a,k\n1,up\n3,\n", {"target": "k"}, ":3: k: the cell is empty" + MEND),
    ("a,k\n1,up\n3,nan\n", {"target": "k"}, ":3: k: expected a finite number; received 'nan'" + MEND),
    (
        "a,k\n1,up\n3,4\n",
        {"target": "k"},
        ":3: k: received 4 below labels of text; if it is one, write data.target_is: classes" + MEND,
    ),
    (
        "a,k\n1,2\n3,4\n5,up\n",
        {"target": "k"},
        ":4: k: expected a finite number; received 'up'" + MEND,
    ),
    (IRIS.replace("5.1", '"5.1"x'), {}, ":2: not CSV: ',' expected after '\"'; export the table as CSV again"),
    ("größe,b\n1,2\n".encode("latin-1"), {}, ": not a text in UTF-8; export the table as CSV in UTF-8"),
    (OHM.encode("utf-16"), {}, ": not a text in UTF-8; export the table as CSV in UTF-8"),
]


@pytest.mark.parametrize(("content", "keys", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_a_table_that_cannot_be_used_is_refused_with_its_line_and_column(save, content, keys, text):
    spec = save(content, **keys)
    with pytest.raises(UserError) as error:
        spec.describe()
    assert str(error.value) == f"{spec.path}{text}"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"features": ["a", "b"], "target": "b"}, "features and target name b twice; name a column once"),
        ({"features": ["a", "a"]}, "features and target name a twice; name a column once"),
        ({"target_is": "numbers"}, "target_is: numbers needs a target; name its column"),
        ({"target": ["a", "b"], "target_is": "classes"}, "several targets are numbers; classes have one column"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys, text):
    with pytest.raises(ValidationError, match=text):
        Table(name="table", path="own.csv", **keys)


def test_a_file_too_large_is_refused_before_it_is_read(save, tmp_path):
    spec = save(OHM)
    os.truncate(spec.path, csvfile.MOST_BYTES + 10_000_000)  # a hole: it takes no space on the disk
    with pytest.raises(UserError) as error:
        spec.describe()
    assert str(error.value) == f"{spec.path}: 510 MB; at most 500 are read; save fewer rows"


def test_a_path_that_is_no_file_is_refused(tmp_path):
    path = tmp_path / "own.csv"
    os.mkfifo(path)
    with pytest.raises(UserError) as error:
        Table(name="table", path=str(path)).describe()
    assert str(error.value) == f"{path}: is not a regular file; copy its content into one"
