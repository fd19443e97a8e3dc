from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as counted

from mlphys.errors import NotApplicable
from mlphys.plots.confusion_matrix import ConfusionMatrix
from tests.plots.runs import CLASSES, MadeRun, predictions

LABELS, GUESSES = [3, 3, 3, 1, 2, 0], [8, 3, 3, 1, 2, 0]


def drawn(labels: list[int] = LABELS, guesses: list[int] = GUESSES, **more: Any) -> Any:
    made = predictions(labels, guesses, [0.9] * len(labels))
    (picture,) = ConfusionMatrix().draw(MadeRun(of_split={"test": made}, **more))
    return picture


def test_the_table_counts_what_scikit_learn_counts():
    table = drawn().table
    counts = np.array(table["count"]).reshape(10, 10)
    assert (counts == counted(LABELS, GUESSES, labels=range(10))).all()
    assert (table["true"][38], table["predicted"][38], table["count"][38]) == ("3", "8", 1)


def test_only_mistakes_are_coloured_by_their_share_of_the_true_class():
    right, wrong = drawn().figure.axes[0].images
    assert right.get_array().count() == 10
    assert wrong.get_array().count() == 1
    assert wrong.get_array()[3, 8] == pytest.approx(1 / 3)


def test_a_few_mistakes_are_seen_beside_many():
    wrong = drawn([0] * 100 + [1] * 100, [1] * 50 + [0] * 50 + [2] + [1] * 99).figure.axes[0].images[1]
    assert wrong.norm(0.01) > 0.1


def test_the_cells_are_numbered_and_the_title_has_accuracy_and_error():
    figure = drawn(metrics={"test": {"accuracy_stderr": 0.15}}).figure
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1", "1", "1", "1", "2"]
    assert figure.get_suptitle() == "made/1: accuracy 0.83 ± 0.15"
    assert figure.get_supxlabel() == "6 test samples; coloured are the mistakes"


def test_many_classes_are_not_numbered_and_not_all_named():
    classes = [f"galaxy {k}" for k in range(100)]
    made = predictions(LABELS, GUESSES, [0.9] * 6)
    made["probabilities"] = np.eye(100)[GUESSES]
    run = MadeRun(of_split={"validation": made}, data={"shape": [4], "classes": classes})
    (picture,) = ConfusionMatrix().draw(run)
    axes = picture.figure.axes[0]
    assert not axes.texts
    assert [label.get_text() for label in axes.get_yticklabels()] == classes[::4]
    assert len(picture.table["count"]) == 10_000


def test_no_mistakes_can_be_drawn():
    drawn(LABELS, LABELS).figure.draw_without_rendering()


def test_a_run_without_predictions_is_told_how_to_get_them():
    with pytest.raises(NotApplicable, match=r"^no predictions there; `mlphys evaluate runs/made/1` makes them$"):
        list(ConfusionMatrix().draw(MadeRun(path=Path("runs/made/1"))))


def test_all_classes_have_their_names():
    axes = drawn().figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == CLASSES
