import os

import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.datasets.array import Arrays
from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.numerics import chunked

X = np.linspace(0, 1, 12 * 5, dtype=np.float32).reshape(12, 5)
Y = np.arange(12) % 3


@pytest.fixture
def save(tmp_path):
    """Write arrays to an npz file; gives the dataset that names it."""

    def save(spec=None, **arrays):
        np.savez(tmp_path / "own.npz", **arrays)
        return Arrays(name="array", path=str(tmp_path / "own.npz"), **(spec or {}))

    return save


def test_what_is_described_is_what_is_loaded(save):
    spec = save(x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4])
    description, samples = spec.describe(), spec.load()
    assert description.classes == ("0", "1", "2")
    assert samples.x.shape == (description.samples, *description.shape) == (12, 5)
    assert samples.x_test.shape == (description.test_samples, 5) == (4, 5)
    assert np.array_equal(samples.x, X)
    assert np.array_equal(samples.y, Y)
    assert (samples.x.dtype, samples.y.dtype, samples.y_test.dtype) == (np.float32, np.int32, np.int32)


def test_x_and_y_have_no_official_test_set(save):
    spec = save(x=X, y=Y)
    assert spec.describe().test_samples is None
    assert spec.load().x_test is None


@pytest.mark.parametrize(
    ("stored", "shape"),
    [((12, 5), (5,)), ((12, 4, 5), (4, 5, 1)), ((12, 4, 5, 3), (4, 5, 3)), ((12, 2, 2, 2, 1), (2, 2, 2, 1))],
)
def test_images_get_an_axis_of_channels(save, stored, shape):
    spec = save(x=np.zeros(stored), y=Y)
    assert spec.describe().shape == shape
    assert spec.load().x.shape == (12, *shape)


@pytest.mark.parametrize(
    ("x", "scale", "expected"),
    [
        (np.full((12, 2), 51, np.uint8), None, 0.2),
        (np.full((12, 2), 51, np.uint8), 51.0, 1.0),
        (np.full((12, 2), 51, np.int64), None, 51.0),
        (np.full((12, 2), -7.5), None, -7.5),
        (np.full((12, 2), 3.0, ">f8"), 2.0, 1.5),
        (np.full((12, 2), True), None, 1.0),
    ],
)
def test_uint8_is_divided_by_255_and_anything_by_its_scale(save, x, scale, expected):
    samples = save({"scale": scale}, x=x, y=Y).load()
    assert np.array_equal(samples.x, np.full((12, 2), expected, np.float32))


def test_columns_first_is_read_as_it_is_meant(save):
    samples = save(x=np.asfortranarray(X), y=Y).load()
    assert np.array_equal(samples.x, X)
    assert samples.x.flags.c_contiguous


@pytest.mark.parametrize("y", [Y.reshape(-1, 1), Y.astype(float), Y.astype(np.uint8), Y.astype(str), np.eye(3)[Y]])
def test_labels_may_be_a_column_whole_floats_digits_or_one_hot(save, y):
    spec = save(x=X, y=y)
    assert spec.describe().classes == ("0", "1", "2")
    assert np.array_equal(spec.load().y, Y)


LABELS = [
    (Y + 1, ("1", "2", "3")),
    (Y * 2 - 1, ("-1", "1", "3")),
    (np.array([5, 0, 900])[Y], ("0", "5", "900")),
    (Y * 10**12, ("0", "1000000000000", "2000000000000")),
    (np.array(["spi", "ell", "irr"])[Y], ("ell", "irr", "spi")),
    (np.array([b"spi", b"ell", b"irr"])[Y], ("ell", "irr", "spi")),
    (np.array(["10", "9", "-1"])[Y], ("-1", "9", "10")),
    (np.array(["a ", " b", "c"])[Y], ("a", "b", "c")),
    (Y > 0, ("0", "1")),
    (2.0 * Y, ("0", "2", "4")),
]


