from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.plots import loss_surface
from mlphys.runs.run import Run
from tests.plots.runs import ASKED, PATH, history, walked, written

KERNEL, BIAS = "layers.0.Dense.kernel.0.0", "layers.0.Dense.bias.0"
STARTED = "{Dense: {units: 1, kernel_initializer: {Constant: {value: 11}}, "
LINE = ASKED["loss_surface"].replace("{Dense: {units: 1, ", STARTED)
VALLEY = """
    data: {name: line, slope: 1, intercept: 0, start: -1, stop: 1, validation: 0, test: 0}
    model:
      kind: regressor
      layers: [{Dense: {units: 1, use_bias: false}}, {Dense: {units: 1, use_bias: false}}]
"""


def drawn(run: Run) -> Picture:
    with theme.applied():
        (picture,) = loss_surface.LossSurface().draw(run)
    return picture


def columns(picture: Picture, part: str) -> dict[str, np.ndarray]:
    there = np.array(picture.table["part"]) == part
    return {name: np.array(values, dtype=object)[there] for name, values in picture.table.items()}


def places(picture: Picture, part: str) -> np.ndarray:
    found = columns(picture, part)
    return np.stack([found[name] for name in list(found)[2:4]], axis=1).astype(float)


@pytest.fixture(scope="module", autouse=True)
def few_points() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss_surface, "FINE", 31)
        yield


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Picture:
    """From (11, 11) into the valley of y = 21 x + 10."""
    return drawn(written(tmp_path_factory.mktemp("line"), LINE, rows=walked()))


@pytest.mark.parametrize("part", ["landscape", "close-up", "path", "minimum"])
def test_the_loss_is_the_mean_squared_error_that_numpy_computes(line: Picture, part: str):
    x = np.arange(30, 190) / 10
    for (m, b), loss in list(zip(places(line, part), columns(line, part)["loss"], strict=True))[::3]:
        assert float(loss) == pytest.approx(((m * x + b - 21 * x - 10) ** 2).mean(), rel=1e-4, abs=1e-7)


def test_the_path_begins_with_the_initial_weights_and_has_every_epoch(line: Picture):
    assert places(line, "path").tolist() == [[11, 11], *([place[KERNEL], place[BIAS]] for place in PATH)]
    assert list(columns(line, "path")["epoch"]) == [0, 1, 2]
    assert list(line.table) == ["part", "epoch", KERNEL, BIAS, "loss"]


def test_the_minimum_is_the_line_that_the_samples_lie_on(line: Picture):
    assert places(line, "minimum")[0] == pytest.approx([21, 10], rel=1e-3)


def test_the_landscape_has_its_valley_in_view_and_the_close_up_the_path(line: Picture):
    axes, closer = line.figure.axes[:2]
    for panel in (axes, closer):
        frame = np.array([panel.get_xlim(), panel.get_ylim()])
        seen = np.vstack([places(line, "path"), places(line, "minimum")])
        assert (frame[:, 0] < seen.min(axis=0)).all()
        assert (frame[:, 1] > seen.max(axis=0)).all()
    assert np.ptp(closer.get_ylim()) < 0.01 * np.ptp(axes.get_ylim())
    # the ellipse of the start's loss fits in: its lowest and highest bias are sqrt(loss / (1 - <x>^2 / <x^2>)) away
    x = np.arange(30, 190) / 10
    reach = np.sqrt(columns(line, "path")["loss"][0] / (1 - x.mean() ** 2 / (x**2).mean()))
    assert axes.get_ylim() == pytest.approx([10 - reach, 10 + reach], rel=1e-3)


def test_the_axes_have_the_weights_short_names_and_the_lines_are_as_many_for_each_power_of_ten(line: Picture):
    axes = line.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("kernel", "bias")
    levels = next(drawn.levels for drawn in axes.collections if hasattr(drawn, "levels"))
    assert np.ptp(np.diff(np.log(levels))) < 1e-9
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["path", "start", "end", "minimum"]


def test_a_path_as_long_as_its_landscape_needs_no_close_up(tmp_path: Path):
    there_and_back = [{KERNEL: 31.0, BIAS: -200.0}, {KERNEL: 11.0, BIAS: 220.0}, {KERNEL: 21.0, BIAS: 10.0}]
    picture = drawn(written(tmp_path, LINE, rows=walked(there_and_back)))
    assert set(picture.table["part"]) == {"landscape", "path", "minimum"}


def test_of_a_valley_without_a_lowest_point_the_surroundings_of_the_path_are_drawn(tmp_path: Path):
    names = "layers.0.Dense.kernel.0.0", "layers.1.Dense.kernel.0.0"
    path = [dict(zip(names, place, strict=True)) for place in ((0.5, 0.5), (-0.2, -0.3))]
    picture = drawn(written(tmp_path, VALLEY, rows=walked(path)))
    assert set(picture.table["part"]) == {"landscape", "path"}
    x = np.arange(-10, 10) / 10
    for (v, w), loss in list(zip(places(picture, "landscape"), columns(picture, "landscape")["loss"], strict=True))[
        ::9
    ]:
        assert float(loss) == pytest.approx(((v * w - 1) ** 2 * x**2).mean(), rel=1e-4, abs=1e-9)
    axes = picture.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == names


def test_a_path_that_does_not_move_can_be_drawn(tmp_path: Path):
    still = {KERNEL: 11.0, BIAS: 11.0}
    drawn(written(tmp_path, LINE, rows=walked([still]))).figure.draw_without_rendering()


def test_a_model_of_more_parameters_is_refused(tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        drawn(written(tmp_path, ASKED["fit_1d"]))
    assert str(refused.value) == "the model has 7 parameters; a surface needs a model of two"


def test_without_the_recorded_path_the_remedy_is_reported(tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        drawn(written(tmp_path, LINE, rows=history([1.0])))
    assert str(refused.value) == "the path was not recorded; retrain with training.track: [parameters]"


def test_without_an_epoch_there_is_no_path(tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        drawn(written(tmp_path, LINE))
    assert str(refused.value) == "no epoch was trained; set training.epochs to at least 1"
