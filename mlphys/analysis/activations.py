"""Statistics of the layers' outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_curves import short
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.activations import ACTIVATIONS, SATURATING
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.layers import Flatten, Reshape
from mlphys.schema.shapes import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 60
ACROSS = 4
AT_ONCE = 200  # samples, at most


class Activations(SampledAnalysis):
    """The distribution of each layer's outputs: histogram, dead units, saturated outputs.

    Outputs h of each layer over `samples`.

    Saturated: h < .05 or h > .95 of a sigmoid, |h| > .95 of tanh, h = 0 of relu, where an output depends little
    or not at all on its input (Glorot & Bengio 2010). A relu unit that is 0 for every sample is dead: it has no
    gradient, and stays so. A filter is a unit; it is dead where its whole map is 0.
    """

    def check(self, resolved: ResolvedView) -> None:
        if not resolved.rows():
            raise NotApplicable(f"kind: {resolved.experiment.model.kind} has no layers")

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        gathered: dict[str, Outputs] = {}
        at_once = min(AT_ONCE, run.trained.evaluated_at_once)
        rows = [row for row in run.rows if not (isinstance(row.layer, Flatten | Reshape) or row.layer.only_in_training)]
        for narrow in (False, True):  # first pass: the range of the histogram
            for start in range(0, len(some), at_once):
                layer_outputs = run.trained.layers(some.x[start : start + at_once])
                for row in rows:
                    if row.name in layer_outputs:
                        outputs = gathered.setdefault(row.name, Outputs(row))
                        outputs.count(layer_outputs[row.name]) if narrow else outputs.see(layer_outputs[row.name])
        if not gathered:
            raise NotApplicable("no layer of it gives outputs of its own")
        layers = {name: outputs.numbers() for name, outputs in gathered.items()}
        return AnalysisResult(
            {"split": split, "samples": len(some), "layers": layers},
            f"{_summary(layers)}; {len(some)} {split} samples",
            [_picture(run.name, split, len(some), gathered, layers)],
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


class Outputs:
    """Statistics of the outputs of one layer, accumulated over chunks."""

    def __init__(self, row: Row):
        kind = row.layer.activation_name()
        self.kind = kind if kind in SATURATING else None
        self.low, self.high = math.inf, -math.inf
        self.counts = np.zeros(BINS)
        self._alive: Any = False
        self._means: list[np.ndarray] = []
        self._squares: list[np.ndarray] = []
        self._saturated: list[np.ndarray] = []

    def see(self, h: np.ndarray) -> None:
        """Update the extremes with outputs (n, ..., units)."""
        every = tuple(range(1, h.ndim))
        self.low, self.high = min(self.low, float(h.min())), max(self.high, float(h.max()))
        self._alive = self._alive | (h != 0).any(axis=tuple(range(h.ndim - 1)))
        self._means.append(h.mean(axis=every, dtype=np.float64))
        self._squares.append(np.square(h, dtype=np.float64).mean(axis=every))
        if self.kind:
            self._saturated.append(ACTIVATIONS[self.kind].saturated(h).mean(axis=every))

    def count(self, h: np.ndarray) -> None:
        self.counts += np.histogram(h, self.edges())[0]

    def edges(self) -> np.ndarray:
        wide = self.high - self.low or 1.0
        return np.linspace(self.low, self.low + wide, BINS + 1)

    def numbers(self) -> dict[str, Any]:
        means, squares = np.concatenate(self._means), np.concatenate(self._squares)
        statistics: dict[str, Any] = {
            "mean": float(means.mean()),
            "mean_stderr": mean_stderr(means),
            "std": math.sqrt(max(0.0, squares.mean() - means.mean() ** 2)),
            "range": [self.low, self.high],
        }
        if self.kind:
            saturated = np.concatenate(self._saturated)
            statistics |= {"activation": self.kind, "saturated": float(saturated.mean())}
            statistics["saturated_stderr"] = mean_stderr(saturated)
        if self.kind == "relu":
            statistics |= {"units": len(self._alive), "dead_units": int((~self._alive).sum())}
        return statistics


def _summary(layers: dict[str, Any]) -> str:
    parts = []
    dead = [numbers for numbers in layers.values() if "dead_units" in numbers]
    if dead:
        count, units = (sum(numbers[key] for numbers in dead) for key in ("dead_units", "units"))
        parts.append(f"{count} of {units} relu units are dead")
    flat = {name: numbers for name, numbers in layers.items() if "saturated" in numbers}
    for name in dict.fromkeys([*list(flat)[:1], *list(flat)[-1:]]):
        value = rounded(flat[name]["saturated"], flat[name]["saturated_stderr"])
        what = "0" if flat[name]["activation"] == "relu" else "saturated"
        parts.append(f"{value} of the outputs of {short(name)} are {what}")
    if not parts:
        name, numbers = list(layers.items())[-1]
        parts.append(f"{short(name)} gives {numbers['mean']:.3g} with standard deviation {numbers['std']:.3g}")
    return "; ".join(parts)


def _picture(name: str, split: str, count: int, gathered: dict[str, Outputs], layers: dict[str, Any]) -> Picture:
    across = min(ACROSS, len(gathered))
    down = math.ceil(len(gathered) / across)
    caption = f"fraction of the outputs, over {count:,} {split} samples and all units; orange: saturated"
    figure = theme.figure(max(3.4 * across, 7), 2.5 * down + 1.5, f"{name}: what each layer gives", caption)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for panel in panels[len(gathered) :]:
        panel.remove()
    table: dict[str, list[Any]] = {"layer": [], "low": [], "high": [], "fraction": []}
    for panel, (layer, outputs) in zip(panels, gathered.items(), strict=False):
        edges, fractions = outputs.edges(), outputs.counts / outputs.counts.sum()
        _panel(panel, layer, outputs, edges, fractions, layers[layer])
        table["layer"] += [layer] * BINS
        table["low"] += edges[:-1].tolist()
        table["high"] += edges[1:].tolist()
        table["fraction"] += fractions.tolist()
    return Picture("activations", figure, table)


def _panel(
    axes: Axes, layer: str, outputs: Outputs, edges: np.ndarray, fractions: np.ndarray, numbers: dict[str, Any]
) -> None:
    middles = (edges[1:] + edges[:-1]) / 2
    flat = np.zeros(BINS, bool)
    if outputs.kind == "relu":
        flat = (edges[:-1] <= 0) & (edges[1:] > 0)
    elif outputs.kind:
        flat = ACTIVATIONS[outputs.kind].saturated(middles)
    colours = np.where(flat, theme.VERMILLION, theme.BLUE)
    axes.bar(edges[:-1], fractions, np.diff(edges), align="edge", color=list(colours))
    # logarithmic, for the zeros of a relu would leave nothing else to see
    axes.set_yscale("log")
    axes.set_ylim(0.5 * float(fractions[fractions > 0].min(initial=1)), 2)
    log_axis.label(axes.yaxis)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(labelsize=11)
    notes = []
    if outputs.kind:
        notes.append(f"{100 * numbers['saturated']:.3g} % {'are 0' if outputs.kind == 'relu' else 'saturated'}")
    if numbers.get("dead_units"):
        notes.append(f"{numbers['dead_units']} of {numbers['units']} dead")
    axes.set_title(short(layer), loc="left", fontsize=13, pad=20)
    axes.text(0, 1.02, ", ".join(notes), transform=axes.transAxes, fontsize=11, color=theme.GREY, va="bottom")