@pytest.mark.parametrize(("y", "classes"), LABELS, ids=[", ".join(classes) for _, classes in LABELS])
@pytest.mark.parametrize("targets", [None, "classes"])
def test_every_different_label_is_a_class_and_no_other_is(save, y, classes, targets):
    spec = save({"targets": targets}, x=X, y=y)
    description, samples = spec.describe(), spec.load()
    assert description.classes == classes
    assert [str(classes[k]) for k in samples.y] == [
        label.strip() if isinstance(label, str) else str(int(label))
        for label in np.asarray(y).astype(str if np.asarray(y).dtype.kind in "US" else float).tolist()
    ]
    assert (np.bincount(samples.y, minlength=len(classes)) > 0).all()


def test_labels_of_all_splits_make_the_classes(save):
    spec = save(x_train=X, y_train=2 * Y, x_test=X, y_test=2 * Y + 1)
    assert spec.describe().classes == ("0", "1", "2", "3", "4", "5")


@pytest.mark.parametrize(
    ("y", "names", "codes"),
    [
        (np.array([1, 2])[Y % 2], ["up", "down"], Y % 2),
        (np.array([-1, 1])[Y % 2], ["up", "down"], Y % 2),
        (np.array(["b", "a"])[Y % 2], ["b", "a"], Y % 2),
        (np.array(["b", "a"])[Y % 2], ["c", "b", "a"], Y % 2 + 1),
    ],
)
def test_names_are_those_of_the_labels_in_their_order_or_of_text_that_they_hold(save, y, names, codes):
    spec = save({"class_names": names}, x=X, y=y)
    assert spec.describe().classes == tuple(names)
    assert np.array_equal(spec.load().y, codes)


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (
            np.array(["a", "", "b"])[Y],
            "text '' cannot name a class: names have 1 to 100 printable characters",
        ),
        (np.array(["a", "\x1b[2J", "b"])[Y], "cannot name a class"),
        (np.array(["a", "x" * 101, "b"])[Y], "cannot name a class"),
        (
            np.arange(60) * 3,
            "y has 60 different values in 60 samples, too many to be classes; kind: regressor takes",
        ),
    ],
)
def test_what_cannot_name_a_class_is_refused(save, y, text):
    with pytest.raises(UserError) as error:
        save({"targets": "classes"}, x=np.zeros((len(y), 2)), y=y).describe()
    assert text in str(error.value)


def test_text_is_no_target_of_a_regressor(save):
    with pytest.raises(UserError, match="y holds <U1, which is no number; kind: classifier takes it as classes"):
        save({"targets": "numbers"}, x=X, y=np.array(["a", "b", "c"])[Y]).describe()


def test_classes_have_the_names_that_are_given(save):
    spec = save({"class_names": ["up", "down", "strange", "charm"]}, x=X, y=Y)
    assert spec.describe().classes == ("up", "down", "strange", "charm")


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(ValidationError, match="two classes have the same name"):
        Arrays(name="array", path="own.npz", class_names=["up", "up"])


def test_the_file_is_recorded_with_size_and_checksum(save, tmp_path):
    (recorded,) = save(x=X, y=Y).load().files
    path = tmp_path / "own.npz"
    assert recorded == {"path": str(path), "bytes": path.stat().st_size, "sha256": checksum.sha256(path)}


