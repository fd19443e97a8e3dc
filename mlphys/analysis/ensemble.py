"""Ensembles of nets that differ in their seed (Lakshminarayanan, Pritzel & Blundell 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from mlphys.errors import NotApplicable, UserError
from mlphys.figures import theme
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import ensemble, reliability
from mlphys.numerics.uncertainty import mean_stderr, rounded, weighted_mean

Weights = np.ndarray | None  # (samples,)


class Ensemble(Analysis):
    """The mean prediction of all nets of this run's folder, and whether their spread is its error.

    The error of the mean prediction of k nets beside the mean error of one: -log p of the right class, and the
    accuracy, of probabilities; the mean squared error of numbers. -log p and squared error of the mean are never larger
    (Jensen); the standard error of the difference is that of the paired differences of the samples, common to all nets.
    Does its error bar cover? Of numbers: how often the target lies within m +- t s sqrt(1 + 1/k), m and s the mean and
    the standard deviation of the nets' outputs, t Student's quantile of a level. Spread is what differs between the
    nets; what they have in common, noise of the targets and a bias, is not in it. Of probabilities: the expected
    calibration error of the mean, beside that of one net. Samples count by their weights, where they have some.
    """

    OF_ALL_RUNS: ClassVar[bool] = True

    split: Literal["train", "validation", "test"] | None = None
    """The split whose predictions are used; null is test once this run was evaluated, otherwise validation."""

    def check(self, resolved: ResolvedView) -> None:
        shapes = resolved.experiment.model.prediction_shapes(resolved.net_input)
        if "probabilities" not in shapes and not resolved.experiment.model.PREDICTS_TARGETS:
            raise NotApplicable(f"kind: {resolved.experiment.model.kind} predicts neither classes nor numbers")

    def measure(self, run: RunView) -> AnalysisResult:
        split = self.split or ("test" if "test" in run.metrics else "validation")
        own = run.predictions(split)
        if own is None:
            raise NotApplicable(f"its {split} split was not evaluated; `mlphys evaluate {run.path} --split {split}`")
        name = "probabilities" if "probabilities" in own else "outputs"
        nets = [
            predictions
            for member in run.study()
            if (predictions := _predicted(member, split, name, own["labels"])) is not None
        ]
        if len(nets) < 2:
            raise NotApplicable(
                f"of the runs in {run.path.resolve().parent} {len(nets)} has predictions of these {split} samples; "
                "an ensemble takes two or more, such as of --seeds 5"
            )
        stacked = np.stack(nets).reshape(len(nets), len(own["labels"]), -1)
        labels = own["labels"] if name == "probabilities" else own["labels"].reshape(len(own["labels"]), -1)
        weights = own.get("weights")
        if weights is not None and weights.min() < 0:
            raise NotApplicable("some samples have negative weights: shares of them could be anything")
        numbers = {"split": split, "nets": len(nets), "samples": len(labels)}
        if name == "probabilities" and stacked.shape[-1] > 1:
            return _of_classes(run.config.name, numbers, stacked, labels, weights)
        if name == "probabilities":
            raise NotApplicable("one unit for two classes gives no probability of each; end with two units and softmax")
        return _of_numbers(run.config.name, numbers, stacked, labels, weights)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_points()


def _predicted(run: RunView, split: str, name: str, labels: np.ndarray) -> np.ndarray | None:
    """The predictions of a run; None if it has none of the same samples, or is damaged."""
    try:
        predictions = run.predictions(split) if run.status["state"] == "done" else None
    except UserError:
        return None
    if predictions is None or name not in predictions or not np.array_equal(predictions["labels"], labels):
        return None
    return predictions[name]


def _of_classes(
    name: str, numbers: Mapping[str, Any], stacked: np.ndarray, labels: np.ndarray, weights: Weights
) -> AnalysisResult:
    """`stacked` (nets, n, classes) are probabilities."""
    mean = stacked.mean(axis=0, dtype=np.float64)
    each, together = ensemble.negative_log(stacked, labels), ensemble.negative_log(mean, labels)
    hits, hit = stacked.argmax(axis=2) == labels, mean.argmax(axis=1) == labels
    counted = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
    calibration = [
        reliability.calibration_error(one.max(axis=1), right, counted) for one, right in zip(stacked, hits, strict=True)
    ]
    results = {
        **numbers, "metric": "nll",
        **_compared("nll", each, together, weights), **_compared("accuracy", hits, hit, weights),
        "ece": {
            "one": float(np.mean(calibration)),
            "together": reliability.calibration_error(mean.max(axis=1), hit, counted),
        },
        "by_nets": _by_nets(stacked, lambda p: ensemble.negative_log(p, labels), weights),
    }  # fmt: skip
    gain = results["accuracy"]
    summary = (
        f"mean of {len(stacked)} nets: {_sentence('nll', results)}; accuracy {gain['together']:.4f} instead of "
        f"{gain['one']:.4f}, by {rounded(gain['gain'], gain['stderr'])}; ece {results['ece']['together']:.4f} instead "
        f"of {results['ece']['one']:.4f}; {len(labels)} {numbers['split']} samples"
    )
    return AnalysisResult(results, summary, [_by_number(name, results)])


def _of_numbers(
    name: str, numbers: Mapping[str, Any], stacked: np.ndarray, targets: np.ndarray, weights: Weights
) -> AnalysisResult:
    """`stacked` (nets, n, values) are outputs."""
    mean = stacked.mean(axis=0, dtype=np.float64)
    each, together = ensemble.squared_errors(stacked, targets), ensemble.squared_errors(mean, targets)
    results = {
        **numbers, "metric": "mse", **_compared("mse", each, together, weights),
        "coverage": ensemble.coverage(stacked, targets, weights),
        "by_nets": _by_nets(stacked, lambda outputs: ensemble.squared_errors(outputs, targets), weights),
    }  # fmt: skip
    covered = ", ".join(f"{100 * row['covered']:.1f} % for {100 * row['level']:g} %" for row in results["coverage"])
    summary = (
        f"mean of {len(stacked)} nets: {_sentence('mse', results)}; its error bars cover {covered}; "
        f"{len(targets)} {numbers['split']} samples"
    )
    return AnalysisResult(results, summary, [_by_number(name, results), _coverage(name, results)])


def _compared(metric: str, each: np.ndarray, together: np.ndarray, weights: Weights) -> dict[str, dict[str, Any]]:
    """The mean of one net's scores (nets, n), that of the mean prediction (n,), and how much better it is."""
    sign = 1 if metric == "accuracy" else -1
    gains = sign * (together.astype(np.float64) - each.mean(axis=0))
    one, all_ = weighted_mean(each.mean(axis=0), weights), weighted_mean(together, weights)
    gain, stderr = weighted_mean(gains, weights), mean_stderr(gains, weights)
    return {metric: {"one": one, "together": all_, "gain": gain, "stderr": stderr}}


