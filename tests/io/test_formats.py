"""Files of HDF5, MATLAB and FITS that are damaged, too large or hold other things are refused with the reason."""

from __future__ import annotations

import io
import sys

import h5py
import numpy as np
import pytest
import scipy.io

from mlphys.io.formats import fits, hdf5, matlab
from mlphys.io.formats.content import Unreadable
from tests.helpers.extras import needs

needs("astropy")
from astropy.io import fits as astropy_fits  # noqa: E402


def hdf5_file(*names: str) -> io.BytesIO:
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for name in names:
            root[name] = np.arange(3)
    return file


def fits_file(*arrays: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    hdus = [astropy_fits.PrimaryHDU(arrays[0]), *(astropy_fits.ImageHDU(array) for array in arrays[1:])]
    astropy_fits.HDUList(hdus).writeto(file)
    file.seek(0)
    return file


def table(**columns: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    codes = {"complex64": "C", "float64": "D"}
    made = [astropy_fits.Column(name, codes[str(array.dtype)], array=array) for name, array in columns.items()]
    astropy_fits.BinTableHDU.from_columns(made, name="STARS").writeto(file)
    file.seek(0)
    return file


def refusal(describe: object, *arguments: object) -> str:
    with pytest.raises(Unreadable) as error:
        list(describe(*arguments))
    return str(error.value)


@pytest.mark.parametrize(
    ("describe", "message"),
    [
        (hdf5.describe, "not an HDF5 file, or a truncated one ("),
        (matlab.describe, "not a MATLAB file, or a damaged one ("),
        (fits.describe, "not a FITS file, or a damaged one ("),
    ],
)
def test_what_is_no_such_file_is_refused(describe, message):
    assert refusal(describe, io.BytesIO(b"neither header nor data")).startswith(message)


@pytest.mark.parametrize(("names", "bound"), [(("a", "b", "c"), "MOST_OBJECTS"), (("a/b/c/x",), "DEEPEST")])
def test_an_hdf5_file_of_more_objects_or_deeper_groups_is_refused(names, bound, monkeypatch):
    assert list(hdf5.describe(hdf5_file(*names))) == list(names)
    monkeypatch.setattr(hdf5, bound, 1)
    assert refusal(hdf5.describe, hdf5_file(*names)).endswith("groups; save fewer")


def test_numbers_of_matlab_that_are_not_real_are_refused():
    file = io.BytesIO()
    scipy.io.savemat(file, {"x": np.array([1 + 2j, 3])})
    file.seek(0)
    assert refusal(matlab.read, file, ["x"]) == "x holds complex128; expected real numbers"


def test_a_fits_file_of_more_hdus_or_columns_is_refused(monkeypatch):
    image, column = np.zeros((2, 3)), np.zeros(4)
    monkeypatch.setattr(fits, "MOST_HDUS", 2)
    monkeypatch.setattr(fits, "MOST_COLUMNS", 2)
    assert len(fits.describe(fits_file(image, image))) == 2
    assert list(fits.describe(table(a=column, b=column))) == ["a", "b"]
    assert refusal(fits.describe, fits_file(image, image, image)) == "has 3 HDUs, more than 2; save fewer"
    assert refusal(fits.describe, table(a=column, b=column, c=column)) == "STARS has 3 columns, more than 2"


def test_numbers_of_fits_that_are_cut_off_or_not_real_are_refused():
    whole = fits_file(np.zeros(1000)).getvalue()
    assert refusal(fits.describe, io.BytesIO(whole[:-2880])).startswith("damaged, or truncated (")
    file = table(z=np.zeros(4, np.complex64))
    assert refusal(fits.read, file, ["z"]) == "z holds complex64; expected as many real numbers, or a text, in each"


def test_without_astropy_the_line_that_installs_it_is_named(monkeypatch):
    file = fits_file(np.zeros((2, 3)))
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    assert refusal(fits.describe, file) == "FITS is read by astropy; `pip install 'mlphys[fits]'` brings it"
