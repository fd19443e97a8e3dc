"""A fitted function of one variable (Bishop 2006, figure 5.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.numerics import chunked
from mlphys.schema.layers import Weighted, text
from mlphys.schema.samples import Splits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INSIDE, OUTSIDE = 401, 60  # points of the curve inside the range of the data, and outside on each side
BEYOND = 0.15  # extent of each side, as a fraction of the data's range
MOST_UNITS = 8
MOST = 2_000  # samples drawn of a split


class Fit1D(Plot):
    """A learned function of one variable, with its data and hidden units (Bishop 2006, figure 5.3)."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        _need_curve(run)
        dataset, split = run.dataset(), run.shown_split()
        x = _places(dataset)
        curve, units = run.trained.predictions(x)["outputs"].ravel(), _hidden_units(run, x)
        metrics = run.metrics.get(split, {})
        error = f", {split} mse {theme.measured(metrics['mse'], metrics['mse_stderr'])}" if metrics else ""
        count = units.shape[1]
        caption = "broad dashes: beyond the training data"
        caption += f"; thin: the {count} units of the last hidden layer (right axis)" if count else ""
        figure = theme.figure(10, 6.4, f"{run.name}: fit{error}", caption)
        axes = figure.subplots()
        samples = {name: getattr(dataset, name) for name in dict.fromkeys(("train", split))}
        drawn = {name: (chunked.read(held.x[:MOST]).ravel(), held.y[:MOST].ravel()) for name, held in samples.items()}
        _units(axes, x, units)
        _samples(axes, drawn)
        _curve(axes, x, curve)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, borderpad=0.2)
        yield Picture("fit_1d", figure, _table(x.ravel(), curve, units, drawn))

    @classmethod
    def example(cls) -> dict[str, Any]:
        layers = [{"Dense": {"units": 3, "activation": "tanh"}}, {"Dense": {"units": 1}}]
        return {
            "data": {"name": "function_1d", "function": "sine", "samples": 40},
            "model": {"kind": "regressor", "layers": layers},
            "training": {"epochs": 2},
        }


def _need_curve(run: RunView) -> None:
    outputs = run.config.model.prediction_shapes(run.loaded.net_input)
    if "outputs" not in outputs:
        raise NotApplicable("only a model of kind: regressor fits a function")
    shapes = tuple(run.data["shape"]), tuple(run.data["target_shape"])
    if shapes != ((1,), (1,)):
        raise NotApplicable(
            f"a sample of {text(shapes[0])} and a target of {text(shapes[1])}; a curve needs one number each"
        )


def _places(dataset: Splits) -> np.ndarray:
    """x of the curve (n, 1): the range of the training samples and a margin."""
    low, high = (float(value.item()) for value in chunked.extremes(dataset.train.x))
    wide = BEYOND * (high - low or 1.0)
    left, right = np.linspace(low - wide, low, OUTSIDE + 1)[:-1], np.linspace(high, high + wide, OUTSIDE + 1)[1:]
    return np.concatenate([left, np.linspace(low, high, INSIDE), right])[:, None].astype(np.float32)


def _hidden_units(run: RunView, x: np.ndarray) -> np.ndarray:
    """The input of the last layer with weights (n, units); (n, 0) if that is the data itself or too large."""
    weighted = [i for i, row in enumerate(run.rows) if isinstance(row.layer, Weighted)]
    if len(weighted) > 1:
        hidden = run.rows[weighted[-1] - 1]
        if len(hidden.output_shape) == 1 and hidden.output_shape[0] <= MOST_UNITS:
            return run.trained.layers(x)[hidden.name]
    return x[:, :0]


def _units(axes: Axes, x: np.ndarray, units: np.ndarray) -> None:
    if not units.size:
        return
    right = axes.twinx()
    right.plot(x, units, color=theme.GREY, linewidth=1.4, linestyle=(0, (5, 3)), zorder=1)
    right.set_ylabel("hidden units", color=theme.GREY)
    right.spines["right"].set_visible(True)
    right.set_zorder(0)
    axes.set_zorder(1)  # data and curve above the units
    axes.patch.set_visible(False)


def _samples(axes: Axes, drawn: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Samples; those of training are paler than others."""
    names = {"train": "training", "validation": "validation", "test": "test"}
    for name, (x, y) in drawn.items():
        pale = name == "train" and len(drawn) > 1
        style: dict[str, Any] = {
            "color": theme.SKY if pale else theme.BLUE,
            "alpha": 0.45 if pale else 0.9,
            "s": 30 if pale else 36,
        }
        axes.scatter(x, y, **style, linewidths=0, label=f"{len(x):,} {names[name]} samples", zorder=2)


def _curve(axes: Axes, x: np.ndarray, curve: np.ndarray) -> None:
    inside = slice(OUTSIDE, OUTSIDE + INSIDE)
    axes.plot(x[inside], curve[inside], color=theme.VERMILLION, linewidth=3, zorder=3, label="the net")
    for side in (slice(OUTSIDE + 1), slice(OUTSIDE + INSIDE - 1, None)):
        axes.plot(x[side], curve[side], color=theme.VERMILLION, linestyle="--", zorder=3)
    axes.set(xlabel="x", ylabel="y", xlim=(x[0, 0], x[-1, 0]))


def _table(
    x: np.ndarray, curve: np.ndarray, units: np.ndarray, drawn: dict[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, list]:
    """The table: points of the curve with the hidden units, then the samples."""
    rows: list[tuple] = [("curve", *values) for values in zip(x, curve, *units.T, strict=True)]
    none = [""] * units.shape[1]
    rows += [(name, *point, *none) for name, points in drawn.items() for point in zip(*points, strict=True)]
    names = "part", "x", "y", *(f"unit {j}" for j in range(units.shape[1]))
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
