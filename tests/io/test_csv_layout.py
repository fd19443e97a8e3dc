"""What the first lines of a table tell of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlphys.io import csv_layout


def found(tmp_path: Path, lines: list[str]) -> csv_layout.Layout:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(lines) + "\n")
    return csv_layout.find(path)


@pytest.mark.parametrize("length", [10, 50_000])
def test_names_below_a_long_preamble_are_found_also_where_its_lines_are_long(length: int, tmp_path: Path):
    rows = [f"{i},{i + 1}" for i in range(30)]
    assert found(tmp_path, ["x" * length] * 6 + ["mass,energy", *rows]).first == 6


def test_names_below_a_preamble_of_many_short_lines_are_found(tmp_path: Path):
    rows = [f"{i},{i + 1}" for i in range(300)]
    assert found(tmp_path, ["a remark"] * 100 + ["mass,energy", *rows]).first == 100


def test_a_column_of_words_stays_one_where_a_few_are_numbers():
    rows = [["1", "a"], ["2", "b"], ["3", "7"], ["4", "c"]] * 2
    assert csv_layout._numeric_columns(rows, ",") == [True, False]
