"""Arrays of the user's own in HDF5, MATLAB's, FITS and IDX files."""

from __future__ import annotations

import gzip
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from mlphys.datasets.array import Arrays
from mlphys.errors import UserError
from mlphys.io import array_files, sample_files
from mlphys.io.sample_files import Expected
from tests.helpers.cli import reason
from tests.helpers.extras import needs

needs("astropy")
from astropy.io import fits  # noqa: E402

X = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
Y = np.arange(12) % 3
KIND = np.array(["galaxy", "qso", "star"])[Y]


def hdf5(path: Path) -> dict[str, str]:
    with h5py.File(path / "a.h5", "w") as file:
        file["run/spectra"], file["run/kind"], file["run/time"] = X, [str(k) for k in KIND], Y
        file["elsewhere"] = h5py.ExternalLink("b.h5", "x")
    return {"path": "a.h5", "x": "run/spectra", "y": "run/kind"}


def matlab(path: Path) -> dict[str, str]:
    scipy.io.savemat(path / "a.mat", {"X": X, "y": Y, "notes": {"by": 1}})
    return {"path": "a.mat"}


def matlab_7_3(path: Path) -> dict[str, str]:
    with h5py.File(path / "b.mat", "w", userblock_size=512) as file:
        file["x_train"], file["y_train"] = X.T, Y[None].astype(float)
    return {"path": "b.mat"}


def fits_table(path: Path) -> dict[str, str]:
    columns = [
        fits.Column("FLUX", "5E", array=X), fits.Column("CLASS", "6A", array=KIND), fits.Column("Z", "D", array=Y * 0.1)
    ]  # fmt: skip
    fits.BinTableHDU.from_columns(columns, name="SPECTRA").writeto(path / "a.fits")
    return {"path": "a.fits", "x": "FLUX", "y": "CLASS"}


def fits_images(path: Path) -> dict[str, str]:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(X, name="X"), fits.ImageHDU(Y, name="Y")]).writeto(path / "b.fits")
    return {"path": "b.fits"}


FORMATS = (hdf5, matlab, matlab_7_3, fits_table, fits_images)


@pytest.mark.slow
@pytest.mark.parametrize("made", FORMATS, ids=lambda made: made.__name__)
def test_samples_and_labels_are_read_by_the_names_of_their_arrays(made: Callable, tmp_path: Path):
    keys = made(tmp_path)
    dataset = Arrays(name="array", **{**keys, "path": str(tmp_path / keys["path"])})
    description, samples = dataset.describe(), dataset.load()
    assert (description.shape, description.samples) == ((5,), 12)
    assert len(description.classes) == 3
    assert np.array_equal(samples.x, X)
    assert np.array_equal(samples.y, Y)
    assert samples.files[0]["bytes"] == Path(dataset.path).stat().st_size
    expected = Expected((5,), array=keys.get("x", "X" if made is matlab else "x"))
    if made in (hdf5, matlab, fits_table):
        assert np.array_equal(sample_files.read(Path(dataset.path), expected), X)


@pytest.mark.slow
def test_what_is_not_read_of_a_file_is_reported_with_the_reason(tmp_path: Path):
    keys = hdf5(tmp_path)
    keys["path"] = str(tmp_path / keys["path"])
    assert Arrays(name="array", **keys).load().notes == (
        "a.h5: 1 arrays are not used: run/time",
        "a.h5: 1 arrays cannot be read: elsewhere (is a link into another file)",
    )
    with pytest.raises(UserError) as error:
        Arrays(name="array", **{**keys, "x": "elsewhere"}).describe()
    assert str(error.value) == f"{keys['path']}: elsewhere is a link into another file; copy what it leads to"


def test_samples_along_the_last_axis_are_reported_with_what_turns_them(tmp_path: Path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.zeros((4, 4, 12)), "y": Y})
    with pytest.raises(UserError) as error:
        Arrays(name="array", path=str(tmp_path / "a.mat")).describe()
    assert str(error.value) == (
        f"{tmp_path / 'a.mat'}: x has 4 samples and y 12 targets; they must be as many; "
        "np.moveaxis(x, -1, 0) puts its last axis first"
    )


def idx_file(path: Path, values: np.ndarray) -> None:
    content = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_folder_of_idx_files_is_read_as_mnist_names_them(ending: str, tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4)).astype(np.uint8)
    for part, rows in (("train", slice(9)), ("t10k", slice(9, 12))):
        idx_file(tmp_path / f"{part}-images-idx3-ubyte{ending}", images[rows])
        idx_file(tmp_path / f"{part}-labels-idx1-ubyte{ending}", Y.astype(np.uint8)[rows])
    dataset = Arrays(name="array", path=str(tmp_path))
    samples = dataset.load()
    assert np.array_equal(samples.x[..., 0], images[:9] / np.float32(255))
    assert np.array_equal(samples.y_test, Y[9:])
    assert len(samples.files) == 4
    single = Arrays(name="array", path=str(tmp_path / f"train-images-idx3-ubyte{ending}"))
    assert single.describe().shape == (4, 4, 1)
    assert np.array_equal(single.load().x, samples.x)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "a.pkl",
            "can run code when it is opened, so it is not; if you trust it: import numpy as np, pickle; "
            "x, y = pickle.load(open('a.pkl', 'rb')); np.savez('a.npz', x=x, y=y)",
        ),
        (
            "a.PTH",
            "is PyTorch's; import numpy as np, torch; x, y = torch.load('a.PTH', weights_only=True); "
            "np.savez('a.npz', x=x, y=y)",
        ),
        (
            "events.root",
            "is ROOT's; import numpy as np, uproot; "
            "np.savez('events.npz', **uproot.open('events.root')['TREE'].arrays(library='np'))",
        ),
        (
            "a.parquet",
            "is a table of another format; import pandas; "
            "pandas.read_parquet('a.parquet').to_csv('a.csv', index=False), and data: {name: table, path: a.csv}",
        ),
        ("a.dat", "is a table; write data: {name: table, path: a.dat}"),
        (
            "a.tiff",
            "is an image; put those of each class into a folder, and write data: {name: image_folder, path: ...}",
        ),
    ],
)
def test_a_format_that_is_not_read_is_reported_with_the_line_that_converts_it(name: str, told: str, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(b"anything")
    with pytest.raises(UserError) as error:
        array_files.headers(path)
    assert str(error.value) == f"{path}: {told}"


def test_the_line_that_converts_a_pickle_makes_a_file_that_is_read(tmp_path: Path, monkeypatch):

    monkeypatch.chdir(tmp_path)
    with open("a.pkl", "wb") as file:
        pickle.dump((X, Y), file)
    Path("a.yaml").write_text("""
        data: {name: array, path: a.pkl}
        model: {kind: classifier, layers: [{Dense: {units: 3, activation: softmax}}]}
    """)
    line = reason("config", "check", "a.yaml").partition("if you trust it: ")[2]
    subprocess.run([sys.executable, "-c", line], check=True)
    assert np.array_equal(Arrays(name="array", path="a.npz").load().x, X)
