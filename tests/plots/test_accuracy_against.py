from __future__ import annotations

import pytest

from mlphys.errors import NotApplicable
from mlphys.plots.accuracy_against import AccuracyAgainst
from tests.plots.runs import MadeRun

SHIFT = {
    "split": "test", "metric": "accuracy",
    "shift": [0, 1, 2], "accuracy": [0.9, 0.6, 0.2], "accuracy_stderr": [0.01, 0.02, None],
}  # fmt: skip
NOISE = {
    "split": "validation", "metric": "accuracy",
    "noise": [0.0, 0.5], "accuracy": [0.8, 0.4], "accuracy_stderr": [0.03, 0.04],
}  # fmt: skip
METRICS = {"test": {"samples": 10_000, "majority_accuracy": 0.11}}


def drawn(**curves):
    (picture,) = AccuracyAgainst().draw(MadeRun(curves=curves, metrics=METRICS))
    return picture


def test_each_curve_has_its_panel_with_its_values_and_its_samples():
    axes = drawn(shift=SHIFT, noise=NOISE).figure.axes
    assert [panel.get_xlabel() for panel in axes] == ["shift (pixels)", "standard deviation of the noise"]
    assert [panel.get_title(loc="left") for panel in axes] == ["10,000 test samples", "validation samples"]
    assert axes[0].lines[0].get_xydata().tolist() == [[0, 0.9], [1, 0.6], [2, 0.2]]
    assert [panel.get_ylabel() for panel in axes] == ["accuracy", ""]


def test_the_most_frequent_class_is_a_dotted_line_where_it_was_measured():
    shift, noise = drawn(shift=SHIFT, noise=NOISE).figure.axes
    assert [line.get_linestyle() for line in shift.lines] == ["-", ":"]
    assert shift.lines[1].get_ydata() == [0.11, 0.11]
    assert len(noise.lines) == 1


def test_one_curve_has_the_page_to_itself():
    assert len(drawn(noise=NOISE).figure.axes) == 1


def test_the_table_holds_both_curves_with_their_errors():
    assert drawn(shift=SHIFT, noise=NOISE).table == {
        "changed_by": ["shift"] * 3 + ["noise"] * 2,
        "split": ["test"] * 3 + ["validation"] * 2,
        "amount": [0, 1, 2, 0.0, 0.5],
        "accuracy": [0.9, 0.6, 0.2, 0.8, 0.4],
        "accuracy_stderr": [0.01, 0.02, None, 0.03, 0.04],
    }


def test_the_error_of_a_regressor_stands_beside_that_of_the_mean():
    curve = {"split": "test", "metric": "mse", "noise": [0, 1], "mse": [0.1, 3.0], "mse_stderr": [0.1, 0.2]}
    run = MadeRun(curves={"noise": curve}, metrics={"test": {"samples": 5, "mean_target_mse": 0.5}})
    (picture,) = AccuracyAgainst().draw(run)
    (axes,) = picture.figure.axes
    assert axes.get_ylabel() == "mse"
    assert axes.lines[1].get_ydata() == [0.5, 0.5]
    assert axes.get_ylim()[1] > 3


def test_a_run_without_curves_is_told_how_to_get_them():
    reason = r"^nothing measured; `mlphys evaluate runs/made/1 --shift 8 --noise 1` does$"
    with pytest.raises(NotApplicable, match=reason):
        list(AccuracyAgainst().draw(MadeRun()))