REFUSED = [
    (
        {"a": X, "y": Y},
        "needs the arrays x_train and y_train (and x_test, y_test), or x and y, all without y for an autoencoder; "
        "received a, y; data.x and data.y name others",
    ),
    (
        {"x_train": X, "y_train": Y, "x_test": X},
        "has x_test, but not all of x_train, y_train, x_test, y_test; add the others, or leave the test set out",
    ),
    ({"x": X, "y": Y[:7]}, "x has 12 samples and y 7 targets; they must be as many"),
    ({"x": X.astype(object), "y": Y}, "x holds object; expected real numbers"),
    ({"x": X.astype(str), "y": Y}, "x holds <U32; expected real numbers"),
    ({"x": X * 1j, "y": Y}, "x holds complex64; expected real numbers"),
    ({"x": X[:0], "y": Y[:0]}, "x has shape (0, 5): no samples in it"),
    ({"x": X[:, 0], "y": Y}, "x has shape (12,); expected (samples, features) or images"),
    ({"x": X, "y": np.array(3)}, "y has shape (); expected one value per sample"),
    (
        {"x_train": X, "x_test": X, "y_test": Y},
        "has x_test and y_test, but not all of x_train, y_train, x_test, y_test; add the others, or leave the "
        "test set out",
    ),
    (
        {"x_train": X, "y": Y},
        "needs the arrays x_train and y_train (and x_test, y_test), or x and y, all without y for an autoencoder; "
        "received x_train, y; data.x and data.y name others",
    ),
    (
        {"x_train": X, "y_train": Y + 0.5, "x_test": X, "y_test": X},
        "y_train has shape (12,) and y_test (12, 5); they must be alike",
    ),
    (
        {"x_train": X, "y_train": Y, "x_test": X[:, :3], "y_test": Y},
        "x_train has shape (12, 5) and x_test (12, 3); they must be alike",
    ),
    (
        {"x": X, "y": np.where(Y, Y, np.nan)},
        "y has 4 values that are NaN, infinite or beyond float32, the first at [0, 0]; "
        "replace them, or leave these samples out",
    ),
    (
        {"x_train": X, "y_train": Y, "x_val": X},
        "has x_val, but not all of x_train, y_train, x_val, y_val; add the others, or leave the validation set out",
    ),
    ({"x": X, "y": Y * 1j}, "y holds complex128; expected real numbers"),
]


@pytest.mark.parametrize(("arrays", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_arrays_that_cannot_be_used_are_refused_before_any_sample_is_read(save, arrays, text):
    spec = save(**arrays)
    with pytest.raises(UserError) as error:
        spec.describe()
    assert str(error.value) == f"{spec.path}: {text}"


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (
            Y + 0.5,
            "y[0] is 0.5: labels are text or whole numbers; kind: regressor takes numbers; 12 of 12 are wrong",
        ),
        (
            np.where(Y, Y, np.nan),
            "y[0] is nan: labels are text or whole numbers; kind: regressor takes numbers; 4 of 12 are wrong",
        ),
        (X, "y has shape (12, 5); expected one whole number per sample, or one-hot"),
    ],
)
@pytest.mark.parametrize("keys", [{"targets": "classes"}, {"class_names": ["up", "down", "strange"]}])
def test_targets_that_are_said_to_be_classes_must_be_labels(save, keys, y, text):
    spec = save(keys, x=X, y=y)
    with pytest.raises(UserError) as error:
        spec.describe()
    assert str(error.value) == f"{spec.path}: {text}"


def test_a_named_class_may_have_no_samples_the_first_one_too(save):
    assert save({"class_names": ["none", "up", "down", "strange"]}, x=X, y=Y + 1).describe().samples == 12


@pytest.mark.parametrize(
    ("y", "shape"),
    [
        (Y + 0.5, (1,)),
        (Y[:, None] + 0.5, (1,)),
        (X, (5,)),
        (X.reshape(12, 5, 1, 1), (5, 1, 1)),
        (X[:, None], (1, 5, 1)),
    ],
)
def test_targets_that_are_no_whole_numbers_are_numbers(save, y, shape):
    spec = save(x=X, y=y)
    description, samples = spec.describe(), spec.load()
    assert (description.classes, description.target_shape) == ((), shape)
    assert (samples.y.shape, samples.y.dtype) == ((12, *shape), np.float32)
    assert np.array_equal(samples.y, y.reshape(12, *shape).astype(np.float32))


@pytest.mark.parametrize("y", [Y, Y - 1, np.eye(3)[Y]])
def test_whole_numbers_are_numbers_when_the_key_says_so(save, y):
    spec = save({"targets": "numbers"}, x=X, y=y)
    assert spec.describe().classes == ()
    assert np.array_equal(spec.load().y, y.reshape(12, -1))


def test_targets_are_numbers_when_only_those_of_the_test_set_are_not_whole(save):
    samples = save(x_train=X, y_train=Y.astype(float), x_test=X, y_test=Y / 2).load()
    assert samples.y.dtype == samples.y_test.dtype == np.float32


