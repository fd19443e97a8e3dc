"""Histograms of a code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.code_statistics import ACTIVE, code_statistics

BINS = 80
DOTTED = 40  # numbers of a code up to which each has a dot
NAMES = {"population_sparsity": "population sparsity", "lifetime_sparsity": "lifetime sparsity"}


class CodeHistogram(Plot):
    """The distribution of an autoencoder's code values, and how often each is active."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable for a model without codes."""
        experiment = resolved.experiment
        if "codes" not in experiment.model.prediction_shapes(resolved.net_input):
            raise NotApplicable(_otherwise(experiment.model.kind))

    def draw(self, run: RunView) -> Iterator[Picture]:
        split, predictions = predicted(run, "codes", _otherwise(run.config.model.kind))
        codes = predictions["codes"].reshape(len(predictions["codes"]), -1)
        statistics = code_statistics({"codes": codes}, "")
        of = f"{len(codes):,} {split} samples"
        yield _values(run.name, codes, statistics, of)
        yield _numbers(run.name, codes, statistics, of)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _otherwise(kind: str) -> str:
    return f"kind: {kind} has no codes; train a model of kind: autoencoder for this picture"


def _values(name: str, codes: np.ndarray, statistics: Mapping[str, Any], of: str) -> Picture:
    """The histogram of all values, logarithmic, since most values of a sparse code are near 0."""
    counts, edges = np.histogram(codes, BINS)
    share = counts / counts.sum()
    caption = (
        f"all values of the codes of {of}; active: |h| > {ACTIVE:g}; sparsity: 0 for equal values, 1 for a single one"
    )
    figure = theme.figure(
        9.5, 5.6, f"{name}: values of the code, {100 * statistics['active_fraction']:.3g} % active", caption
    )
    axes = figure.subplots()
    axes.stairs(share, edges, fill=True, color=theme.BLUE)
    axes.set_yscale("log")
    axes.set(ylim=(0.5 * share[share > 0].min(), 2), xlabel="value h of the code", ylabel="fraction of the values")
    log_axis.label(axes.yaxis)
    axes.axvline(statistics["mean_code"], color=theme.VERMILLION, linewidth=2)
    lines = [f"mean {statistics['mean_code']:.3g}"]
    lines += [f"{words} {statistics[key]:.3g}" for key, words in NAMES.items() if statistics[key] is not None]
    axes.text(
        0.98, 0.96, "\n".join(lines), transform=axes.transAxes, ha="right", va="top",
        bbox={"facecolor": "white", "edgecolor": theme.PALE, "boxstyle": "round"},
    )  # fmt: skip
    table = {"from": list(edges[:-1]), "to": list(edges[1:]), "values": counts.tolist(), "share": list(share)}
    return Picture("code_histogram", figure, table)


def _numbers(name: str, codes: np.ndarray, statistics: Mapping[str, Any], of: str) -> Picture:
    """For each number of the code the fraction of samples for which it is active, in descending order."""
    active = (np.abs(codes) > ACTIVE).mean(axis=0)
    order = np.argsort(-active, kind="stable")
    silent, mean = int((active == 0).sum()), statistics["active_fraction"]
    title = f"{name}: how often each number of the code is active"
    caption = f"active: |h| > {ACTIVE:g}; fractions of {of}; {silent} of {len(active)} are never active"
    if (active == 1).all():
        caption += "; all always are, as of a code by sigmoid: the histogram of its values says more"
    figure = theme.figure(9.5, 5.6, title, caption)
    axes = figure.subplots()
    places = np.arange(1, len(active) + 1)
    axes.plot(places, active[order], color=theme.BLUE, marker="o" if len(active) <= DOTTED else "", markersize=6)
    axes.axhline(mean, color=theme.VERMILLION, linewidth=1.5, linestyle="--")
    axes.annotate(
        f"mean {100 * mean:.3g} %", (1, mean), (0, 5), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="bottom", color=theme.VERMILLION,
    )  # fmt: skip
    axes.set(ylim=(0, 1.08), xlabel="numbers of the code, most often active first", ylabel="active in")
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g} %")
    axes.locator_params(axis="x", integer=True)
    means = codes.mean(axis=0, dtype=np.float64)[order]
    table = {"number": order.tolist(), "active_fraction": list(active[order]), "mean": list(means)}
    return Picture("code_histogram_numbers", figure, table)
