from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures.picture import Picture
from mlphys.plots.components import Components
from mlphys.schema.preprocess import Project, Scale
from tests.plots.runs import MadeRun, config, pca_weights


def drawn(shape: tuple[int, ...], kept: int, variances: Any = None, steps: tuple[Any, ...] = ()) -> dict[str, Picture]:
    features = int(np.prod(shape)) if variances is None else len(variances)
    size = int(np.prod(shape))
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0][:kept]
    weights = pca_weights(np.linspace(0, 1, size), vectors, variances or np.arange(features, 0, -1))
    settings = config(None)
    settings.data = SimpleNamespace(preprocess=list(steps))
    run = MadeRun(weights=weights, data={"shape": list(shape), "classes": []}, config=settings)
    return {picture.name: picture for picture in Components().draw(run)}


def test_the_table_and_the_panels_hold_the_mean_and_every_component_in_its_place():
    picture = drawn((4, 5, 1), 3)["components"]
    table = {name: np.array(column) for name, column in picture.table.items()}
    assert list(table) == ["component", "row", "column", "channel", "value"]
    values = table["value"].reshape(4, 4, 5)
    assert values[0] == pytest.approx(np.linspace(0, 1, 20).reshape(4, 5))
    vectors = values[1:].reshape(3, 20)
    assert vectors @ vectors.T == pytest.approx(np.eye(3), abs=1e-6)
    panels = picture.figure.axes
    assert [panel.get_title() for panel in panels] == ["mean", "1", "2", "3"]
    assert all((panel.images[0].get_array() == value).all() for panel, value in zip(panels, values, strict=True))


def test_the_components_have_one_scale_around_zero_and_their_share_below():
    panels = drawn((2, 2, 1), 2, [6.0, 3.0, 1.0, 0.0])["components"].figure.axes
    ((low, high),) = {panel.images[0].get_clim() for panel in panels[1:]}
    assert low == -high
    assert [panel.get_xlabel() for panel in panels] == ["", "60 %", "30 %"]


def test_of_many_components_the_first_fifteen_are_drawn():
    figure = drawn((5, 5, 1), 20)["components"].figure
    assert len(figure.axes) == 16
    assert figure.get_suptitle() == "made/1: mean and the first 15 of 20 components"


def test_of_colour_images_the_components_are_differences_from_grey():
    panels = drawn((3, 3, 3), 2)["components"].figure.axes
    image = panels[1].images[0].get_array()
    assert image.shape == (3, 3, 3)
    assert 0 <= image.min() < 0.5 < image.max() <= 1


def test_what_is_no_image_is_drawn_as_curves():
    picture = drawn((7,), 2)["components"]
    above, below = picture.figure.axes
    assert list(picture.table) == ["component", "feature", "value"]
    assert above.lines[0].get_ydata().tolist() == picture.table["value"][:7]
    assert below.lines[-1].get_ydata().tolist() == picture.table["value"][14:]
    assert [text.get_text() for text in below.get_legend().get_texts()] == ["1: 25 %", "2: 21 %"]


def test_the_spectrum_has_every_variance_and_what_the_first_ones_hold():
    picture = drawn((2, 2, 1), 2, [6.0, 3.0, 1.0, 0.0])["components_spectrum"]
    assert picture.table["component"] == [1, 2, 3, 4]
    assert picture.table["variance"] == [6, 3, 1, 0]
    assert picture.table["share"] == pytest.approx([0.6, 0.3, 0.1, 0])
    assert picture.table["cumulative"] == pytest.approx([0.6, 0.9, 1, 1])
    left, right = picture.figure.axes
    assert np.isnan(left.lines[0].get_ydata()[3])
    assert [text.get_text() for text in right.texts][-1] == "2 kept: 90 %"
    assert picture.figure.get_supxlabel() == "of 4 components 2 kept; 1 variance is zero up to rounding"


def test_variances_of_more_than_a_decade_are_drawn_on_a_logarithmic_scale():
    scales = [drawn((2,), 1, [10.0, last])["components_spectrum"].figure.axes[0].get_yscale() for last in (0.5, 5)]
    assert scales == ["log", "linear"]


def test_where_only_leading_components_are_computed_their_share_is_not_claimed():
    pictures = drawn((2, 2, 1), 2, [6.0, 3.0])
    assert [panel.get_xlabel() for panel in pictures["components"].figure.axes][1] == "variance 6"
    spectrum = pictures["components_spectrum"]
    assert list(spectrum.table) == ["component", "variance"]
    assert len(spectrum.figure.axes) == 1
    assert spectrum.figure.get_supxlabel().replace("\n", " ") == (
        "the total variance is not known: only the leading components are computed"
    )


def test_components_of_what_preprocessing_makes_of_another_shape_are_not_drawn_and_this_is_said():
    pictures = drawn((2, 2, 1), 2, steps=(Project(components=4),))
    assert list(pictures) == ["components_spectrum"]
    assert pictures["components_spectrum"].figure.get_supxlabel().replace("\n", " ") == (
        "of 4 components 2 kept; the components themselves are not drawn: data.preprocess makes 4 of 2 x 2 x 1"
    )


def test_that_the_samples_were_preprocessed_is_said():
    caption = drawn((2, 2, 1), 2, steps=(Scale(by=2.0),))["components"].figure.get_supxlabel().replace("\n", " ")
    assert caption.endswith("; of samples behind data.preprocess")


def test_samples_that_are_all_equal_can_be_drawn():
    for picture in drawn((2, 2, 1), 2, [0.0, 0.0, 0.0, 0.0]).values():
        picture.figure.draw_without_rendering()


def test_a_classifier_is_told_what_has_components():
    reason = "^kind: classifier has no components; train a model of kind: pca for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        list(Components().draw(MadeRun()))
