"""The loss surface."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.numerics.newton import Minimum, find

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Losses = Callable[[np.ndarray], np.ndarray]  # points (n, 2) -> losses (n,)

FINE = 141  # points along each side at which the loss is computed
COARSE = 4  # stride of the points in the table: 36 x 36
LINES = 24  # of equal loss
MOST_DECADES = 5  # range of the contour levels
MARGIN = 0.2  # as a fraction of the visible range
CLOSER = 2.5  # ratio of landscape to path from which a second panel shows the path
DOTTED = 100  # epochs up to which each has a dot
STEP = 0.1  # of the finite differences, as a fraction of the path's range
FAR = 10  # in path ranges: a minimum farther away is not shown


@dataclass(frozen=True)
class Landscape:
    """The loss (h, w) at columns (w,), the first parameter, and rows (h,), the second."""

    columns: np.ndarray
    rows: np.ndarray
    losses: np.ndarray


class LossSurface(Plot):
    """The loss of a model of two parameters as a surface, with the path of training."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        columns = _columns(run)
        path = np.array([_initial(run), *([row[name] for name in columns] for row in run.history)])
        train = run.dataset().train

        def losses(places: np.ndarray) -> np.ndarray:
            return run.trained.losses(train, places)

        along = losses(path)
        minimum = _minimum(losses, path)
        near, wide = _views(path, along[0], minimum)
        closer = (np.ptp(wide, axis=0) > CLOSER * np.ptp(near, axis=0)).any()
        landscapes = {"landscape": _landscape(losses, wide)}
        if closer:
            landscapes["close-up"] = _landscape(losses, near)
        names = _short(columns)
        caption = (
            f"loss of {len(train):,} training samples: {_plain(along[0])} at the start, {_plain(along[-1])} at the end"
        )
        if minimum:
            at = " and ".join(f"{name} {value:.4g}" for name, value in zip(names, minimum.place, strict=True))
            caption += f", {_plain(minimum.value)} at the minimum, {at}"
        figure = _figure(
            landscapes, path, minimum, names, f"{run.name}: loss surface, {len(path) - 1:,} epochs", caption
        )
        yield Picture("loss_surface", figure, _table(landscapes, path, along, minimum, columns))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "data": {"name": "line", "noise": 1.0},
            "model": {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]},
            "training": {"epochs": 3, "optimizer": "adam", "track": ["parameters"]},
        }


def _columns(run: RunView) -> list[str]:
    """The names of the two parameters in history.csv."""
    shapes = run.loaded.weight_shapes()
    count = sum(math.prod(shape) for shape in shapes.values())
    if count != 2:
        raise NotApplicable(f"the model has {count:,} parameters; a surface needs a model of two")
    if not run.history:
        raise NotApplicable("no epoch was trained; set training.epochs to at least 1")
    names = [".".join([name, *map(str, i)]) for name, shape in shapes.items() for i in np.ndindex(shape)]
    if not set(names) <= run.history[0].keys():
        raise NotApplicable("the path was not recorded; retrain with training.track: [parameters]")
    return names


def _short(columns: list[str]) -> list[str]:
    """`kernel` and `bias`; the full names if these are equal."""
    words = [[word for word in name.split(".") if not word.isdecimal()][-1] for name in columns]
    return words if words[0] != words[1] else columns


def _initial(run: RunView) -> list[float]:
    return [float(value) for weight in run.initial.values() for value in weight.ravel()]


def _minimum(losses: Losses, path: np.ndarray) -> Minimum | None:
    """The minimum at the end of the path, None if there is none nearby."""
    extent = _extent(path)
    minimum = find(losses, path[-1], STEP * extent)
    return minimum if minimum and (abs(minimum.place - path[-1]) <= FAR * extent).all() else None


def _extent(path: np.ndarray) -> np.ndarray:
    """The extent of the path along each axis, above zero."""
    return np.maximum(np.ptp(path, axis=0), 1e-3 * np.maximum(abs(path).max(axis=0), 1))


def _views(path: np.ndarray, start: float, minimum: Minimum | None) -> tuple[np.ndarray, np.ndarray]:
    """Two boxes (2, 2), lowest and highest corner: around the path, and around the landscape.

    The landscape contains the ellipse d H d / 2 = loss at the start - loss at the minimum.
    """
    places = path if minimum is None else np.vstack([path, minimum.place])
    near = np.array([places.min(axis=0), places.max(axis=0)])
    middle, extent = near.mean(axis=0), _extent(places)
    near = middle + np.outer([-0.5, 0.5], (1 + 2 * MARGIN) * extent)
    if minimum is None:
        return near, middle + np.outer([-1, 1], extent)
    reach = np.sqrt(2 * max(start - minimum.value, 0.0) * np.diag(np.linalg.inv(minimum.hessian)))
    wide = minimum.place + np.outer([-1, 1], reach)
    return near, np.array([np.minimum(wide[0], near[0]), np.maximum(wide[1], near[1])])


