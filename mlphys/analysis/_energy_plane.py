"""An energy over the plane, with the paths x <- x + eta (r(x) - x) on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import theme
from mlphys.figures.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 0.25  # around the samples, as a fraction of their range
FINE, COARSE, LEVELS = 81, 7, 14  # places along each side for contours, and for the starts of paths; contours
FLAT = 1e-9  # an energy that varies less, relative to its size, is constant up to rounding
Function = Callable[[np.ndarray], np.ndarray]


def descent(name: str, energy: Function, r: Function, z: np.ndarray, eta: float, steps: int) -> tuple[Picture, dict]:
    """Contours of the energy around points z (n, 2), and paths from a grid; and how many of their steps go down."""
    low, high = z.min(axis=0), z.max(axis=0)
    extent = float((high - low).max()) or 1.0
    low, high = low - MARGIN * extent, high + MARGIN * extent
    columns, rows = np.linspace(low, high, FINE).T
    values = energy(_grid(columns, rows)).reshape(FINE, FINE)
    paths = [_grid(*np.linspace(low, high, COARSE).T)]
    for _ in range(steps):
        paths.append((paths[-1] + np.float32(eta) * (r(paths[-1]) - paths[-1])).astype(np.float32))
    heights = np.stack([energy(points) for points in paths])
    falls, moved = np.diff(heights, axis=0), np.linalg.norm(np.diff(paths, axis=0), axis=2)
    walked = moved > 1e-5 * extent  # others are at rest
    down = float((falls[walked] < 0).mean()) if walked.any() else 1.0
    numbers = {
        "paths": len(paths[0]), "eta": eta, "steps": steps, "steps_downhill": down,
        "energy_at_start": float(heights[0].mean()), "energy_at_end": float(heights[-1].mean()),
    }  # fmt: skip
    caption = (
        f"dark is low; {len(paths[0])} paths of {steps} steps x ← x + {eta:g} (r(x) − x) from a grid to dots, "
        f"{100 * down:.4g} % of the steps downhill; mean energy {numbers['energy_at_start']:.3g} at the start, "
        f"{numbers['energy_at_end']:.3g} at the end"
    )
    ratio = min(max((high[1] - low[1]) / (high[0] - low[0]), 0.4), 1.2)
    figure = theme.figure(9, 7.0 * ratio + 2.0, f"{name}: energy in the plane", caption)
    axes = figure.subplots()
    _draw_contours(axes, columns, rows, values)
    axes.plot(*z.T, ".", color=theme.SKY, markersize=4, zorder=2, label="samples")
    for path in np.stack(paths, axis=1):
        axes.plot(*path.T, color=theme.VERMILLION, linewidth=1.3, zorder=3)
    axes.plot(*paths[-1].T, "o", color=theme.VERMILLION, markersize=5, zorder=4, label="ends of paths")
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="feature 0", ylabel="feature 1")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return Picture("energy_plane", figure, _table(paths, heights)), numbers


def _draw_contours(axes: Axes, columns: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """Contours of the energies `values` (rows, columns), as many places between any two of them."""
    from matplotlib.colors import BoundaryNorm

    levels = np.unique(np.quantile(values, np.linspace(0, 1, LEVELS + 1)))
    if len(levels) < 2 or np.ptp(levels) < FLAT * max(1.0, float(abs(levels).max())):
        levels = np.array([levels[0] - 1, levels[-1] + 1])  # r(x) = x: a plain
    norm = BoundaryNorm(levels, 256) if len(levels) > 2 else None  # as many places between any two levels
    drawn = axes.contourf(columns, rows, values, levels, cmap="Greys_r", norm=norm, alpha=0.75)
    axes.contour(columns, rows, values, levels, colors=theme.GREY, linewidths=0.7, linestyles="solid")
    axes.figure.colorbar(drawn, ax=axes, label="energy E(x)", format="%.2g")


def _grid(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.stack([values.ravel() for values in np.meshgrid(columns, rows)], axis=1).astype(np.float32)


def _table(paths: list[np.ndarray], heights: np.ndarray) -> dict[str, list[Any]]:
    steps, count = heights.shape
    points = np.stack(paths).reshape(-1, 2)
    return {
        "path": list(range(count)) * steps, "step": np.repeat(np.arange(steps), count).tolist(),
        "x1": points[:, 0].tolist(), "x2": points[:, 1].tolist(), "energy": heights.ravel().tolist(),
    }  # fmt: skip
