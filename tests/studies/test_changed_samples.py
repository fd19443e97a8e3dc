"""Shifts and noise of several candidates in one picture, by the numbers in its table."""

from __future__ import annotations

from typing import Any

import pytest

from mlphys.errors import NotApplicable
from mlphys.studies.candidates import Candidate
from mlphys.studies.changed_samples import against_changes
from tests.plots.runs import MadeRun


def curve(accuracies: list[float], name: str = "shift", **changes: Any) -> dict[str, Any]:
    amounts = list(range(len(accuracies)))
    errors = [0.01] * len(amounts)
    return {
        "split": "test", "metric": "accuracy", name: amounts, "accuracy": accuracies, "accuracy_stderr": errors,
        **changes,
    }  # fmt: skip


def candidate(name: str, *curves: dict[str, dict[str, Any]]) -> Any:
    runs = tuple(MadeRun(curves=each) for each in curves)
    return Candidate(name, runs, (None,) * len(runs), len(runs) > 1)  # type: ignore[arg-type]


def test_each_candidate_is_a_line_at_the_mean_of_its_seeds_with_the_error_of_that_mean():
    dense = candidate("dense", {"shift": curve([0.9, 0.5])}, {"shift": curve([0.8, 0.3])})
    conv = candidate("conv", {"shift": curve([1.0, 0.7])}, {"shift": curve([1.0, 0.7])})
    (picture,) = against_changes([dense, conv])
    assert picture.table["of"] == ["dense", "dense", "conv", "conv"]
    assert picture.table["amount"] == [0, 1, 0, 1]
    assert picture.table["accuracy"] == pytest.approx([0.85, 0.4, 1.0, 0.7])
    assert picture.table["stderr"] == pytest.approx([0.05, 0.1, 0, 0])
    (axes,) = picture.figure.axes
    assert [line.get_label() for line in axes.lines] == ["dense", "conv"]
    assert "bands are the standard error of the mean over seeds" in picture.figure.get_supxlabel().replace("\n", " ")


def test_of_single_runs_the_error_is_that_of_the_samples_and_noise_has_a_panel_of_its_own():
    both = {"shift": curve([0.9, 0.5]), "noise": curve([0.9, 0.2], "noise")}
    (picture,) = against_changes([candidate("a", both), candidate("b", both)])
    assert picture.table["changed_by"] == ["shift"] * 4 + ["noise"] * 4
    assert picture.table["stderr"] == [0.01] * 8
    assert len(picture.figure.axes) == 2
    assert "bands are one standard error" in picture.figure.get_supxlabel().replace("\n", " ")


def test_the_caption_names_the_split_of_each_change():
    def caption(noise: dict[str, Any]) -> str:
        both = {"shift": curve([0.9, 0.5]), "noise": noise}
        (picture,) = against_changes([candidate("a", both), candidate("b", both)])
        return " ".join(picture.figure.get_supxlabel().split())

    assert caption(curve([0.9, 0.2], "noise")).startswith("test samples; shift: mean over")
    other = caption(curve([0.9, 0.2], "noise", split="validation"))
    assert other.startswith("shift: test samples, noise: validation samples; shift: mean over")


def test_the_caption_explains_the_changes_that_are_drawn():
    (picture,) = against_changes([candidate(name, {"noise": curve([0.9, 0.2], "noise")}) for name in "ab"])
    assert "zero-padded" not in picture.figure.get_supxlabel()
    assert "Gaussian" in picture.figure.get_supxlabel()


def test_runs_that_were_not_measured_so_are_not_drawn():
    assert list(against_changes([candidate("a", {}), candidate("b", {})])) == []


@pytest.mark.parametrize("other", [{}, {"shift": curve([0.9])}, {"shift": curve([0.9, 0.5], split="validation")}])
def test_curves_that_are_not_of_the_same_changes_are_refused(other: dict[str, dict[str, Any]]):
    with pytest.raises(NotApplicable, match=r"was not measured with the same shift as the others; `mlphys evaluate"):
        list(against_changes([candidate("a", {"shift": curve([0.9, 0.5])}), candidate("b", other)]))