def _landscape(losses: Losses, box: np.ndarray) -> Landscape:
    columns, rows = np.linspace(box[0], box[1], FINE).T
    places = np.stack([values.ravel() for values in np.meshgrid(columns, rows)], axis=1)
    return Landscape(columns, rows, losses(places).reshape(FINE, FINE))


def _figure(
    views: dict[str, Landscape], path: np.ndarray, minimum: Minimum | None, names: list[str], title: str, caption: str
) -> Figure:
    from matplotlib.patches import Rectangle

    near = list(views.values())[1:]
    figure, panels = theme.row(len(views), 14 if near else 10, 6.8, title, caption)
    _contours(figure, panels, list(views.values()), minimum.value if minimum else 0.0)
    for panel, view in zip(panels, views.values(), strict=True):
        _path(panel, path, minimum)
        panel.set(xlabel=names[0], ylabel=names[1], xlim=view.columns[[0, -1]], ylim=view.rows[[0, -1]])
    if near:
        corner, opposite = ((near[0].columns[i], near[0].rows[i]) for i in (0, -1))
        size = opposite[0] - corner[0], opposite[1] - corner[1]
        panels[0].add_patch(Rectangle(corner, *size, fill=False, edgecolor=theme.INK, linewidth=1.2, zorder=2.5))
        panels[1].spines[:].set(visible=True, color=theme.INK, linewidth=1.2)
        panels[1].set_title("the small frame, enlarged")
    legend = panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, columnspacing=1)
    legend.set_in_layout(not near)  # the other panel's title leaves space
    return figure


def _contours(figure: Figure, panels: Sequence[Axes], views: Sequence[Landscape], lowest: float) -> None:
    """Contour lines, equally many per power of ten of the loss above its minimum."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator

    above = [view.losses - lowest for view in views]
    high = max(float(values.max()) for values in above) or 1.0
    least = min(float(values.min()) for values in above)
    low = max(least, high / 10**MOST_DECADES)
    style: dict[str, Any] = {"norm": LogNorm(low, high), "levels": np.geomspace(low, high, LINES)}
    style["extend"] = "min" if least < low else "neither"
    for panel, view, values in zip(panels, views, above, strict=True):
        clipped = values.clip(low / 1000, high)  # a logarithm needs positive numbers
        filled = panel.contourf(view.columns, view.rows, clipped, cmap="Blues_r", **style)
        panel.contour(view.columns, view.rows, clipped, colors="white", linewidths=0.6, alpha=0.6, **style)
    bar = figure.colorbar(filled, ax=panels, aspect=30, pad=0.01)
    bar.set_label("loss" if lowest < low else f"loss − {_plain(lowest)}")
    bar.locator = LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,))
    bar.formatter = FuncFormatter(lambda value, _: f"{value:g}")


def _path(axes: Axes, path: np.ndarray, minimum: Minimum | None) -> None:
    marker = "o" if len(path) <= DOTTED else ""
    axes.plot(*path.T, color="white", linewidth=5, zorder=3)
    axes.plot(*path.T, color=theme.VERMILLION, marker=marker, markersize=6, zorder=3, label="path")
    style: dict[str, Any] = {"linestyle": "", "markeredgecolor": theme.INK, "markeredgewidth": 2, "zorder": 4}
    axes.plot(*path[0], marker="o", markersize=11, markerfacecolor="white", **style, label="start")
    axes.plot(*path[-1], marker="s", markersize=10, markerfacecolor=theme.VERMILLION, **style, label="end")
    if minimum:
        style |= {"markeredgewidth": 1.2, "zorder": 5}
        axes.plot(*minimum.place, marker="*", markersize=17, markerfacecolor="#F0E442", **style, label="minimum")


def _table(
    landscapes: dict[str, Landscape], path: np.ndarray, along: np.ndarray, minimum: Minimum | None, columns: list[str]
) -> dict[str, list]:
    """The table: points of each landscape, the path from epoch 0, and the minimum."""
    rows: list[tuple] = []
    for part, view in landscapes.items():
        first, second = np.meshgrid(view.columns[::COARSE], view.rows[::COARSE])
        losses = view.losses[::COARSE, ::COARSE]
        rows += [(part, "", *values) for values in zip(first.flat, second.flat, losses.flat, strict=True)]
    rows += [("path", epoch, *place, loss) for epoch, (place, loss) in enumerate(zip(path, along, strict=True))]
    if minimum:
        rows.append(("minimum", "", *minimum.place, minimum.value))
    return dict(zip(("part", "epoch", *columns, "loss"), map(list, zip(*rows, strict=True)), strict=True))


def _plain(value: float) -> str:
    """Four digits, `13,910` and not `1.391e+04`."""
    return f"{float(f'{value:.4g}'):,g}"
