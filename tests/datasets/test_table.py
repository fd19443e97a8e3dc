import os

import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.data.splits import split
from mlphys.datasets.table import Table
from mlphys.errors import Refusal, UserError
from mlphys.io import checksum, csvfile
from mlphys.schema.data import DataRequirements
from tests.helpers.extras import needs

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
GAPS = "; data.missing: drop leaves out rows with missing cells, mean fills them in"
QUOTES = "a cell with the delimiter in it must be quoted"
REFUSED = [
    ("", {}, ": the first line must name the columns; received nothing"),
    (
        "1,2\n3,4\n",
        {},
        ":1: 1, 2 may be a sample, or numbers that name the columns; write data.header: false for a sample, "
        "true for names",
    ),
    ("a,b\n\n", {}, ": no samples: there is nothing below the names of the columns"),
    (OHM, {"target": "Power"}, ": no column Power; did you mean power? (columns: current, voltage, power)"),
    (OHM, {"features": ["loss"]}, ": no column loss (columns: current, voltage, power)"),
    (
        "current:voltage\n1:2\n",
        {"target": "kind"},
        ": no column kind (columns: current:voltage); no comma, semicolon, tab or blank divides its lines",
    ),
    ("a,b,a\n1,2,3\n", {}, ": 2 columns are called a; rename one"),
    (",a,b\n0,1,2\n", {}, ": column 1 has no name; name the ones to use in data.features"),
    ("a\n1\n2\n", {"target": "a"}, ": the target a is its only column; add columns of features"),
    (
        IRIS,
        {},
        ":2: kind: expected a finite number; received 'setosa'; if kind holds categories, write "
        "data.categories: [kind]; 4 cells cannot be used" + MEND,
    ),
    ("a,b\n1,2\n3,\n", {}, ":3: b: the cell is empty" + GAPS + MEND),
    ("a,b\n1,?\n3,4\n5,6\n", {}, ":2: b: expected a finite number; received '?'" + GAPS + MEND),
    (
        "a,b\n1,nan\n3,-inf\n",
        {},
        f":2: b: expected a finite number; received 'nan'{GAPS}; 2 cells cannot be used{MEND}",
    ),
    ("a,b\n1,1e39\n", {}, ":2: b: 1e39 is beyond float32" + MEND),
    ("a,b\n1,1_000\n", {}, ":2: b: expected a finite number; received '1_000'" + MEND),
    ("a;b\n1.5;2\n1;2,5\n", {}, ":3: b: expected a finite number; received '2,5'; write a decimal point" + MEND),
    ("a,b\n1,2\n3,4,5\n", {}, f":3: 3 cells, but the first line names 2 columns; {QUOTES}"),
    ("a,b\n1\n", {"target": "b"}, f":2: 1 cells, but the first line names 2 columns; {QUOTES}"),
    ("a,b\n1,2\n3,2\n", {"target": "b"}, ": the target b is the same in every row: there is nothing to learn"),
    ("a,k\n1,up\n3,up\n", {"target": "k"}, ": the target k is the same in every row: there is nothing to learn"),
    ("a,k\n1,\n3,up\n", {"target": "k"}, ":2: k: the cell is empty; fill it, or leave out the row"),
    ("a,k\n1,up\n3,\n", {"target": "k"}, ":3: k: the cell is empty" + GAPS + MEND),
    ("a,k\n1,up\n3,nan\n", {"target": "k"}, ":3: k: expected a finite number; received 'nan'" + GAPS + MEND),
    (
        "a,k\n1,up\n3,4\n",
        {"target": "k"},
        ":3: k: received 4 below labels of text; if it is one, write data.target_is: classes" + MEND,
    ),
    (
        "a,k\n1,2\n3,4\n5,up\n",
        {"target": "k"},
        ":4: k: expected a finite number; received 'up'; if k holds labels, write data.target_is: classes" + MEND,
    ),
    (
        "a,k\n" + "".join(f"1,{i}.5\n" for i in range(30)),
        {"target": "k", "target_is": "classes"},
        ": k has 30 different values in 30 samples, too many to be classes; kind: regressor takes them as numbers",
    ),
    (IRIS.replace("5.1", '"5.1"x'), {}, ":2: not CSV: ',' expected after '\"'; export the table as CSV again"),
    (b"PK\0\0a,b", {}, ": not a text: it holds zero bytes; export the table as CSV in UTF-8"),
    (b"\xff\xfea", {}, ": not a text in UTF-8 or UTF-16; export the table as CSV in UTF-8"),
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


ROWS = [[0.5, 1.25], [1.5, 2.25], [2.5, 3.25], [3.5, 4.25]]
BODY = "".join(f"{t},{u},{'ab'[i % 2]}\n" for i, (t, u) in enumerate(ROWS))
COMMAS = "".join(f"{t};{u};{'ab'[i % 2]}\n".replace(".", ",") for i, (t, u) in enumerate(ROWS))
BLANKS = BODY.replace(",", "   ")

AS_WRITTEN = {
    "excel": "sep=;\nt;U;label\n" + BODY.replace(",", ";"),
    "europe": "t;U;label\n" + COMMAS,
    "europe with sep": '"sep=;"\nt;U;label\n' + COMMAS,
    "tabs and commas": "t\tU\tlabel\n" + COMMAS.replace(";", "\t"),
    "bars": "t|U|label\n" + BODY.replace(",", "|"),
    "oscilloscope": "Model,DS1000\nSample Interval,1e-6\n\nt,U,label\n" + BODY,
    "units row": "t,U,label\ns,V,-\n" + BODY,
    "units in brackets": "t,U,label\n(s),(mV),()\n" + BODY,
    "preamble and units": "Model,DS1000,\nt,U,label\n[s],[V],[-]\n" + BODY,
    "quotes": '"t", "U" ,"label"\n' + BODY,
    "comments": "# measured on Monday\nt,U,label\n" + BODY.replace("1.5,", "# a bad fit\n1.5,"),
    "commented names": "# t,U,label\n" + BODY,
    "percent": "% gnuplot\n% t U label\n" + BLANKS,
    "blanks": "  t  U   label\n" + BLANKS,
    "latin-1": ("t,U,label\n" + BODY).replace("a\n", "µ\n").encode("latin-1"),
    "utf-16": ("t,U,label\n" + BODY).encode("utf-16"),
    "utf-16 with commas": ("t;U;label\n" + COMMAS).encode("utf-16"),
    "mac": ("t,U,label\n" + BODY).replace("\n", "\r").encode(),
}


@pytest.mark.parametrize("content", AS_WRITTEN.values(), ids=AS_WRITTEN)
def test_a_file_is_read_as_programs_and_instruments_write_it(save, content):
    spec = save(content, target="label").resolved()
    samples = spec.load()
    assert spec.features == ("t", "U")
    assert np.array_equal(samples.x, np.array(ROWS, np.float32))
    assert sorted(samples.y.tolist()) == [0, 0, 1, 1]


def test_points_between_thousands_go_with_decimal_commas(save):
    samples = save("E;k\n1.234,5;a\n2.000.000,25;b\n3;a\n", target="k").load()
    assert samples.x[:, 0].tolist() == [1234.5, 2000000.25, 3]


def test_what_is_unusual_in_a_file_is_noted(save):
    assert save(AS_WRITTEN["europe"], target="label").load().notes == ("own.csv: decimal commas",)
    assert save(AS_WRITTEN["oscilloscope"], target="label").load().notes == (
        "own.csv: 3 lines above the table skipped",
    )
    assert save(AS_WRITTEN["units row"], target="label").load().notes == ("own.csv: the line of units skipped",)
    assert save(AS_WRITTEN["latin-1"], target="label").load().notes == ("own.csv: encoded as latin-1",)
    assert save(OHM, target="power", features=["voltage"]).load().notes == (
        "own.csv: 1 of 3 columns are not used: current",
    )
    assert save(OHM, target="power").load().notes == ()


def test_a_file_without_names_has_numbered_columns_when_the_key_says_so(save):
    spec = save(BODY, header=False, target="column_3")
    assert np.array_equal(spec.load().x, np.array(ROWS, np.float32))
    with pytest.raises(UserError, match=r"0\.5, 1\.25, a may be a sample, or numbers that name the columns"):
        save(BODY, target="label").describe()


def test_wavelengths_name_columns_when_the_key_says_so(save):
    spec = save("400.0,410.0,420.0\n" + "1,2,3\n4,5,6\n", header=True).resolved()
    assert spec.features == ("400.0", "410.0", "420.0")
    assert spec.describe().samples == 2
    assert save("400.0,410.0,420.0\n" + "1,2,3\n4,5,6\n", header=False).describe().samples == 3


MILES = "mpg,hp,origin\n" + "".join(f"{20 + k},{'?' if k == 5 else 90 + k},{k % 3}\n" for k in range(12))


@pytest.mark.parametrize(
    ("mark", "values"),
    [("?", []), ("", []), ("NA", []), ("NaN", []), ("-9999", [-9999]), ("-9999.0", [-9999]), ("n.d.", ["n.d."])],
)
def test_rows_with_missing_cells_are_left_out_when_the_key_says_so(save, mark, values):
    spec = save(MILES.replace("?", mark), target="mpg", missing="drop", missing_values=values).resolved()
    samples = spec.load()
    assert len(samples.x) == spec.describe().samples == 11
    assert 25 not in samples.y
    assert samples.notes == ("own.csv: 1 of 12 rows have missing cells and are left out",)


def test_missing_cells_get_the_mean_of_the_training_samples_alone(save):
    spec = save(MILES, target="mpg", missing="mean", validation=3, test=3).resolved()
    parts = split(spec, spec.describe(), spec.load())
    everything = np.concatenate([part.x for part in (parts.train, parts.validation, parts.test)])
    targets = np.concatenate([part.y for part in (parts.train, parts.validation, parts.test)])
    filled = everything[targets[:, 0] == 25, 0]
    known = parts.train.x[parts.train.y[:, 0] != 25, 0]
    assert filled == pytest.approx(known.mean(dtype=np.float64), rel=1e-6)
    assert parts.units.fill[0] == pytest.approx(known.mean(dtype=np.float64), rel=1e-6)


def test_a_target_that_is_missing_is_never_filled_in(save):
    with pytest.raises(UserError, match=":7: hp: expected a finite number; received '\\?'"):
        save(MILES, target="hp", missing="mean").describe()
    assert save(MILES, target="hp", missing="drop").describe().samples == 11


LABELLED = "detector,U,label\n" + "".join(f"{'HL'[k % 2]}1,{k % 7},{'ab'[k % 3 > 0]}\n" for k in range(40))


@pytest.mark.parametrize("categories", ["detector", ["detector"], {"detector": ["H1", "L1"]}])
def test_a_column_of_text_becomes_a_0_or_1_for_each_of_its_values(save, categories):
    spec = save(LABELLED, target="label", categories=categories).resolved()
    assert spec.categories == {"detector": ("H1", "L1")}
    assert spec.feature_names() == ("detector=H1", "detector=L1", "U")
    assert spec.describe().shape == (3,)
    assert spec.load().x[:2].tolist() == [[1, 0, 0], [0, 1, 1]]


def test_a_value_that_the_key_does_not_name_is_refused(save):
    spec = save(LABELLED, target="label", categories={"detector": ["H1", "V1"]})
    with pytest.raises(UserError, match=":3: detector: L1 is none of its categories"):
        spec.describe()


@pytest.mark.parametrize("text", [("0", "S0", "Sa"), ("1", "2", "1.5a"), ("7", "x", "8")])
def test_labels_that_begin_with_a_number_are_classes_for_a_classifier(save, text):
    content = "b_a,C,type\n" + "".join(f"{k * 0.1:.1f},{k % 7}.5,{text[k % 3]}\n" for k in range(40))
    spec = save(content, target="type").for_model(DataRequirements("classes"))
    assert spec.describe().classes == tuple(sorted(text))


@pytest.mark.parametrize("labels", [("0", "1"), ("-1", "1"), ("1.0", "2.0"), ("3", "7")])
def test_a_column_of_numbers_has_classes_for_a_classifier_and_numbers_for_a_regressor(save, labels):
    content = "t,U,label\n" + "".join(f"{k},{k % 7},{labels[k % 2]}\n" for k in range(40))
    spec = save(content, target="label")
    names = tuple(label.removesuffix(".0") for label in labels)
    assert spec.for_model(DataRequirements("classes")).describe().classes == names
    assert spec.for_model(DataRequirements("numbers")).describe().target_shape == (1,)


def test_a_classifier_needs_a_column_of_labels(save):
    with pytest.raises(Refusal, match="this kind of model needs labels; name the column that holds them"):
        save(OHM).for_model(DataRequirements("classes"))


def test_rows_are_signals_for_a_net_of_sequences(save):
    spec = save(OHM).for_model(DataRequirements(signals=True)).resolved()
    assert spec.describe().shape == (3, 1)
    assert spec.load().x.shape == (3, 3, 1)


def test_julian_dates_keep_their_minutes(save):
    days = 2459000.5 + np.arange(30) / 1440
    samples = save("t,k\n" + "".join(f"{day!r},{i % 2}\n" for i, day in enumerate(days.tolist())), target="k").load()
    assert np.allclose(np.diff(samples.x[:, 0]), 1 / 1440, rtol=1e-4)


def test_a_table_of_very_many_columns_is_read_in_one_pass(save):
    names = [f"c{i}" for i in range(30_000)]
    content = "\n".join([",".join(names), *(",".join(["1"] * 29_999 + [str(k)]) for k in range(3))])
    assert save(content, target="c29999").describe().shape == (29_999,)
    with pytest.raises(UserError) as error:
        save(content, target="label").describe()
    assert len(str(error.value)) < 400


def test_weights_and_groups_are_no_features_and_stay_with_their_rows(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("a,w,run,kind\n1,0.5,x,s\n2,,x,b\n3,-2,y,s\n,1,y,b\n")
    keys = {"name": "table", "path": str(path), "target": "kind", "weights": "w", "split": {"by": "run"}}
    with pytest.raises(UserError, match=r":3: w: received an empty cell; every sample needs a weight"):
        Table(**keys, missing="drop").load()
    path.write_text("a,w,run,kind\n1,0.5,x,s\n3,-2,y,s\n,1,y,b\n5,4,x,b\n")
    samples = Table(**keys, missing="drop").load()
    assert samples.x.tolist() == [[1], [3], [5]]
    assert samples.weights.tolist() == [0.5, -2, 4]
    assert samples.groups.tolist() == [0, 1, 0]
    with pytest.raises(UserError, match=r"no column v \(columns: a, w, run, kind\)"):
        Table(**keys | {"weights": "v"}).describe()


def test_columns_of_an_npz_file_are_a_table(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, mass=[1.0, np.nan, 3.0, 4.0], kind=["e", "e", "e", "mu"], image=np.zeros((4, 2)))
    dataset = Table(name="table", path=str(path), target="kind", missing="drop").resolved()
    assert dataset.features == ("mass",)
    samples = dataset.load()
    assert samples.x.tolist() == [[1], [3], [4]]
    assert dataset.describe().classes == ("e", "mu")
    assert samples.notes == (
        "own.npz: 1 of 4 rows have missing cells and are left out",
        "own.npz: 1 arrays are no columns of one number a row, and not read: image",
    )


@pytest.mark.slow
def test_scalar_columns_of_a_fits_table_are_read_with_all_their_digits(tmp_path):
    needs("astropy")
    from astropy.io import fits

    path, dates = tmp_path / "stars.fits", 2459000.5 + 0.02 * np.arange(6)
    columns = [
        fits.Column("MAG", "E", array=np.arange(6) / 4), fits.Column("JD", "D", array=dates),
        fits.Column("KIND", "6A", array=np.array(["STAR", "GALAXY"])[np.arange(6) % 2]),
    ]  # fmt: skip
    fits.BinTableHDU.from_columns(columns, name="CATALOG").writeto(path)
    dataset = Table(name="table", path=str(path), target="KIND").resolved()
    samples = dataset.load()
    assert dataset.describe().classes == ("GALAXY", "STAR")
    assert samples.y.tolist() == [1, 0] * 3
    (no_offset, offset) = samples.units.offset
    assert no_offset == 0
    assert np.allclose(samples.x, np.stack([np.arange(6) / 4, dates - offset], axis=1), atol=1e-8)
    assert samples.files[0]["bytes"] == path.stat().st_size


def test_targets_that_float32_merges_are_refused_with_what_to_subtract(save):
    dates = [2459000.5 + 0.02 * (i % 7) for i in range(30)]
    text = "x,date\n" + "".join(f"{i},{date!r}\n" for i, date in enumerate(dates))
    dataset = save(text, target="date")
    with pytest.raises(UserError) as error:
        dataset.load()
    assert "the targets date go from 2459000.5 to 2459000.62, and float32 merges those closer than 0.25" in str(
        error.value
    )
    subtract = float(str(error.value).rsplit("minus ", 1)[1])
    text = "x,date\n" + "".join(f"{i},{date - subtract!r}\n" for i, date in enumerate(dates))
    assert np.allclose(save(text, target="date").load().y[:, 0], np.array(dates) - subtract, atol=1e-8)
