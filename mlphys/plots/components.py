"""Principal components."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.data import preprocessing
from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.schema.fields import Shape
from mlphys.schema.layers import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS, MOST = 8, 15  # images in a line, components beside the mean
MOST_CURVES = 5
DOTTED = 30  # features up to which each has a dot
MARKS = (0.8, 0.9, 0.95, 0.99)
ROUNDING = 1e-7  # smaller variances, relative to the largest, are float32 rounding of zero


class Components(Plot):
    """Mean and principal components as images, and the variance along each."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        if "components" not in run.weights:
            kind = run.config.model.kind
            raise NotApplicable(f"kind: {kind} has no components; train a model of kind: pca for this picture")
        mean, vectors = run.weights["mean"], run.weights["components"]
        variances = run.weights["variances"].astype(float)
        total = float(variances.sum()) if len(variances) == len(mean) else None
        shape, steps = tuple(run.data["shape"]), run.config.data.preprocess
        input_shape = preprocessing.output_shape(steps, shape)
        note = ""
        if input_shape != shape:
            note = (
                f"the components themselves are not drawn: data.preprocess makes {text(input_shape)} of {text(shape)}"
            )
        else:
            behind = "; of samples behind data.preprocess" if steps else ""
            image = len(shape) == 3 and shape[-1] in (1, 3)
            most = MOST if image else MOST_CURVES
            shown = vectors[:most]
            some = "component" if len(vectors) == 1 else f"{len(vectors)} components"
            if len(vectors) > most:
                some = f"the first {most} of {some}"
            title = f"{run.name}: mean and {some}"
            labels = [_share(variance, total) for variance in variances[: len(shown)]]
            figure = (_images if image else _curves)(mean, shown, shape, labels, title, behind)
            yield Picture("components", figure, _values(mean, shown, shape))
        yield _spectrum(run.name, variances, total, len(vectors), note)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "data": {"name": "digits", "train": 60, "validation": 30, "test": 30},
            "model": {"kind": "pca", "components": 3},
        }


def _share(variance: float, total: float | None) -> str:
    """`9.7 %` of the variance; the variance itself if the total is unknown."""
    return f"variance {variance:.3g}" if total is None else f"{100 * variance / (total or 1.0):.2g} %"


def _images(mean: np.ndarray, vectors: np.ndarray, shape: Shape, labels: list[str], title: str, behind: str) -> Figure:
    """The mean in gray, or in colors around zero if it has both signs; the components on one scale around zero."""
    count = 1 + len(vectors)
    across, down = min(count, ACROSS), math.ceil(count / ACROSS)
    tile = 1.25 * min(max(shape[0] / shape[1], 0.3), 2)
    limit = float(abs(vectors).max()) or 1.0
    colours = "grey is 0, colours their differences from it" if shape[-1] == 3 else "blue is negative, red positive"
    caption = f"the mean on its own scale, {colours} in the components; below each its share of the variance{behind}"
    figure = theme.figure(max(1.4 * across, 9), (tile + 0.5) * down + 1.4, title, caption)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    _mean(panels[0], mean.reshape(shape))
    panels[0].set_title("mean")
    for i, (panel, vector) in enumerate(zip(panels[1:count], vectors, strict=True)):
        image = vector.reshape(shape)
        if shape[-1] == 3:
            panel.imshow((0.5 + image / (2 * limit)).clip(0, 1))
        else:
            panel.imshow(image[..., 0], cmap=theme.SIGNED, vmin=-limit, vmax=limit)
        panel.set_title(str(i + 1))
        panel.set_xlabel(labels[i], fontsize=12, color=theme.GREY)
    for panel in panels:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set(visible=True, color=theme.PALE)
    for panel in panels[count:]:
        panel.remove()
    return figure


def _mean(panel: Axes, image: np.ndarray) -> None:
    low, high = min(0.0, float(image.min())), float(abs(image).max()) or 1.0
    if image.shape[-1] == 3:
        panel.imshow((image - low) / (max(1.0, high) - low))
    elif low < 0:
        panel.imshow(image[..., 0], cmap=theme.SIGNED, vmin=-high, vmax=high)
    else:
        panel.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=high)