@pytest.mark.parametrize("names", [("x",), ("x_train",), ("x_train", "x_test")])
def test_samples_without_y_have_no_targets(save, names):
    spec = save(**dict.fromkeys(names, X))
    description, samples = spec.describe(), spec.load()
    assert (description.classes, description.target_shape, description.samples) == ((), (0,), 12)
    assert (samples.y.shape, samples.y.dtype) == ((12, 0), np.float32)
    assert (samples.y_test is None) == (samples.x_test is None) == (len(names) == 1)


def test_numbers_have_no_names():
    with pytest.raises(ValidationError, match="numbers have no class_names; leave them out, or write targets: classes"):
        Arrays(name="array", path="own.npz", targets="numbers", class_names=["up", "down"])


def test_a_label_beyond_the_named_classes_is_refused(save):
    spec = save({"class_names": ["up", "down"]}, x=X, y=Y)
    with pytest.raises(UserError) as error:
        spec.describe()
    assert str(error.value) == f"{spec.path}: y[2] is 2: the classes are 0 to 1; 4 of 12 are wrong"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_values_that_are_no_float32_are_counted_and_the_first_is_named(save, wrong):
    x = X.astype(np.float64)
    x[3, 4] = x[7, 0] = wrong
    spec = save(x=x, y=Y)
    with pytest.raises(UserError) as error:
        spec.load()
    assert str(error.value) == (
        f"{spec.path}: x has 2 values that are NaN, infinite or beyond float32, the first at [3, 4]; "
        "replace them, or leave these samples out"
    )


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_a_path_that_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "own.npz"
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    expected = {
        "missing": f"{path}: no such file; a relative path starts at {os.getcwd()}",
        "folder": f"{path}: needs npy files of the arrays x_train and y_train (and x_test, y_test), or x and y, "
        "all without y for an autoencoder; received none; data.x and data.y name others",
        "pipe": f"{path}: is not a regular file; copy its content into one",
    }
    with pytest.raises(UserError) as error:
        Arrays(name="array", path=str(path)).describe()
    assert str(error.value) == expected[kind]


def test_a_file_that_would_have_to_be_unpickled_is_never_unpickled(save, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    spec = save(x=np.array([Bomb()] * 12), y=Y)
    with pytest.raises(UserError, match="x holds object; expected real numbers"):
        spec.load()
    assert not (tmp_path / "ran").exists()


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 5), dtype=np.uint8)


def folder(path, **arrays):
    for name, values in arrays.items():
        np.save(path / f"{name}.npy", values)
    return Arrays(name="array", path=str(path))


@pytest.fixture
def all_large(monkeypatch):
    """Every array is too large for memory, and is looked through in pieces of four images."""
    monkeypatch.setattr(chunked, "LARGEST_RESIDENT", 1)
    monkeypatch.setattr(chunked, "LARGEST_PIECE", 80)


@pytest.mark.parametrize("names", [("x", "y"), ("x_train", "y_train"), ("x_train", "y_train", "x_test", "y_test")])
def test_a_folder_of_npy_files_is_an_npz_file_of_the_same_names(save, tmp_path, names):
    arrays = {name: IMAGES if name.startswith("x") else Y for name in names}
    packed, apart = save(**arrays), folder(tmp_path, **arrays)
    assert apart.describe() == packed.describe()
    here, there = packed.load(), apart.load()
    for one, other in ((here.x, there.x), (here.y, there.y), (here.x_test, there.x_test), (here.y_test, there.y_test)):
        np.testing.assert_array_equal(one, other)
    files = [tmp_path / f"{name}.npy" for name in ("x", "y", "x_train", "y_train", "x_test", "y_test") if name in names]
    assert there.files == tuple(checksum.record(file) for file in files)


