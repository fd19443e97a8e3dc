"""Accuracy under shifts and noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHANGES: tuple[Literal["shift", "noise"], ...] = ("shift", "noise")
AMOUNTS = {"shift": "shift (pixels)", "noise": "standard deviation of the noise"}
BASELINES = {
    "accuracy": ("majority_accuracy", "most frequent class"),
    "mse": ("mean_target_mse", "mean of the training targets"),
}


class AccuracyAgainst(Plot):
    """The accuracy, or the error, as a function of image shift and of added noise."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        curves: dict[str, Mapping[str, Any]] = {
            name: curve for name in CHANGES if (curve := run.robustness(name)) is not None
        }
        if not curves:
            raise NotApplicable(f"nothing measured; `mlphys evaluate {run.path} --shift 8 --noise 1` does")
        metric, samples = next(iter(curves.values()))["metric"], _samples(run, curves)
        width, title = max(5.8 * len(curves), 7), f"{run.name}: {metric} of changed samples"
        caption = f"{how_changed(curves)}; the band is one standard error"
        figure, panels = theme.row(len(curves), width, 5.2, title, caption, sharey=True)
        for (name, curve), axes in zip(curves.items(), panels, strict=True):
            _panel(axes, name, curve, run.metrics.get(curve["split"], {}))
            axes.set_title(samples[name], loc="left", color=theme.GREY)
        panels[0].set_ylabel(metric)
        rows = [
            (name, curve["split"], *row)
            for name, curve in curves.items()
            for row in zip(curve[name], curve[metric], curve[f"{metric}_stderr"], strict=True)
        ]
        columns = ("changed_by", "split", "amount", metric, f"{metric}_stderr")
        yield Picture("accuracy_against", figure, dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _samples(run: RunView, curves: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """`10,000 test samples`."""
    counts = {name: run.metrics.get(curve["split"], {}).get("samples") for name, curve in curves.items()}
    return {
        name: f"{counts[name]:,} {curve['split']} samples" if counts[name] else f"{curve['split']} samples"
        for name, curve in curves.items()
    }


def how_changed(curves: Iterable[str]) -> str:
    """`shift: ...; noise: ...`: what each of these changes does to a sample."""
    captions = {
        "shift": "shift: mean over left, right, up and down, zero-padded",
        "noise": "noise: Gaussian, added to every value",
    }
    return "; ".join(captions[name] for name in curves)


def _panel(axes: Axes, name: str, curve: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    metric = curve["metric"]
    values = np.array(curve[metric])
    errors = np.array([error or 0.0 for error in curve[f"{metric}_stderr"]])
    style: dict[str, Any] = {"color": theme.BLUE, "marker": "o", "markersize": 5}
    axes.plot(curve[name], values, **style)
    axes.fill_between(curve[name], values - errors, values + errors, color=theme.BLUE, alpha=0.3, linewidth=0)
    baseline, meaning = BASELINES[metric]
    if baseline in measured:
        axes.axhline(measured[baseline], color=theme.GREY, linestyle=":", linewidth=2, zorder=1)
        above, left = (0, 4), axes.get_yaxis_transform()
        axes.annotate(
            meaning, (0.01, measured[baseline]), above, xycoords=left, textcoords="offset points", color=theme.GREY
        )
    axes.set(xlabel=AMOUNTS[name], ylim=(0, 1.02) if metric == "accuracy" else (0, None))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=name == "shift", min_n_ticks=1))
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
