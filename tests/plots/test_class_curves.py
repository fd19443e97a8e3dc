"""ROC, precision-recall and reliability: the numbers that are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.plots.precision_recall import PrecisionRecall
from mlphys.plots.reliability import Reliability
from mlphys.plots.roc import Roc
from tests.plots.runs import MadeRun

TWO = {"shape": [2], "classes": ["background", "signal"]}
LABELS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.8], np.float32)


def made(classes: int = 2, metrics: dict | None = None, **more: np.ndarray) -> MadeRun:
    data = TWO if classes == 2 else {"shape": [2], "classes": [str(k) for k in range(classes)]}
    arrays = {"labels": LABELS, "probabilities": np.stack([1 - SCORES, SCORES], axis=1), **more}
    return MadeRun(data=data, of_split={"test": arrays}, metrics={"test": metrics or {}})


def test_the_roc_of_four_samples_is_the_one_counted_by_hand():
    (picture,) = Roc().draw(made())
    table = picture.table
    assert table["efficiency"] == [0.5, 0.5, 1, 1]
    assert table["background_efficiency"] == [0, 0.5, 0.5, 1]
    assert table["class"] == ["signal"] * 4
    assert table["threshold"] == pytest.approx([0.8, 0.4, 0.35, 0.1])


def test_precision_and_recall_of_four_samples_are_those_counted_by_hand():
    (picture,) = PrecisionRecall().draw(made())
    assert picture.table["recall"] == [0.5, 0.5, 1, 1]
    assert picture.table["precision"] == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])


def test_weights_count_in_the_curve():
    (picture,) = Roc().draw(made(weights=np.array([3, 1, 1, 4], np.float32)))
    assert picture.table["efficiency"] == pytest.approx([0.8, 0.8, 1, 1])
    assert picture.table["background_efficiency"] == pytest.approx([0, 0.25, 0.25, 1])
    assert picture.figure.get_supxlabel().endswith("by weight")


def test_the_title_has_the_area_with_its_error():
    (picture,) = Roc().draw(made(metrics={"auc": 0.75, "auc_stderr": 0.2}))
    assert picture.figure.get_suptitle() == "made/1: ROC, area 0.75 ± 0.20"


@pytest.mark.parametrize("plot", [Roc, PrecisionRecall, Reliability])
def test_negative_weights_are_not_drawn(plot):
    with pytest.raises(NotApplicable, match="negative weights"):
        list(plot().draw(made(weights=np.array([1, 1, 1, -0.5], np.float32))))


def test_of_many_classes_those_with_the_smallest_area_are_drawn():
    random = np.random.default_rng(0)
    labels = np.arange(400) % 8
    scores = random.normal(size=(400, 8)) + np.linspace(0, 4, 8) * np.eye(8)[labels]
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    (picture,) = Roc().draw(made(8, labels=labels, probabilities=p))
    assert set(picture.table["class"]) == {"0", "1", "2", "3", "4", "5"}
    assert "the 6 of 8 with the smallest area" in picture.figure.get_supxlabel()


def test_reliability_compares_accuracy_with_probability_before_and_after_the_temperature():
    (picture,) = Reliability().draw(made(metrics={"temperature": 2.0}))
    table = picture.table
    first = [i for i, name in enumerate(table["probabilities"]) if name == "as predicted"]
    assert [table["confidence"][i] for i in first] == pytest.approx([0.625, 0.8, 0.9])
    assert [table["accuracy"][i] for i in first] == [0.5, 1, 1]
    assert {*table["probabilities"]} == {"as predicted", "temperature 2"}


def test_no_bin_of_a_reliability_diagram_lies_behind_the_legend():
    (picture,) = Reliability().draw(made(metrics={"temperature": 2.0}))
    picture.figure.canvas.draw()
    above = picture.figure.axes[0]
    assert above.get_legend().get_window_extent().y0 >= above.get_window_extent().y1 - 1
