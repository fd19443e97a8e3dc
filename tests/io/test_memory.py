"""Files that take more memory than there is are refused before they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.datasets import _table_rows
from mlphys.datasets.array import Arrays
from mlphys.datasets.table import Table
from mlphys.errors import UserError
from mlphys.io import memory, npz

RAISE = "or raise the bound with MLPHYS_MEMORY=GB"


@pytest.fixture(autouse=True)
def _a_megabyte(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(memory.KEY, "0.001")


def refusal(function):
    with pytest.raises(UserError) as error:
        function()
    return str(error.value)


def test_the_bound_is_what_the_variable_says_or_what_is_free(monkeypatch):
    assert memory.bound() == 10**6
    monkeypatch.delenv(memory.KEY)
    assert 10**6 < memory.bound() == pytest.approx(memory.free(), rel=0.5)


@pytest.mark.parametrize("value", ["much", "-1", "0", "nan", "1e9"])
def test_another_value_of_the_variable_is_refused(monkeypatch, value):
    monkeypatch.setenv(memory.KEY, value)
    assert refusal(memory.bound).startswith("MLPHYS_MEMORY: expected a number of GB; received ")


def test_a_container_has_what_it_may_still_use(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free() == 3_000_000


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_arrays_of_an_npz_file_count_as_what_they_become(dtype, monkeypatch):
    np.savez_compressed("a.npz", x=np.zeros((200_000, 1), dtype))
    text = refusal(Arrays(name="array", path="a.npz").load)
    needed = {np.uint8: "0.0018", np.float32: "0.0024", np.float64: "0.0032"}[dtype]
    assert f"a.npz: takes {needed} GB of memory, and 0.001 GB may be used; " in text
    assert text.endswith(RAISE)
    monkeypatch.setenv(memory.KEY, "0.01")
    assert Arrays(name="array", path="a.npz").load().x.shape == (200_000, 1)


def test_labels_and_npy_files_are_bounded_too():
    np.savez_compressed("a.npz", x=np.zeros((200_000, 1)), y=np.zeros(200_000))
    assert refusal(Arrays(name="array", path="a.npz").describe).endswith(RAISE)
    np.save("a.npy", np.zeros(200_000))
    assert "a.npy: takes 0.0016 GB of memory" in refusal(lambda: npz.read_npy(Path("a.npy")))


def test_a_table_is_bounded_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_table_rows, "CHECKED_EVERY", 1000)
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 50_000)
    assert "a.csv: takes 0.00101 GB of memory" in refusal(Table(name="table", path="a.csv").describe)
