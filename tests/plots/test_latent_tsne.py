from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.plots.latent_tsne import LatentTSNE
from tests.plots.runs import CLASSES, MadeRun, encoded, predictions


def drawn(made: np.ndarray) -> Any:
    images = np.zeros((len(made), 2))
    run = MadeRun(of_split={"test": encoded(images, images, made)}, data={"shape": [2], "classes": CLASSES})
    (picture,) = LatentTSNE().draw(run)
    return picture


def groups() -> np.ndarray:
    """Ten far groups of six codes in nine dimensions, one a class."""
    noise = np.random.default_rng(0).normal(size=(60, 9))
    return (100 * np.eye(10, 9)[np.arange(60) % 10] + noise).astype(np.float32)


def test_the_nearest_neighbour_of_a_point_is_of_the_group_of_its_code():
    table = drawn(groups()).table
    points = np.stack([table["first"], table["second"]], axis=1)
    distances = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(60)
    assert [table["label"][i] for i in distances.argmin(axis=1)] == table["label"] == CLASSES * 6


def test_the_same_codes_give_the_same_points():
    assert drawn(groups()).table == drawn(groups()).table


def test_the_caption_tells_the_perplexity_and_what_distances_mean():
    figure = drawn(groups()).figure
    assert figure.get_suptitle() == "made/1: codes of 60 test samples by t-SNE"
    assert figure.get_supxlabel().replace("\n", " ") == (
        "codes of 9 numbers, perplexity 19.7; near points are near codes, far distances say nothing"
    )


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (np.eye(9, 2), "codes of one or two numbers need no projection; `latent` shows them as they are"),
        (np.eye(3, 3), "needs at least 4 codes; test has 3"),
        (np.ones((9, 3)), "all test samples have the same code"),
    ],
)
def test_codes_without_an_embedding_are_refused_with_the_reason(codes: np.ndarray, reason: str):
    with pytest.raises(NotApplicable, match=f"^{reason}$"):
        drawn(codes)


def test_a_classifier_is_told_what_has_codes():
    run = MadeRun(of_split={"test": predictions([1], [1], [0.9])})
    reason = "^kind: classifier has no codes; train a model of kind: autoencoder for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        list(LatentTSNE().draw(run))
