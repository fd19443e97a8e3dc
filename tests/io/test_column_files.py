"""Tables whose columns are arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.io import column_files, sample_files
from mlphys.io.csv_table import Cells
from mlphys.io.sample_files import Expected

MASS = np.array([1.5, np.nan, 0.1], np.float32)
TIME = np.array([2459000.51, 2459000.52, 2459000.53])


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.npz"
    np.savez(
        path, mass=MASS, time=TIME, good=MASS > 1, kind=[" e", "mu", "e"], pixels=np.zeros((3, 4)), run=np.arange(2)
    )
    return path


def test_columns_are_the_arrays_of_one_number_a_row_and_the_others_are_named(events: Path):
    header, rows = column_files.rows(events)
    assert header == ["mass", "time", "good", "kind"]
    assert list(rows) == [
        (1, ["1.5", "2459000.51", "1", "e"]),
        (2, ["nan", "2459000.52", "0", "mu"]),
        (3, [repr(float(np.float32(0.1))), "2459000.53", "0", "e"]),
    ]
    assert column_files.left_out(events) == "2 arrays are no columns of one number a row, and not read: pixels, run"


@pytest.mark.parametrize(("number", "more"), [(5, ""), (6, ", ...")])
def test_of_many_arrays_that_are_no_columns_five_are_named(number: int, more: str, tmp_path: Path):
    np.savez(tmp_path / "a.npz", mass=MASS, **{f"x{i}": np.zeros((3, 4)) for i in range(number)})
    assert column_files.left_out(tmp_path / "a.npz").endswith(f" not read: x0, x1, x2, x3, x4{more}")


def test_a_file_without_such_arrays_is_refused_with_what_reads_it(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 4)))
    with pytest.raises(UserError) as error:
        column_files.columns(tmp_path / "a.npz")
    assert str(error.value) == (
        f"{tmp_path / 'a.npz'}: a table has columns of one number a row; received x (3, 4); "
        "data: {name: array} reads arrays of more axes"
    )


def test_another_file_of_columns_is_read_by_the_names_of_the_training_table(events: Path, tmp_path: Path):
    np.savez(tmp_path / "new.npz", width=[1.0, 2.0], other=[0, 0], length=[3.0, 4.0])
    expected = Expected((2,), 0.0, 8.0, Cells(("length", "width")))
    assert sample_files.read(tmp_path / "new.npz", expected).tolist() == [[3, 1], [4, 2]]
    np.savez(tmp_path / "samples.npz", x=[[3.0, 1.0]])  # an array of all features
    assert sample_files.read(tmp_path / "samples.npz", expected).tolist() == [[3, 1]]
    np.savez(tmp_path / "less.npz", width=[1.0, 2.0], other=[0, 0])
    with pytest.raises(UserError, match="no column length, a feature of the run"):
        sample_files.read(tmp_path / "less.npz", expected)
