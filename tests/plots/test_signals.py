"""Pictures of signals: curves where images would be tiles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures import image_grid, requirements, theme
from mlphys.plots.interpolation import Interpolation
from mlphys.plots.reconstructions_by_code_size import ReconstructionsByCodeSize
from mlphys.plots.traversals import Traversals
from tests.plots.runs import measured, written

PLOTS = (Traversals, Interpolation, ReconstructionsByCodeSize)
STEPS = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Any:
    path = tmp_path_factory.mktemp("signals")
    random = np.random.default_rng(0)
    np.savez(path / "own.npz", x=random.normal(size=(30, STEPS)).astype(np.float32))
    text = f"""
        data: {{name: array, path: {path / "own.npz"}, train: 20, validation: 10, test: 0}}
        model: {{kind: autoencoder, encoder: [{{Dense: {{units: 2}}}}], decoder: [{{Dense: {{units: {STEPS}}}}}]}}
    """
    weights = [random.normal(size=(STEPS, 2)), np.zeros(2), random.normal(size=(2, STEPS)), np.zeros(STEPS)]
    return measured(written(path, text, weights))


@pytest.mark.slow
@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
def test_samples_that_are_signals_are_drawn_as_curves_beside_their_values(plot: Any, run: Any):
    with theme.applied():
        first, *others = plot().draw(run)
    assert {len(axes.lines) for axes in first.figure.axes} == {1}
    assert not any(axes.images for axes in first.figure.axes)
    lines = np.concatenate([axes.lines[0].get_ydata() for axes in first.figure.axes])
    low, high = first.figure.axes[0].get_ylim()
    assert lines == pytest.approx(np.clip(first.table["value"], low, high), abs=1e-6)
    assert first.table["step"][: 2 * STEPS] == [*range(STEPS)] * 2
    for plane in others:  # of the two numbers of the code
        assert len(plane.figure.axes[0].lines) == 13 * 13


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_each_channel_of_a_signal_has_its_colour(channels: int):
    signals = np.random.default_rng(0).normal(size=(2, 3, STEPS, channels))
    figure = image_grid.page(signals, signals[0], ["a", "b"], "title", "caption")
    for axes in figure.axes:
        assert [line.get_color() for line in axes.lines] == list(theme.LINES[:channels])
    table = image_grid.table(signals, {"line": [0, 1]}, {})
    assert list(table) == ["line", "step", "channel", "value"]
    assert table["value"] == list(signals.ravel())


@pytest.mark.parametrize(
    ("shape", "drawable"),
    [((3,), True), ((200, 1), True), ((9, 6), True), ((2,), False), ((9, 7), False), ((2, 1), False)],
    ids=str,
)
def test_a_few_numbers_and_many_channels_are_no_signal(shape: tuple[int, ...], drawable: bool):
    loaded: Any = SimpleNamespace(
        description=SimpleNamespace(shape=shape),
        experiment=SimpleNamespace(data=SimpleNamespace(preprocess=[], feature_names=lambda: ())),
    )
    if drawable:
        requirements.need_images_or_signals(loaded)
        return
    with pytest.raises(NotApplicable, match="neither an image of 1 or 3 channels nor a signal of 3 steps and more"):
        requirements.need_images_or_signals(loaded)


def test_the_axis_of_signals_goes_a_margin_beyond_their_smallest_and_largest_value():
    assert image_grid.extent(np.array([[-1.0, 9.0]])) == (-1.5, 9.5)
    assert image_grid.extent(np.full((2, 3), 4.0)) == pytest.approx((3.45, 4.55))
    assert image_grid.extent(np.zeros((0, 3))) == pytest.approx((-0.05, 1.05))
