from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from mlphys.errors import NotApplicable
from mlphys.plots.latent import Latent
from tests.plots.runs import CLASSES, MadeRun, encoded, predictions


def codes(samples: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(samples, *shape)).astype(np.float32)


def drawn(made: np.ndarray, classes: list[str] = CLASSES) -> Any:
    images = np.zeros((len(made), 2))
    run = MadeRun(of_split={"test": encoded(images, images, made)}, data={"shape": [2], "classes": classes})
    (picture,) = Latent().draw(run)
    return picture


def points(picture: Any) -> np.ndarray:
    return np.concatenate([np.asarray(part.get_offsets()) for part in picture.figure.axes[0].collections])


def styles(picture: Any) -> list[tuple[str, str]]:
    return [(line.get_color(), line.get_marker()) for line in picture.figure.axes[0].get_legend().get_lines()]


def test_codes_of_two_numbers_are_drawn_as_they_are():
    made = codes(30, 2)
    picture = drawn(made)
    assert np.sort(points(picture), axis=0) == pytest.approx(np.sort(made, axis=0))
    assert list(picture.table) == ["index", "label", "first", "second"]
    assert picture.table["index"] == list(range(30))
    assert picture.table["label"] == CLASSES * 3
    assert picture.table["second"] == list(made[:, 1])
    assert picture.figure.get_suptitle() == "made/1: codes of 30 test samples"
    assert picture.figure.get_supxlabel() == ""


def test_longer_codes_are_drawn_on_their_principal_components():
    made = codes(50, 2, 3) * np.arange(1, 7).reshape(2, 3)
    picture = drawn(made)
    reference = PCA(2).fit(made.reshape(50, 6))
    expected = reference.transform(made.reshape(50, 6))
    first, second = picture.table["first"], picture.table["second"]
    assert np.abs([first, second]) == pytest.approx(np.abs(expected.T), abs=1e-4)
    share = 100 * reference.explained_variance_ratio_
    axes = picture.figure.axes[0]
    assert axes.get_xlabel() == f"first principal component ({share[0]:.2g} % of the variance)"
    assert axes.get_ylabel() == f"second ({share[1]:.2g} %)"
    assert picture.figure.get_supxlabel() == "codes of 6 numbers on their first two principal components"


def test_the_directions_do_not_depend_on_the_signs_that_the_eigenvectors_come_with():
    made = np.zeros((9, 3))
    made[:, 2] = np.arange(9)
    assert drawn(made).table["first"] == pytest.approx(np.arange(9) - 4.0)


def test_codes_of_one_number_are_drawn_as_a_histogram_for_each_class():
    made = np.repeat(np.arange(2.0), 10)[:, None]
    picture = drawn(made)
    axes = picture.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == CLASSES
    values, _, baseline = axes.patches[3].get_data()
    assert baseline == -3
    assert (values + 3).nonzero()[0].tolist() == [0, len(values) - 1]
    assert list(picture.table) == ["index", "label", "first"]


def test_ten_classes_have_ten_styles_and_stand_in_the_legend():
    picture = drawn(codes(30, 2))
    assert [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()] == CLASSES
    assert len(set(styles(picture))) == 10
    assert len({colour for colour, _ in styles(picture)}) == 8


def test_a_class_has_its_name_at_its_median_and_no_two_names_lie_over_each_other():
    corners = np.array([[0, 0], [9, 0], [0, 9], [9, 9], [9, 9.1]])
    picture = drawn(np.concatenate([corners, corners]), CLASSES[:5] * 2)
    texts = picture.figure.axes[0].texts
    assert [(text.get_text(), *text.get_position()) for text in texts] == [
        ("0", 0, 0),
        ("1", 9, 0),
        ("2", 0, 9),
        ("3", 9, 9),
    ]


def test_without_classes_all_have_one_colour():
    picture = drawn(codes(30, 2), [])
    axes = picture.figure.axes[0]
    assert len(axes.collections) == 1
    assert len(np.unique(axes.collections[0].get_facecolors(), axis=0)) == 1
    assert axes.get_legend() is None
    assert list(picture.table) == ["index", "first", "second"]


def test_more_classes_than_can_be_distinguished_have_one_colour_and_this_is_said():
    picture = drawn(codes(30, 2), [f"galaxy {k}" for k in range(100)])
    assert len(picture.figure.axes[0].collections) == 1
    assert picture.figure.get_supxlabel() == "100 classes are too many to be told apart"
    assert picture.table["label"][3] == "galaxy 3"


def test_of_very_many_samples_the_first_5000_are_drawn_and_this_is_said():
    picture = drawn(codes(5001, 2))
    assert len(points(picture)) == len(picture.table["index"]) == 5000
    assert picture.figure.get_supxlabel() == "the first 5,000 drawn"
    assert picture.figure.get_suptitle() == "made/1: codes of 5,001 test samples"


@pytest.mark.parametrize(("stretch", "aspect"), [(2, 1.0), (100, "auto")])
def test_a_unit_is_as_long_in_both_directions_unless_one_is_far_longer(stretch: float, aspect: float | str):
    assert drawn(codes(200, 2) * [stretch, 1]).figure.axes[0].get_aspect() == aspect


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("samples", [1, 20])
def test_an_encoder_that_gives_all_the_same_code_can_be_drawn(size: int, samples: int):
    drawn(np.zeros((samples, size), np.float32)).figure.draw_without_rendering()


def test_a_classifier_is_told_what_has_codes():
    run = MadeRun(of_split={"test": predictions([1], [1], [0.9])})
    reason = "^kind: classifier has no codes; train a model of kind: autoencoder for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        list(Latent().draw(run))


def test_a_run_without_predictions_is_told_how_to_get_them():
    with pytest.raises(NotApplicable, match=r"^no predictions there; `mlphys evaluate runs/made/1` makes them$"):
        list(Latent().draw(MadeRun()))
