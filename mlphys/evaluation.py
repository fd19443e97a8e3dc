"""The numbers of a run, each with its standard error and its baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from mlphys import checksum, splits
from mlphys.config import Loaded
from mlphys.errors import UserError
from mlphys.phases import Network
from mlphys.run import MOST_SHOWN, Run
from mlphys.schema.data import Dataset, Split


def classification(
    labels: np.ndarray, probabilities: np.ndarray, losses: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    """The metrics of a classifier on n samples.

    labels (n,), probabilities (n, K), losses (n,) with penalties. Standard errors: of a mean
    from the per-sample values, of a fraction by `fraction_stderr`.
    """
    n, guesses = len(labels), probabilities.argmax(axis=1)
    counts = np.bincount(labels, minlength=len(classes))
    right = np.bincount(labels[guesses == labels], minlength=len(classes))
    guessed = np.bincount(guesses, minlength=len(classes))
    accuracy = right.sum() / n
    present = counts > 0
    recalls = right[present] / counts[present]
    errors = [fraction_stderr(k, m) for k, m in zip(right[present], counts[present], strict=True)]
    return {
        "samples": n,
        "loss": float(losses.mean()),
        "loss_stderr": mean_stderr(losses),
        "accuracy": float(accuracy),
        "accuracy_stderr": fraction_stderr(right.sum(), n),
        "error_rate": float(1 - accuracy),
        "error_rate_stderr": fraction_stderr(right.sum(), n),
        "balanced_accuracy": float(recalls.mean()),
        "balanced_accuracy_stderr": math.hypot(*errors) / len(errors),
        "majority_accuracy": float(counts.max() / n),
        "per_class": {
            name: _of_class(int(counts[k]), int(guessed[k]), int(right[k])) for k, name in enumerate(classes)
        },
    }


def _of_class(count: int, guessed: int, right: int) -> dict[str, Any]:
    """Precision, recall and F1; None where nothing was guessed or there was nothing to find."""
    union = count + guessed - right
    values: dict[str, Any] = {"samples": count}
    for name, of in (("precision", guessed), ("recall", count)):
        values[name] = right / of if of else None
        values[f"{name}_stderr"] = fraction_stderr(right, of) if of else None
    # F1 = 2 q / (1 + q) with q = right / union, a fraction of independent samples
    q = right / union if union else 0.0
    values["f1"] = 2 * q / (1 + q) if union else None
    values["f1_stderr"] = fraction_stderr(right, union) * 2 / (1 + q) ** 2 if union else None
    return values


def fraction_stderr(hits: int, n: int) -> float:
    """Standard error of the fraction hits/n: half of Wilson's interval at one sigma (Wilson 1927).

    sqrt(p (1 - p) / n + 1 / (4 n^2)) / (1 + 1 / n); it does not vanish where p is 0 or 1.
    """
    p = hits / n
    return math.sqrt(p * (1 - p) / n + 1 / (4 * n * n)) / (1 + 1 / n)


def mean_stderr(values: np.ndarray) -> float:
    """Standard error of the mean of independent values."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


def measure(loaded: Loaded, network: Network, split: Split) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metrics of a network on a split, and the arrays of predictions_<split>.npz."""
    from keras import ops

    from mlphys.training import engine

    kind, description = loaded.experiment.kind(), loaded.description
    terms = kind.terms(loaded.experiment.training, description, network)

    def values(x: Any, y: Any) -> dict[str, Any]:
        recorded, penalty = terms(x, y, False)
        said = kind.predictions(network, x)
        return {**said, "losses": recorded["loss"], "penalty": penalty + ops.zeros_like(recorded["loss"])}

    arrays = engine.per_sample(values, split)
    losses = arrays["losses"].astype(np.float64) + arrays["penalty"]
    metrics = classification(split.y, arrays["probabilities"], losses, description.classes)
    shown = surest_mistakes(split.y, arrays["probabilities"])
    return metrics, {
        "labels": split.y.astype(np.int32),
        "probabilities": arrays["probabilities"],
        "losses": arrays["losses"],
        "shown": shown,
        "images": split.x[shown],
    }


def surest_mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int = MOST_SHOWN) -> np.ndarray:
    """Indices of wrongly classified samples, those with the most probable wrong class first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return wrong[order[:most]].astype(np.int32)


def data_of(run: Run, path: str | None = None) -> Dataset:
    """The data that the run was trained on, its checksums compared with data.json.

    `path` names where the data is now. Raises UserError when it is not the same data.
    """
    loaded = run.loaded
    data = loaded.experiment.data
    if path is not None:
        if "path" not in type(data).model_fields:
            raise UserError(f"--data: {data.name} is found by its name; set MLPHYS_DATA to the folder it is in")
        data = data.model_copy(update={"path": path})
        loaded = replace(loaded, experiment=loaded.experiment.model_copy(update={"data": data}))
    for file, facts in zip(loaded.experiment.dataset().files(data), run.data["files"], strict=True):
        checksum.verify(file, facts)
    dataset = loaded.dataset()
    found = splits.summary(dataset, data, run.description)["splits"]
    for name, facts in run.data["splits"].items():
        if facts["sha256"] != found[name]["sha256"]:
            raise UserError(
                f"{run.path}: the {name} samples of {data.name} are not those it was trained with "
                f"(sha256 differs); name the right file with --data PATH"
            )
    return dataset


def evaluate(run: Run, split: str, path: str | None = None) -> dict[str, Any]:
    """Measure a finished run on one split and keep metrics and predictions in the run."""
    from mlphys.recorder import Recorder
    from mlphys.training import engine

    loaded, weights = run.loaded, run.weights
    samples: Split = getattr(data_of(run, path), split)
    if not len(samples):
        raise UserError(f"{run.path}: its {split} split has no samples; evaluate another with --split")
    network = loaded.experiment.kind().build(loaded.experiment.model, loaded.description, loaded.experiment.seed)
    engine.load_weights(network, weights)
    metrics, predictions = measure(loaded, network, samples)
    recorder = Recorder(run.path)
    recorder.predictions(split, predictions)
    recorder.metrics({**run.metrics, split: metrics})
    return metrics


def against_expectation(run: Run) -> list[tuple[str, float, tuple[float, float], bool]]:
    """Each expected metric: its name, its value, the range, and whether it is inside."""
    results = []
    for key, (low, high) in run.config.expect.items():
        split, _, name = key.partition(".")
        if split not in run.metrics:
            raise UserError(
                f"{run.path}: nothing is measured on {split} yet; `mlphys evaluate {run.path} --split {split}` does"
            )
        numbers = {name: value for name, value in run.metrics[split].items() if isinstance(value, int | float)}
        if name not in numbers:
            raise UserError(f"{run.path}: expect: {key}: no such metric; {split} has {', '.join(numbers)}")
        value = numbers[name]
        results.append((key, value, (low, high), low <= value <= high))
    return results