def _sentence(metric: str, results: Mapping[str, Any]) -> str:
    facts = results[metric]
    gain = rounded(facts["gain"], facts["stderr"])
    return f"{metric} {facts['together']:.4g} instead of {facts['one']:.4g} of one, lower by {gain}"


def _by_nets(stacked: np.ndarray, score: Callable[[np.ndarray], np.ndarray], weights: Weights) -> list[dict[str, Any]]:
    """The score of the mean prediction of the first k nets, for each k."""
    scores = [score(stacked[:k].mean(axis=0, dtype=np.float64)) for k in range(1, len(stacked) + 1)]
    return [
        {"nets": k, "score": weighted_mean(of, weights), "stderr": mean_stderr(of, weights)}
        for k, of in enumerate(scores, start=1)
    ]


def _by_number(name: str, results: Mapping[str, Any]) -> Picture:
    """The score of the mean prediction against the number of nets."""
    caption = (
        f"{results['samples']:,} {results['split']} samples; bars are standard errors over them, common to all points"
    )
    figure = theme.figure(8, 5.4, f"{name}: ensemble", caption)
    axes = figure.subplots()
    table = {key: [row[key] for row in results["by_nets"]] for key in ("nets", "score", "stderr")}
    one = results[results["metric"]]["one"]
    axes.errorbar(table["nets"], table["score"], _bars(table["stderr"]), color=theme.BLUE, marker="o", capsize=4)
    axes.axhline(one, color=theme.GREY, linestyle=":", linewidth=2, label="mean of single nets")
    axes.set(xlabel="nets whose predictions are averaged", ylabel=results["metric"])
    axes.legend(loc="upper right")
    return Picture("ensemble", figure, table)


def _coverage(name: str, results: Mapping[str, Any]) -> Picture:
    """The share of the targets within the error bar against its level."""
    caption = f"{results['nets']} nets, {results['samples']:,} {results['split']} samples; bars are standard errors"
    figure = theme.figure(6.5, 5.8, f"{name}: coverage", caption)
    axes = figure.subplots()
    table = {key: [row[key] for row in results["coverage"]] for key in ("level", "covered", "stderr")}
    axes.plot([0, 1], [0, 1], color=theme.PALE, linewidth=1)
    axes.errorbar(
        table["level"], table["covered"], _bars(table["stderr"]), color=theme.VERMILLION, marker="o", capsize=4
    )
    axes.set(xlabel="level of the error bar", ylabel="share of targets within", xlim=(0, 1), ylim=(0, 1.02))
    return Picture("ensemble_coverage", figure, table)


def _bars(stderrs: Sequence[float | None]) -> list[float]:
    """Of a single sample, whose error is unknown, bars of no length."""
    return [stderr or 0.0 for stderr in stderrs]
