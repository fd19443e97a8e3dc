"""Learning out of saturation: the quadratic cost and cross-entropy (Nielsen 2015, chapter 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, scores
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.layers import Activation, Softmax

WRONG = 0.05  # a sample whose class has a smaller probability is saturated at a wrong answer
SHOWN = 300  # samples in the picture
COSTS = {"quadratic": "Σ (p − y)²", "cross_entropy": "−log p"}


class CostSlope(SampledAnalysis):
    """dC/dz of the quadratic cost and of cross-entropy, at the start and when trained (Nielsen 2015, chapter 3).

    z is by how much the score of a sample's class exceeds those of all others: its probability is p = 1 / (1 + e^-z).

        cross-entropy   C = -log p               dC/dz = p - 1
        quadratic       C = sum_k (p_k - y_k)^2  dC/dz = 2 p (2 p - 1 - sum_k p_k^2)

    Where a sample is surely wrong, p -> 0, the first is -1 and it is learned; the second vanishes like p, so that a
    network that starts in saturation stays there, however wrong it is. Between one wrong class that has all the rest,
    -4 p (1 - p)^2, and K - 1 that share it, -2 p (1 - p)^2 K / (K - 1). Both are measured at all samples with the
    initial and the trained weights, whichever cost the run has; `loss_per: output` makes the quadratic cost, and so
    its slope, K times smaller still.
    """

    def check(self, resolved: ResolvedView) -> None:
        model, classes = resolved.experiment.model, len(resolved.net_input.classes)
        if not (model.ONE_CHAIN_TO_COST and "probabilities" in model.prediction_shapes(resolved.net_input)):
            raise NotApplicable(f"kind: {model.kind} gives no class a score; it takes kind: classifier")
        last = resolved.rows()[-1].layer
        ends = last.activation_name() if not isinstance(last, Softmax) else "softmax"
        if ends != "softmax" or resolved.rows()[-1].output_shape != (classes,):
            raise NotApplicable("its last layer has no softmax over the classes, whose slope this is")
        if isinstance(last, Activation | Softmax) and len(resolved.rows()) < 2:
            raise NotApplicable("it has no layer before its softmax")

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        nets = {"initial": run.trained.with_weights(run.initial), "trained": run.trained}
        z = run.trained.to_points(some.x)
        numbers: dict[str, Any] = {"split": split, "samples": len(z), "classes": len(run.data["classes"])}
        slopes_by_net = {}
        for when, net in nets.items():
            slopes_by_net[when] = slopes(scores(run, net)(z), some.y)
            numbers[when] = _numbers(slopes_by_net[when])
        return AnalysisResult(numbers, _summary(numbers), [_picture(run.name, numbers, slopes_by_net)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_points()


def slopes(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Of scores (n, K) and labels (n,), each (n,): z, p of the label, and dC/dz of both costs."""
    scores = scores.astype(np.float64)
    places = np.arange(len(labels)), labels
    others = scores.copy()
    others[places] = -np.inf
    z = scores[places] - np.logaddexp.reduce(others, axis=1)
    probabilities = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
    p = probabilities[places]
    wrong = np.exp(-np.logaddexp(0, z))  # 1 - p without cancellation
    rest = (probabilities**2).sum(axis=1) - p**2  # of the other classes
    return {"z": z, "p": p, "cross_entropy": -wrong, "quadratic": -2 * p * (wrong**2 + rest)}


def _numbers(per_sample: dict[str, np.ndarray]) -> dict[str, Any]:
    values = {"probability": per_sample["p"], "saturated": (per_sample["p"] < WRONG).astype(float)}
    values |= {cost: np.abs(per_sample[cost]) for cost in COSTS}
    numbers: dict[str, Any] = {}
    for name, column in values.items():
        numbers |= {name: float(column.mean()), f"{name}_stderr": mean_stderr(column)}
    return numbers


def _summary(numbers: dict[str, Any]) -> str:
    parts = []
    for when, text in (("initial", "at the start"), ("trained", "trained")):
        of = {name: rounded(numbers[when][name], numbers[when][f"{name}_stderr"]) for name in ("saturated", *COSTS)}
        parts.append(
            f"{text} {of['saturated']} of the samples have p < {WRONG:g}; mean |dC/dz| {of['quadratic']} of the "
            f"quadratic cost, {of['cross_entropy']} of cross-entropy"
        )
    return f"{'; '.join(parts)}; {numbers['samples']} {numbers['split']} samples"


def _picture(name: str, numbers: dict[str, Any], slopes_by_net: dict[str, dict[str, np.ndarray]]) -> Picture:
    caption = (
        f"each dot one of {numbers['samples']:,} {numbers['split']} samples, at most {SHOWN} drawn; z is by how much "
        "the score of its class exceeds those of all others, p = 1 / (1 + e⁻ᶻ); shaded: between one wrong class that "
        "has all the rest of the probability and wrong ones that share it"
    )
    figure, panels = theme.row(2, 14.5, 5.6, f"{name}: what a step learns from a sample", caption, sharey=True)
    every = np.concatenate([values["z"] for values in slopes_by_net.values()])
    low, high = min(-6.0, float(every.min())), max(6.0, float(every.max()))
    z = np.linspace(low, high, 400)
    p, q, classes = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z)), numbers["classes"]
    for axes, (when, values) in zip(panels, slopes_by_net.items(), strict=True):
        axes.plot(z, -q, color=theme.BLUE, linewidth=1.5, label=f"cross-entropy, {COSTS['cross_entropy']}")
        axes.fill_between(
            z, -4 * p * q**2, -2 * p * q**2 * classes / (classes - 1), color=theme.VERMILLION, alpha=0.3, linewidth=1,
            label=f"quadratic, {COSTS['quadratic']}",
        )  # fmt: skip
        for cost, colour in (("cross_entropy", theme.BLUE), ("quadratic", theme.VERMILLION)):
            axes.plot(values["z"][:SHOWN], values[cost][:SHOWN], ".", color=colour, markersize=5)
        axes.set(xlabel="z", xlim=(low, high))
        mean = {cost: theme.measured(numbers[when][cost], numbers[when][f"{cost}_stderr"]) for cost in COSTS}
        what = "at the start" if when == "initial" else "trained"
        title = f"{what}: mean |dC/dz| {mean['quadratic']} quadratic,\n{mean['cross_entropy']} cross-entropy"
        axes.set_title(title, loc="left", fontsize=12)
    panels[0].set_ylabel("dC/dz")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside right upper")
    columns = ("z", "p", *COSTS)
    table: dict[str, list[Any]] = {"weights": [when for when in slopes_by_net for _ in slopes_by_net[when]["z"]]}
    table |= {key: np.concatenate([values[key] for values in slopes_by_net.values()]).tolist() for key in columns}
    return Picture("cost_slope", figure, table)
