"""How often the test split of a run was looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlphys.errors import UserError
from mlphys.io.run_folder import RunFolder
from mlphys.runs import evaluations
from mlphys.runs.evaluations import Evaluation


def made(*epochs: int) -> list[Evaluation]:
    return [Evaluation(each, "accuracy", 0.5) for each in epochs]


def test_evaluations_are_read_as_they_were_added(tmp_path: Path):
    folder = RunFolder(tmp_path)
    assert evaluations.read(folder) == []
    for each in made(3, 3, 7):
        evaluations.add(folder, each)
    assert evaluations.read(folder) == made(3, 3, 7)


@pytest.mark.parametrize(
    "text", ["", "epochs,metric\n", f"{evaluations.COLUMNS}\n3,accuracy\n", f"{evaluations.COLUMNS}\na,b,c\n"]
)
def test_a_damaged_file_is_refused_with_what_to_do(text: str, tmp_path: Path):
    (tmp_path / "test_evaluations.csv").write_text(text)
    with pytest.raises(UserError, match=r"damaged: expected rows of epochs,metric,value; remove it to count from 0"):
        evaluations.read(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("epochs", "remark"),
    [
        ((), None),
        ((3,), None),
        ((3, 3), "evaluated 2 times, always with the same weights; "),
        ((3, 7, 3), "evaluated 3 times, after 3, 7 epochs of training; "),
        (range(5), "evaluated 5 times, after 0, 1, 2, 3, 4 epochs of training; "),
        (range(7), "evaluated 7 times, after 0, 1, 2, 3, 4, ... epochs of training; "),
    ],
)
def test_more_than_one_evaluation_is_remarked_with_its_weights(epochs, remark: str | None):
    found = evaluations.remarks(made(*epochs))
    assert (remark in found[0]) if remark else found == []