def _curves(mean: np.ndarray, vectors: np.ndarray, shape: Shape, labels: list[str], title: str, behind: str) -> Figure:
    """Curves over the features: the mean above, the components below."""
    caption = f"the components' shares of the variance beside their numbers{behind}"
    figure = theme.figure(10, 6.5, title, caption)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.5])
    features = range(1, len(mean) + 1)
    marker = "o" if len(mean) <= DOTTED else ""
    above.plot(features, mean, color=theme.INK, marker=marker)
    above.set_ylabel("mean")
    below.axhline(0, color=theme.PALE, linewidth=1)
    for i, vector in enumerate(vectors):
        colour = theme.LINES[i % len(theme.LINES)]
        below.plot(features, vector, color=colour, marker=marker, label=f"{i + 1}: {labels[i]}")
    below.set(ylabel="components", xlabel="feature")
    below.locator_params(axis="x", integer=True)
    below.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _values(mean: np.ndarray, vectors: np.ndarray, shape: Shape) -> dict[str, list]:
    """One row per value; component 0 is the mean."""
    values = np.concatenate([mean[None], vectors]).reshape(-1, *shape)
    names = ("row", "column", "channel") if len(shape) == 3 else ("feature", "channel")[: len(shape)]
    if len(shape) > 3:
        names = tuple(f"axis {i}" for i in range(len(shape)))
    number, *places = np.indices(values.shape).reshape(values.ndim, -1).tolist()
    return {"component": number, **dict(zip(names, places, strict=True)), "value": list(values.ravel())}


def _spectrum(name: str, variances: np.ndarray, total: float | None, n_components: int, note: str) -> Picture:
    """The variances on a logarithmic scale, and their cumulative share."""
    numbers = np.arange(1, len(variances) + 1)
    drawn = np.where(variances > ROUNDING * max(variances.max(), 1e-300), variances, np.nan)
    notes = [f"of {len(variances):,} components {n_components:,} kept"] if total else []
    hidden = int(np.isnan(drawn).sum())
    notes += [f"{hidden} {'variance is' if hidden == 1 else 'variances are'} zero up to rounding"] if hidden else []
    notes += ["the total variance is not known: only the leading components are computed"] if total is None else []
    notes += [note] if note else []
    cumulative = np.cumsum(variances) / (total or 1.0)
    title = f"{name}: variance along the principal components"
    figure, (left, *right) = theme.row(2 if total else 1, 12 if total else 8, 5.4, title, "; ".join(notes))
    style: dict[str, Any] = {"marker": "o", "markersize": 6 if len(variances) <= DOTTED else 3, "linewidth": 1.5}
    left.plot(numbers, drawn, color="#A6A6A6", **style)
    left.plot(numbers[:n_components], drawn[:n_components], color=theme.BLUE, **style)
    left.set(xlabel="component", ylabel="variance")
    if variances.max() > 10 * variances.min():  # linear for less than a decade
        left.set_yscale("log")
        log_axis.label(left.yaxis)
    left.locator_params(axis="x", integer=True)
    if right:
        _cumulative(right[0], numbers, cumulative, n_components)
    columns = {"component": numbers.tolist(), "variance": list(variances)}
    shares = {"share": list(variances / total), "cumulative": list(cumulative)} if total else {}
    return Picture("components_spectrum", figure, {**columns, **shares})


def _cumulative(axes: Axes, numbers: np.ndarray, cumulative: np.ndarray, n_components: int) -> None:
    """The cumulative share, with marks at 80, 90, 95 and 99 % and at the kept components."""
    from matplotlib.patheffects import withStroke

    last = min(len(cumulative), max(n_components, int(np.searchsorted(cumulative, MARKS[-1])) + 1) * 5 // 4 + 1)
    axes.plot(numbers[:last], cumulative[:last], color=theme.INK, marker="o" if last <= DOTTED else "", markersize=6)
    halo = [withStroke(linewidth=3, foreground="white")]
    counts = [min(int(np.searchsorted(cumulative, mark)) + 1, len(cumulative)) for mark in MARKS]
    for mark, count in zip(MARKS, counts, strict=True):
        axes.plot([0, count, count], [mark, mark, 0], color=theme.GREY, linewidth=0.9, linestyle=":")
        if counts.count(count) == 1 or mark == MARKS[-1]:
            axes.annotate(
                str(count), (count, 0), (4, 4), textcoords="offset points", fontsize=13, color=theme.GREY,
                path_effects=halo,
            )  # fmt: skip
    share = cumulative[n_components - 1]
    axes.plot([n_components, n_components], [0, share], color=theme.BLUE, linewidth=1.5)
    axes.plot(n_components, share, "o", color=theme.BLUE, markersize=10, zorder=4)
    right = n_components < 0.6 * last
    axes.annotate(
        f"{n_components} kept: {100 * share:.3g} %", (n_components, 0.6 * share), (10 if right else -10, 0),
        va="center", textcoords="offset points", ha="left" if right else "right", fontsize=14, fontweight="bold",
        color=theme.BLUE, path_effects=halo,
    )  # fmt: skip
    axes.set_yticks([0, 0.2, 0.4, 0.6, *MARKS])
    axes.tick_params(axis="y", labelsize=12)
    axes.set(xlim=(0, last * 1.02), ylim=(0, 1.06), xlabel="components", ylabel="share of the variance")
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g} %")
    axes.locator_params(axis="x", integer=True)
