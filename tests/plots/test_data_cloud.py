from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.plots.data_cloud import DataCloud
from mlphys.schema.samples import Split
from tests.plots.runs import MadeRun, pca_weights

MEAN, ANGLE, VARIANCES = np.array([3.0, -1.0]), 0.5, np.array([4.0, 0.25])
VECTORS = np.array([[np.cos(ANGLE), np.sin(ANGLE)], [-np.sin(ANGLE), np.cos(ANGLE)]])


def drawn(samples: int = 200, components: int = 2, classes: tuple[str, ...] = ()) -> Any:
    normal = np.random.default_rng(0).normal(size=(samples, 2))
    x = MEAN + normal * np.sqrt(VARIANCES) @ VECTORS
    run = MadeRun(
        data={"shape": [2], "classes": list(classes)},
        weights=pca_weights(MEAN, -VECTORS[:components], VARIANCES),
        train=Split(x.astype(np.float32), np.arange(samples) % max(len(classes), 1)),
    )
    (picture,) = DataCloud().draw(run)
    return picture


def places(picture: Any) -> np.ndarray:
    return np.stack([picture.table["first"], picture.table["second"]], axis=1)


@pytest.mark.parametrize("components", [1, 2])
def test_the_arrows_go_one_standard_deviation_from_the_mean_along_the_eigenvectors(components: int):
    picture = drawn(components=components)
    assert picture.table["what"][-3:] == ["mean", "mean + sqrt(variance 1) v1", "mean + sqrt(variance 2) v2"]
    mean, first, second = places(picture)[-3:]
    assert mean == pytest.approx(MEAN)
    assert first == pytest.approx(MEAN + 2 * VECTORS[0], abs=1e-6)
    assert second == pytest.approx(MEAN + 0.5 * VECTORS[1], abs=1e-6)
    arrows = [text for text in picture.figure.axes[0].texts if text.get_text() == ""]
    assert [np.array(arrow.xy) for arrow in arrows] == [pytest.approx(first), pytest.approx(second)]


def test_the_ellipses_lie_one_and_two_standard_deviations_around_the_mean():
    curves = drawn().figure.axes[0].lines[:2]
    for k, curve in enumerate(curves, start=1):
        scaled = (curve.get_xydata() - MEAN) @ VECTORS.T / np.sqrt(VARIANCES)
        assert np.linalg.norm(scaled, axis=1) == pytest.approx(k, abs=1e-5)


def test_a_unit_is_as_long_in_both_directions():
    assert drawn().figure.axes[0].get_aspect() == 1.0


def test_the_caption_counts_the_samples_in_the_ellipses_beside_a_normal_distributions():
    caption = drawn(samples=20_000).figure.get_supxlabel().replace("\n", " ")
    assert caption == (
        "20,000 training samples, the first 5,000 drawn; 39 % within 1σ and 86 % within 2σ "
        "(of a normal distribution 39 % and 86 %)"
    )


def test_the_samples_have_their_classes():
    picture = drawn(6, classes=("a", "b"))
    assert picture.table["label"] == ["a", "b", "a", "b", "a", "b", "", "", ""]
    assert [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()] == ["a", "b"]


def test_samples_of_other_than_two_features_are_refused():
    run = MadeRun(weights=pca_weights(np.zeros(3), np.eye(3), np.ones(3)))
    reason = "^needs samples of 2 features; these have 3; `components` shows any number$"
    with pytest.raises(NotApplicable, match=reason):
        list(DataCloud().draw(run))


def test_a_classifier_is_told_what_has_components():
    reason = "^kind: classifier has no components; train a model of kind: pca for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        list(DataCloud().draw(MadeRun()))
