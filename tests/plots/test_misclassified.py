from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.plots.misclassified import Misclassified
from mlphys.schema.samples import Split
from tests.plots.runs import ASKED, CLASSES, MadeRun, measured, predictions, written

LABELS, GUESSES, SURENESS = [3, 1, 2, 0, 7], [8, 1, 4, 5, 7], [0.7, 0.8, 0.9996, 0.6, 0.5]


def drawn(shape: tuple[int, ...] = (4, 4, 1), **more: Any) -> Any:
    made = predictions(LABELS, GUESSES, SURENESS, shape)
    run = MadeRun(of_split={"test": made}, data={"shape": list(shape), "classes": CLASSES}, **more)
    (picture,) = Misclassified().draw(run)
    return picture


def test_the_title_over_an_image_is_predicted_and_true_as_in_the_lecture():
    assert [axes.get_title() for axes in drawn().figure.axes] == ["4 (2!)", "8 (3!)", "5 (0!)"]


def test_the_surest_mistakes_come_first():
    table = drawn().table
    assert table == {
        "index": [2, 0, 3],
        "true": ["2", "3", "0"],
        "predicted": ["4", "8", "5"],
        "probability": [0.9996, 0.7, 0.6],
    }


def test_the_order_does_not_depend_on_how_the_samples_are_stored():
    made = predictions(LABELS, GUESSES, SURENESS)
    made |= {"shown": made["shown"][::-1], "images": made["images"][::-1]}
    (picture,) = Misclassified().draw(MadeRun(of_split={"test": made}))
    assert picture.table["index"] == [2, 0, 3]
    assert picture.figure.axes[0].images[0].get_array()[0, 0] == made["images"][-1][0, 0, 0]


def test_the_probability_stands_beneath_and_the_caption_counts():
    figure = drawn().figure
    assert [axes.get_xlabel() for axes in figure.axes] == ["p > 0.999", "p = 0.700", "p = 0.600"]
    assert figure.get_supxlabel() == "3 of 5 test samples wrong; p is the predicted probability"


def test_at_most_forty_are_drawn():
    made = predictions([3] * 70, [8] * 70, list(np.linspace(0.5, 0.9, 70)))
    (picture,) = Misclassified().draw(MadeRun(of_split={"test": made}))
    assert len(picture.figure.axes) == 40
    assert picture.table["index"] == list(range(69, 29, -1))
    caption = "70 of 70 test samples wrong; here the 40 surest mistakes; p is the predicted probability"
    assert picture.figure.get_supxlabel().replace("\n", " ") == caption


@pytest.mark.parametrize("shape", [(50,), (50, 2)])
def test_sequences_are_drawn_as_lines(shape: tuple[int, ...]):
    picture = drawn(shape)
    assert len(picture.figure.axes[0].lines) == np.prod(shape[1:])


def test_colour_images_are_drawn_in_colour():
    assert drawn((4, 4, 3)).figure.axes[0].images[0].get_array().shape == (4, 4, 3)


def test_long_names_stand_on_two_lines():
    made = predictions(LABELS, GUESSES, SURENESS)
    classes = ["ankle boot", *CLASSES[1:]]
    run = MadeRun(of_split={"test": made}, data={"shape": [4, 4, 1], "classes": classes})
    (picture,) = Misclassified().draw(run)
    assert picture.figure.axes[-1].get_title() == "5\n(ankle boot!)"


def test_what_is_neither_image_nor_sequence_cannot_be_drawn():
    reason = "^a sample of 4 x 4 x 2 is neither an image of 1 or 3 channels nor a sequence of at most 6$"
    with pytest.raises(NotApplicable, match=reason):
        drawn((4, 4, 2))


def test_a_net_without_mistakes_has_none_to_show():
    run = MadeRun(of_split={"validation": predictions(LABELS, LABELS, SURENESS)})
    with pytest.raises(NotApplicable, match=r"^all 5 validation samples are classified correctly$"):
        list(Misclassified().draw(run))


def test_a_run_without_predictions_is_told_how_to_get_them():
    with pytest.raises(NotApplicable, match=r"^no predictions there; `mlphys evaluate runs/made/1` makes them$"):
        list(Misclassified().draw(MadeRun()))


def test_mistakes_in_a_table_are_rows_of_named_values_colored_by_standard_deviations():
    """Features in units of their own: one line through them would mean nothing."""
    train = np.random.default_rng(0).normal([5.0, 1000.0, -300.0], [1.0, 100.0, 30.0], size=(500, 3))
    made = predictions(LABELS, GUESSES, SURENESS, (3,)) | {"images": train[:3]}
    run = MadeRun(
        of_split={"test": made}, data={"shape": [3], "classes": CLASSES}, train=Split(train, np.zeros(500, int))
    )
    run.config.data.feature_names = lambda: ("mass", "energy", "phi")
    (picture,) = Misclassified().draw(run)
    axes = picture.figure.axes[0]
    assert not axes.lines
    assert [label.get_text() for label in axes.get_xticklabels()] == ["mass", "energy", "phi"]
    assert axes.get_yticklabels()[0].get_text() == "4 (2!) p > 0.999"
    mean, spread = train.mean(axis=0), train.std(axis=0)
    colors = np.asarray(axes.images[0].get_array())
    order = [list(made["shown"]).index(index) for index in picture.table["index"]]
    assert colors == pytest.approx((made["images"][order] - mean) / spread)
    assert picture.table["energy"] == pytest.approx(made["images"][order, 1])
    assert axes.texts[1].get_text() == f"{made['images'][order[0], 1]:.4g}"


def test_points_of_the_plane_are_a_table_and_no_curves(tmp_path: Path):
    run = measured(written(tmp_path, ASKED["decision_boundary"], [np.array([[1.0, -1.0], [3.0, -2.0]]), np.zeros(2)]))
    (picture,) = Misclassified().draw(run)
    assert {"first feature", "second feature"} <= picture.table.keys()
    assert not any(axes.lines for axes in picture.figure.axes)
