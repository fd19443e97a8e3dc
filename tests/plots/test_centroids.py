from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlphys.data import preprocessing
from mlphys.errors import NotApplicable
from mlphys.figures.picture import Picture
from mlphys.plots import centroids
from mlphys.schema.preprocess import Project, Standardize
from tests.plots.runs import MadeRun, config


def clustered(shape: tuple[int, ...], count: int) -> MadeRun:
    """Centroids that count up in steps of 1/100, the shares falling."""
    size = int(np.prod(shape))
    weights = {
        "centroids": (np.arange(count * size, dtype=np.float32).reshape(count, size) / 100),
        "shares": np.arange(count, 0, -1, dtype=np.float32) / (count * (count + 1) / 2),
    }
    return MadeRun(weights=weights, data={"shape": list(shape), "classes": []})


def drawn(shape: tuple[int, ...], count: int) -> Picture:
    (picture,) = centroids.Centroids().draw(clustered(shape, count))
    return picture


def test_the_panels_and_the_table_hold_every_centroid_in_its_place():
    picture = drawn((4, 5, 1), 3)
    table = {name: np.array(column) for name, column in picture.table.items()}
    assert list(table) == ["centroid", "share", "row", "column", "channel", "value"]
    images = (np.arange(60, dtype=np.float32) / 100).reshape(3, 4, 5)
    assert (images[table["centroid"], table["row"], table["column"]] == table["value"]).all()
    panels = picture.figure.axes
    assert all((panel.images[0].get_array() == image).all() for panel, image in zip(panels, images, strict=True))
    assert {panel.images[0].get_clim() for panel in panels} == {(0, 1)}


def test_below_each_centroid_is_its_share_of_the_training_samples():
    picture = drawn((4, 5, 1), 3)
    assert [panel.get_xlabel() for panel in picture.figure.axes] == ["50 %", "33 %", "17 %"]
    assert sorted(set(picture.table["share"]), reverse=True) == pytest.approx([3 / 6, 2 / 6, 1 / 6])
    assert picture.figure.get_supxlabel() == "below each its share of the training samples"


def test_of_many_clusters_the_largest_are_drawn_and_this_is_said():
    figure = drawn((2, 2, 1), 60).figure
    assert len(figure.axes) == 50
    assert figure.get_suptitle() == "made/1: centroids of 60 clusters"
    assert figure.get_supxlabel().replace("\n", " ") == (
        "below each its share of the training samples; the 50 largest, which have 97 % of them"
    )


def test_colour_images_are_drawn_in_colours():
    assert drawn((3, 3, 3), 2).figure.axes[0].images[0].get_array().shape == (3, 3, 3)


def test_what_is_no_image_is_drawn_as_curves():
    picture = drawn((7,), 2)
    assert list(picture.table) == ["centroid", "share", "feature", "value"]
    first, second = picture.figure.axes
    assert first.lines[0].get_ydata().tolist() == picture.table["value"][:7]
    assert second.lines[0].get_ydata().tolist() == picture.table["value"][7:]
    assert [panel.get_title() for panel in picture.figure.axes] == ["67 %", "33 %"]
    assert picture.figure.get_supxlabel() == "above each its share of the training samples"


def preprocessed(steps: list[Any]) -> Any:
    """Two centroids at the mean and at one standard deviation from it, of samples behind the steps."""
    x = np.random.default_rng(0).random((50, 2, 2, 1)).astype(np.float32)
    fitted = preprocessing.fit(steps, x)
    settings = config(None)
    settings.data = SimpleNamespace(preprocess=steps)
    seen = SimpleNamespace(net_input=SimpleNamespace(shape=preprocessing.output_shape(steps, (2, 2, 1))))
    size = int(np.prod(seen.net_input.shape))
    run = SimpleNamespace(
        name="made/1", data={"shape": [2, 2, 1]}, preprocessing=fitted, config=settings, loaded=seen,
        weights={"centroids": np.stack([np.zeros(size), np.ones(size)]).astype(np.float32), "shares": np.full(2, 0.5)},
    )  # fmt: skip
    return run, x


def test_behind_preprocessing_that_can_be_undone_the_centroids_are_brought_back():
    run, x = preprocessed([Standardize()])
    (picture,) = centroids.Centroids().draw(run)
    first, second = (panel.images[0].get_array() for panel in picture.figure.axes)
    np.testing.assert_allclose(first, x.mean(axis=0)[..., 0], atol=1e-6)
    np.testing.assert_allclose(second, (x.mean(axis=0) + x.std(axis=0))[..., 0], atol=1e-5)
    assert picture.figure.get_supxlabel().endswith("; brought back to the data's space")


def test_a_projection_is_brought_back_too():
    run, x = preprocessed([Project(components=2)])
    (picture,) = centroids.Centroids().draw(run)
    np.testing.assert_allclose(picture.figure.axes[0].images[0].get_array(), x.mean(axis=0)[..., 0], atol=1e-6)


def test_a_classifier_is_told_what_has_centroids():
    reason = "^kind: classifier has no centroids; train a model of kind: kmeans for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        list(centroids.Centroids().draw(MadeRun()))


def test_samples_that_are_no_pictures_are_refused():
    reason = "^a centroid of 2 x 2 x 5 is neither an image of 1 or 3 channels nor a row of numbers$"
    with pytest.raises(NotApplicable, match=reason):
        drawn((2, 2, 5), 2)
