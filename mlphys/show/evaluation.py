"""The metrics of a run, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlphys.numerics.class_probabilities import UNDEFINED
from mlphys.numerics.uncertainty import rounded
from mlphys.numerics.verdicts import not_learned
from mlphys.show.table import table

BASELINES = {
    "majority_accuracy": "always the most frequent class",
    "uncalibrated_accuracy": "the class of the largest energy as it is",
    "mean_target_mse": "always the mean of the training targets",
    "mean_target_rmse": "always the mean of the training targets",
    "central_pixel_rmse": "the mean target of the training images with a similar central pixel",
    "copy_input_mse": "the input itself as output",
    "corruption_mse": "the corrupted samples as they are",
    "corrupted_pca_mse": "the corrupted samples' principal components, as many as the code has numbers",
    "mean_image_mse": "always the mean of the training samples",
    "pixel_pca_mse": "principal components of the data as it is, as many as the code has numbers",
    "pca_mse": "principal components, as many as the code has numbers",
}


WITHOUT_PCA = "so many principal components give every training sample back: nothing to compare with"


def evaluated(run: Any, split: str, metrics: Mapping[str, Any], remarks: Sequence[str] = ()) -> str:
    """The metrics of a split with their errors, and of each class; further `remarks` become warnings."""
    lines = [f"{run.name}: {split}, {metrics['samples']} samples"]
    for name in [name for name in run.config.model.MEASURED if name in metrics]:
        value = metrics[name]
        baseline = WITHOUT_PCA if value is None and name.endswith("pca_mse") else BASELINES.get(name)
        meaning = f" ({baseline})" if baseline else ""
        number = str(value) if isinstance(value, int) else _with_error(metrics, name)
        lines.append(f"  {name:22} {number}{meaning}")
    if "per_class" in metrics:
        names = ("precision", "recall", "f1")
        rows = [
            [name, facts["samples"], *(_with_error(facts, key) for key in names)]
            for name, facts in metrics["per_class"].items()
        ]
        lines += ["", table(["class", "samples", *names], rows)]
    if "per_target" in metrics:
        names = ("mse", "mae", "r2")
        rows = [[name, *(_with_error(facts, key) for key in names)] for name, facts in metrics["per_target"].items()]
        lines += ["", table(["target", *names], rows)]
    lines += [f"warning: {remark}" for remark in [*remarks_on(run, metrics), *remarks]]
    return "\n".join([*lines, ""])


def remarks_on(run: Any, metrics: Mapping[str, Any]) -> list[str]:
    """Warnings on the metrics of a split: no better than a constant, and what has no value."""
    remarks = not_learned(metrics)
    mse, constant = metrics.get("mse"), metrics.get("mean_target_mse")
    if mse is not None and constant is not None and mse > constant:
        hint = "train longer, or with another learning_rate"
        if run.config.data.target_scaling is None:
            hint = "if the targets are far from 0 or their spread from 1, write data.target_scaling: standardize"
        remarks.append(f"worse than always the mean of the training targets, whose mse is {constant:.4g}; {hint}")
    determinations = {name: facts["r2"] for name, facts in metrics.get("per_target", {}).items()}
    worse = [name for name, r2 in determinations.items() if r2 is not None and r2 < 0]
    if worse and not remarks:
        remarks.append(f"{', '.join(worse)}: r2 below 0, worse than the mean of these targets")
    if "auc" in metrics and metrics.get("average_precision") is None:
        remarks.append(UNDEFINED)
    return remarks


def evaluated_other(run: Any, other: Any, metrics: Mapping[str, Any]) -> str:
    """The metrics on another labelled set, and where they are kept."""
    note = f"not the run's own data; numbers in {run.path / 'analysis' / other.name}.json"
    return "\n".join([*other.notes, evaluated(run, str(other.path), metrics).rstrip("\n"), note])


def changed(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """The metric against the shift of the images, or against added noise."""
    tables = []
    for name, curve in curves.items():
        metric = curve["metric"]
        rows = zip(curve[name], curve[metric], curve[f"{metric}_stderr"], strict=True)
        tables.append(table([name, metric], [[f"{by:g}", rounded(value, error)] for by, value, error in rows]))
    return "\n\n".join(tables) + "\n"


def _with_error(facts: Mapping[str, Any], name: str) -> str:
    return "none" if facts[name] is None else rounded(facts[name], facts.get(f"{name}_stderr"))