def test_an_npy_file_holds_samples_without_targets(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    spec = Arrays(name="array", path=str(tmp_path / "images.npy"))
    assert spec.describe().target_shape == (0,)
    np.testing.assert_array_equal(spec.load().x[..., 0], IMAGES / np.float32(255))


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(3, 9),
        np.array([7, 0, 11, 7]),
        np.array([0, 0, 2]),
        np.arange(12)[::-1],
        np.arange(12) % 3 == 1,
    ],
)
@pytest.mark.parametrize("x", [IMAGES, IMAGES.astype(">f8") / 7, IMAGES[..., None] > 99], ids=lambda x: str(x.dtype))
def test_what_is_left_on_disk_reads_as_it_would_be_in_memory(tmp_path, monkeypatch, x, rows):
    spec = folder(tmp_path, x=x, y=Y)
    resident = spec.load().x
    monkeypatch.setattr(chunked, "LARGEST_RESIDENT", 239)
    on_disk = spec.load().x
    assert isinstance(on_disk, chunked.LazyArray)
    assert on_disk[rows].shape == resident[rows].shape
    found = chunked.read(on_disk[rows][1:])
    assert (found.dtype, found.tobytes()) == (np.float32, resident[rows][1:].tobytes())


def test_the_largest_array_that_is_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(chunked, "LARGEST_RESIDENT", 240)
    assert isinstance(folder(tmp_path, x=IMAGES, y=Y).load().x, np.ndarray)


@pytest.mark.usefixtures("all_large")
def test_values_on_disk_that_are_no_float32_are_all_counted_when_the_first_is_read(tmp_path):
    x = IMAGES.astype(np.float64)
    x[3, 1, 4] = np.nan
    x[9, 0, 0] = 1e300
    spec = folder(tmp_path, x=x, y=Y)
    left = spec.load().x
    chunked.read(left[:3])
    with pytest.raises(UserError) as error:
        chunked.read(left[9:])
    assert str(error.value) == (
        f"{tmp_path}: x has 2 values that are NaN, infinite or beyond float32, the first at [3, 1, 4, 0]; "
        "replace them, or leave these samples out"
    )


@pytest.mark.usefixtures("all_large")
def test_a_large_file_that_is_written_column_by_column_is_refused(tmp_path):
    spec = folder(tmp_path, x=np.asfortranarray(IMAGES), y=Y)
    with pytest.raises(UserError) as error:
        spec.load()
    assert str(error.value) == (
        f"{tmp_path}/x.npy: is in Fortran order, so that samples cannot be read one by one; "
        "save it again with np.save(path, np.ascontiguousarray(x))"
    )


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_is_not_as_long_as_its_header_says_is_never_mapped(tmp_path, change, all_large):
    spec = folder(tmp_path, x=IMAGES)
    os.truncate(tmp_path / "x.npy", (tmp_path / "x.npy").stat().st_size + change)
    with pytest.raises(UserError) as error:
        spec.describe()
    assert str(error.value) == (
        f"{tmp_path}/x.npy: claims the shape (12, 4, 5) of uint8, which is not what the file holds; "
        "save it again with np.save"
    )


def test_weights_and_groups_are_arrays_of_one_value_for_each_sample(tmp_path):
    path = tmp_path / "own.npz"
    arrays = {
        "x_train": np.ones((4, 2)),
        "y_train": np.arange(4) % 2,
        "x_test": np.ones((2, 2)),
        "y_test": np.arange(2),
    }
    keys = {"name": "array", "path": str(path), "weights": "w", "split": {"by": "run"}}
    np.savez(path, **arrays, w_train=np.arange(4), run_train=["b", "a", "b", "b"])
    with pytest.raises(UserError, match=r"no array w_test, which data\.weights names"):
        Arrays(**keys).describe()
    np.savez(path, **arrays, w_train=np.arange(4), w_test=np.ones(2), run_train=["b", "a", "b", "b"])
    samples = Arrays(**keys).load()
    assert samples.weights.tolist() == [0, 1, 2, 3]
    assert samples.weights_test.tolist() == [1, 1]
    assert samples.groups.tolist() == [1, 0, 1, 1]
    assert samples.notes == ()
    np.savez(path, **arrays, w_train=np.ones((4, 3)), w_test=np.ones(2), run_train=np.arange(4))
    with pytest.raises(UserError, match=r"data\.weights needs one number for each of 4 samples"):
        Arrays(**keys).describe()
