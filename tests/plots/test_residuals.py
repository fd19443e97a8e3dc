from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures.picture import Picture
from mlphys.plots.predicted_against_true import PredictedAgainstTrue
from mlphys.plots.residuals import Residuals
from mlphys.runs.run import Run
from tests.plots.runs import ASKED, measured, written

LINE = """
    data: {name: line, validation: 100, test: 0}
    model: {kind: regressor, layers: [{Dense: {units: 1}}]}
"""  # y = 21 x + 10 without noise


@pytest.fixture(scope="module")
def flatter(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A net of slope 20 instead of 21, which predicts too little by x = (y - 10) / 21."""
    return measured(written(tmp_path_factory.mktemp("flatter"), LINE, [np.array(20.0), np.array(10.0)]))


def drawn(plot: Residuals | PredictedAgainstTrue, run: Run) -> Picture:
    (picture,) = plot.draw(run)
    return picture


def column(picture: Picture, name: str) -> np.ndarray:
    return np.array(picture.table[name], dtype=float)


def test_a_residual_is_the_prediction_minus_the_true_value(flatter: Run):
    picture = drawn(Residuals(), flatter)
    true, residual = column(picture, "true"), column(picture, "residual")
    assert len(true) == 100
    assert true == pytest.approx(flatter.dataset().validation.y[:, 0])
    assert residual == pytest.approx(column(picture, "predicted") - true)
    assert residual == pytest.approx(-(true - 10) / 21, abs=1e-4)


def test_the_means_in_slices_follow_a_residual_that_depends_on_the_true_value(flatter: Run):
    axes = drawn(Residuals(), flatter).figure.axes[0]
    [slices] = axes.containers
    places, means = slices.lines[0].get_data()
    assert len(places) == 10
    assert (np.diff(places) > 0).all()
    assert means == pytest.approx(-(np.asarray(places) - 10) / 21, rel=1e-4)


def test_the_title_has_the_mean_of_all_residuals_with_its_standard_error(flatter: Run):
    picture = drawn(Residuals(), flatter)
    residual = column(picture, "residual")
    title = picture.figure.axes[0].get_title(loc="left")
    mean, stderr = (float(text) for text in title.removeprefix("mean ").replace("−", "-").split(" ± "))
    assert mean == pytest.approx(residual.mean(), abs=0.01)
    assert stderr == pytest.approx(residual.std() / np.sqrt(100), rel=0.1)


def test_predictions_are_drawn_against_true_values_beside_the_line_on_which_they_are_equal(flatter: Run):
    picture = drawn(PredictedAgainstTrue(), flatter)
    axes = picture.figure.axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    assert points[:, 0] == pytest.approx(column(picture, "true"))
    assert points[:, 1] == pytest.approx(column(picture, "predicted"))
    [equal] = axes.lines
    assert list(equal.get_xdata()) == list(equal.get_ydata())
    assert axes.get_title(loc="left").startswith("R² 0.98")


@pytest.mark.parametrize("plot", [Residuals, PredictedAgainstTrue])
def test_only_a_regressor_of_numbers_has_them(tmp_path: Path, plot: type[Residuals | PredictedAgainstTrue]):
    run = written(tmp_path, ASKED["decision_boundary"])
    with pytest.raises(NotApplicable, match="only a model of kind: regressor predicts numbers"):
        list(plot().draw(run))
