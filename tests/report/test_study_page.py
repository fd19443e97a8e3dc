"""The page of a study says of how many trainings its numbers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.report import study_page
from mlphys.runs.writer import RunWriter
from mlphys.studies.study_file import Study, StudyFile
from tests.helpers.made_up_results import SAMPLES, study

METRIC = ("test", "accuracy")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(members: int, name: str = "small") -> Study:
    random = np.random.default_rng(0)
    return study(Path("studies") / name, [random.random(SAMPLES) < 0.9 for _ in range(members)])


def of_grid(values: dict[str, Any]) -> Study:
    """One member for each value of a rate."""
    found = made(len(values), ",".join(values))
    content = found.read().model_dump()
    for record, label in zip(content["members"], values, strict=True):
        record |= {"overrides": {"training.rate": values[label]}, "labels": {"training.rate": label}}
    content |= {"grid": {"training.rate": values}, "seeds": []}
    found.write(StudyFile.model_validate(content))
    return found


def test_the_number_of_one_seed_is_no_mean_and_that_of_several_says_so():
    [one] = study_page._head(made(1).read(), METRIC)
    assert "mean over" not in str(one)
    [three] = study_page._head(made(3).read(), METRIC)
    assert "test accuracy, mean over 3 seeds" in str(three)
    assert "best point" not in str(three)


def test_of_a_grid_the_number_is_that_of_the_best_point_chosen_on_validation():
    found = of_grid({"0.1": 0.1, "0.2": 0.2})
    content = found.read().model_dump()
    for record, accuracy in zip(content["members"], (0.7, 0.8), strict=True):
        record["metrics"]["validation"] = {"accuracy": accuracy, "accuracy_stderr": 0.01}
    found.write(StudyFile.model_validate(content))
    [head] = study_page._head(found.read(), METRIC)
    assert "of the best point, chosen on validation: training.rate 0.2" in str(head)


def test_a_metric_is_drawn_against_a_number_that_varies_logarithmically_over_decades():
    assert study_page._against(of_grid({"0.1": 0.1}).read(), METRIC) is None
    assert study_page._against(of_grid({"a": "a", "b": "b"}).read(), METRIC) is None
    near = study_page._against(of_grid({"0.1": 0.1, "0.2": 0.2}).read(), METRIC)
    far = study_page._against(of_grid({"0.001": 0.001, "0.1": 0.1}).read(), METRIC)
    with_zero = study_page._against(of_grid({"0": 0.0, "0.1": 0.1}).read(), METRIC)
    assert [each.data["parameter"]["logX"] for each in (near, far, with_zero) if each] == [False, True, False]


@pytest.mark.parametrize(
    ("seeds", "caveat"),
    [
        (1, "It is one seed a point"),
        (2, f"Fewer than {study_page.FEWEST_SEEDS} seeds give no verdict"),
        (study_page.FEWEST_SEEDS, None),
    ],
)
def test_few_seeds_are_a_caveat(seeds: int, caveat: str | None):
    found = made(seeds)
    section = study_page._unsure(found, found.read())
    told = "" if section is None else str(section.body)
    assert (caveat in told) if caveat else "seed" not in told


def test_curves_are_means_over_members_that_trained_more_than_one_epoch():
    found = made(2)
    assert study_page._curves(found, found.read()) is None
    for number in (1, 2):
        writer = RunWriter(found.run_path(number))
        for epoch in (1, 2, 3):
            writer.row({"phase": "train", "epoch": epoch, "seconds": 0.1, "loss": number / epoch})
    section = study_page._curves(found, found.read())
    assert section is not None
    [line] = section.data["curve0"]["lines"]
    assert line["y"] == pytest.approx([1.5, 0.75, 0.5])
