"""The metrics of a split, each with its standard error and its baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlphys.numerics import bootstrap, chunked, pca
from mlphys.numerics.chunked import Array
from mlphys.numerics.class_probabilities import probability_metrics, ranking_metrics
from mlphys.numerics.uncertainty import effective_size, fraction_stderr, mean_stderr, weighted_mean

# of each class, where there are several, and of each target
PER_CLASS = ("precision", "recall", "f1", "auc", "average_precision")
PER_TARGET = ("mse", "mae", "r2")


def of_samples(predictions: Mapping[str, np.ndarray], y: np.ndarray) -> np.ndarray:
    """Score of each of n predictions, float64 (n,): 1 if the class is correct, else 0; or the mean squared error."""
    if "probabilities" in predictions:
        return (predictions["probabilities"].argmax(axis=1) == y).astype(np.float64)
    if "squared_errors" in predictions:
        return predictions["squared_errors"].astype(np.float64)
    return ((predictions["outputs"].astype(np.float64) - y) ** 2).reshape(len(y), -1).mean(axis=1)


def stderr(values: np.ndarray, metric: str, weights: np.ndarray | None = None) -> float | None:
    """Standard error of the mean over independent samples; Wilson's for accuracies."""
    if metric == "accuracy" and ((values == 0) | (values == 1)).all():
        if weights is None:
            return fraction_stderr(int(values.sum()), len(values))
        size = effective_size(weights)
        return fraction_stderr(weighted_mean(values, weights) * size, size)
    return mean_stderr(values, weights)


def classification(
    labels: np.ndarray,
    probabilities: np.ndarray,
    losses: np.ndarray,
    classes: tuple[str, ...],
    weights: np.ndarray | None = None,
) -> dict[str, Any]:
    """The metrics of a classifier on n samples.

    labels (n,), probabilities (n, K), losses (n,) with penalties, weights (n,) of the samples. Standard errors: of a
    mean from the per-sample values, of a fraction by `fraction_stderr`, both with the effective sample size.
    """
    guesses, k = probabilities.argmax(axis=1), np.arange(len(classes))
    right = guesses == labels
    accuracy, error = _fraction(right, np.ones(len(labels), bool), weights)
    recalls = [_fraction(right, labels == label, weights) for label in k]
    known = [(value, stderr) for value, stderr in recalls if value is not None and stderr is not None]
    counts = np.bincount(labels, weights, minlength=len(classes))
    ranked, of_classes = ranking_metrics(labels, probabilities, weights)
    per_class = {name: _of_class(label, labels, guesses, weights) for label, name in enumerate(classes)}
    for name, facts in zip(classes if of_classes else (), of_classes, strict=True):
        per_class[name] |= facts
    return {
        "samples": len(labels),
        **({} if weights is None else {"effective_samples": effective_size(weights)}),
        "loss": weighted_mean(losses, weights),
        "loss_stderr": mean_stderr(losses, weights),
        "accuracy": accuracy,
        "accuracy_stderr": error,
        "error_rate": 1 - accuracy if accuracy is not None else None,
        "error_rate_stderr": error,
        "balanced_accuracy": float(np.mean([value for value, _ in known])),
        "balanced_accuracy_stderr": math.hypot(*(stderr for _, stderr in known)) / len(known),
        "majority_accuracy": float(counts.max() / counts.sum()),
        **ranked,
        **probability_metrics(labels, probabilities, weights),
        "per_class": per_class,
    }


def accuracy(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None) -> tuple[float, float | None]:
    """The fraction of the samples whose likeliest class is the true one, by weight, and its standard error."""
    value, stderr = _fraction(probabilities.argmax(axis=1) == labels, np.ones(len(labels), bool), weights)
    return math.nan if value is None else value, stderr


def _fraction(hits: np.ndarray, of: np.ndarray, weights: np.ndarray | None) -> tuple[float | None, float | None]:
    """The fraction of the samples `of` that are hits, by weight, and its standard error; None where there are none."""
    if weights is None:
        total, count = float(of.sum()), float((hits & of).sum())
        return (count / total, fraction_stderr(count, total)) if total else (None, None)
    total = float(weights[of].sum(dtype=np.float64))
    if total <= 0:
        return None, None
    p, size = float(weights[hits & of].sum(dtype=np.float64)) / total, effective_size(weights[of])
    return p, fraction_stderr(p * size, size)


def _of_class(label: int, labels: np.ndarray, guesses: np.ndarray, weights: np.ndarray | None) -> dict[str, Any]:
    """Precision, recall and F1; None where the denominator is zero, or not positive with negative weights."""
    true, guessed = labels == label, guesses == label
    values: dict[str, Any] = {"samples": int(true.sum())}
    for name, of in (("precision", guessed), ("recall", true)):
        values[name], values[f"{name}_stderr"] = _fraction(true & guessed, of, weights)
    # F1 = 2 q / (1 + q) with q = right / union, a fraction of independent samples
    q, error = _fraction(true & guessed, true | guessed, weights)
    values["f1"] = None if q is None else 2 * q / (1 + q)
    values["f1_stderr"] = None if q is None or error is None else error * 2 / (1 + q) ** 2
    return values


def reconstruction(arrays: Mapping[str, np.ndarray], x: Array, train: Array) -> dict[str, Any]:
    """The metrics of reconstructions of samples x (n, ...); baseline: the mean training image.

    `arrays` holds for each sample the means over its values of squared and absolute error, its loss
    and the penalties. `squared_error` is the sum over a sample's values.
    """
    squared = arrays["squared_errors"].astype(np.float64)
    losses = arrays["losses"].astype(np.float64)
    mse, error = float(squared.mean()), mean_stderr(squared)
    measured: dict[str, Any] = {"samples": len(x), "mse": mse, "mse_stderr": error}
    for name, values in (
        ("squared_error", squared * math.prod(x.shape[1:])),
        ("mae", arrays["absolute_errors"].astype(np.float64)),
        ("reconstruction_loss", losses),
        ("loss", losses + arrays["penalties"]),
    ):
        measured |= {name: float(values.mean()), f"{name}_stderr": mean_stderr(values)}
    measured |= peak_signal_to_noise(mse, error)
    measured["mean_image_mse"] = float(chunked.mean_square(x, chunked.mean(train)).mean())
    return measured


def explained_variance(arrays: Mapping[str, np.ndarray], x: Array, train: Array) -> dict[str, Any]:
    """1 - sum |r - x|^2 / sum |x - m|^2 over samples x (n, ...), m the mean training sample; its error by the bootstrap
    over the samples."""
    mean = chunked.mean(train)
    distances = [
        np.square(piece - mean, dtype=np.float64).reshape(len(piece), -1).mean(axis=1) for piece in chunked.pieces(x)
    ]
    values = np.stack([arrays["squared_errors"].astype(np.float64), np.concatenate(distances)], axis=1)

    def explained(means: np.ndarray) -> np.ndarray:
        return 1 - means[:, 0] / means[:, 1]

    return {
        "explained_variance": float(explained(values.mean(axis=0, keepdims=True))[0]),
        "explained_variance_stderr": bootstrap.stderr_of_means(values, explained),
    }


def gap(
    name: str,
    split: np.ndarray,
    train: np.ndarray,
    weights: np.ndarray | None = None,
    train_weights: np.ndarray | None = None,
) -> dict[str, Any]:
    """How much better the accuracy or the error `name` is on training samples than on a split, from the `of_samples`
    of both; positive where a net knows its training samples better."""
    sign = -1 if name == "accuracy" else 1
    errors = [stderr(values, name, of) for values, of in ((split, weights), (train, train_weights))]
    known = [error for error in errors if error is not None]
    return {
        f"{name}_gap": sign * (weighted_mean(split, weights) - weighted_mean(train, train_weights)),
        f"{name}_gap_stderr": math.hypot(*known) if len(known) == len(errors) else None,
    }


def drawn_losses(losses: np.ndarray) -> dict[str, np.ndarray]:
    """Of losses (n, L) at L random draws for each sample: their means (n,), and the variances of these."""
    return {"losses": losses.mean(axis=1), "draw_variances": losses.var(axis=1, ddof=1) / losses.shape[1]}


def of_draws(draws: int, variances: np.ndarray) -> dict[str, Any]:
    """How often a loss was drawn for each sample, and the part of its standard error that comes from these draws."""
    return {"draws": draws, "draw_error": math.sqrt(variances.sum(dtype=np.float64)) / len(variances)}


def peak_signal_to_noise(mse: float, error: float | None) -> dict[str, float | None]:
    """psnr = 10 log10(1 / mse) in decibels, for values between 0 and 1; None where mse is 0."""
    if mse <= 0:
        return {"psnr": None, "psnr_stderr": None}
    return {"psnr": -10 * math.log10(mse), "psnr_stderr": 10 / math.log(10) * error / mse if error else None}


def pixel_errors(squared: np.ndarray, x: Array, train: Array, code_size: int) -> dict[str, Any]:
    """Mean of the squared errors (n,) in the space of the data, and PCA's with the same code size."""
    return {
        "pixel_mse": float(squared.mean(dtype=np.float64)),
        "pixel_mse_stderr": mean_stderr(squared.astype(np.float64)),
        "pixel_pca_mse": pca.error(train, x, code_size),
    }


def outputs(means: np.ndarray, stds: np.ndarray) -> dict[str, Any]:
    """The mean over n samples of their outputs' means (n,) and standard deviations (n,)."""
    measured: dict[str, Any] = {"samples": len(means)}
    for name, values in (("output_mean", means), ("output_std", stds)):
        measured |= {
            name: float(values.mean(dtype=np.float64)),
            f"{name}_stderr": mean_stderr(values.astype(np.float64)),
        }
    return measured


def denoising(
    squared: np.ndarray, corrupted: np.ndarray, clean: np.ndarray, train: Array, code_size: int
) -> dict[str, Any]:
    """Mean of the squared errors (n,) of reconstructions of corrupted samples. Baselines: the corrupted samples
    themselves, and their projections on `code_size` principal components."""
    flat, noisy = clean.reshape(len(clean), -1), corrupted.reshape(len(clean), -1)
    measured: dict[str, Any] = {
        "corrupted_mse": float(squared.mean(dtype=np.float64)),
        "corrupted_mse_stderr": mean_stderr(squared.astype(np.float64)),
        "corruption_mse": float(((noisy - flat) ** 2).mean(dtype=np.float64)),
        "corrupted_pca_mse": None,
    }
    if code_size < min(len(train) - 1, flat.shape[1]):
        components = pca.fit(train, code_size)
        projected = (noisy - components.mean) @ components.vectors.T @ components.vectors + components.mean
        measured["corrupted_pca_mse"] = float(((projected - flat) ** 2).mean())
    return measured


def regression(
    targets: np.ndarray,
    outputs: np.ndarray,
    losses: np.ndarray,
    train: np.ndarray,
    names: tuple[str, ...] = (),
    weights: np.ndarray | None = None,
    train_weights: np.ndarray | None = None,
) -> dict[str, Any]:
    """The metrics of outputs (n, ...) against their targets; baseline: the mean of the training targets.

    losses (n,) with penalties; standard errors from the samples' means over their outputs. `weights` (n,) are those of
    the samples. Several numbers as targets have theirs under `per_target`, by `names`, y_0 and so on where there are
    none.
    """
    n = len(targets)
    flat = targets.reshape(n, -1).astype(np.float64)
    difference = outputs.reshape(n, -1) - flat
    measured: dict[str, Any] = {
        "samples": n,
        **({} if weights is None else {"effective_samples": effective_size(weights)}),
    }
    measured |= _errors(difference, weights)
    measured |= root(measured["mse"], measured["mse_stderr"])
    measured |= {"loss": weighted_mean(losses, weights), "loss_stderr": mean_stderr(losses, weights)}
    measured |= _determination(difference, flat, weights)
    of_train = train.reshape(len(train), -1)
    if train_weights is None:
        mean = of_train.mean(axis=0)
    else:
        mean = np.average(of_train.astype(np.float64), axis=0, weights=train_weights)
    measured["mean_target_mse"] = weighted_mean(((flat - mean) ** 2).mean(axis=1), weights)
    measured["mean_target_rmse"] = root(measured["mean_target_mse"])["rmse"]
    if targets.ndim == 2 and (names or targets.shape[1] > 1):
        columns = [slice(k, k + 1) for k in range(targets.shape[1])]
        measured["per_target"] = {
            name: _errors(difference[:, k], weights) | _determination(difference[:, k], flat[:, k], weights)
            for name, k in zip(names or [f"y_{i}" for i in range(len(columns))], columns, strict=True)
        }
    return measured


def root(mse: float, error: float | None = None) -> dict[str, float | None]:
    """rmse = sqrt(mse) and its standard error mse_stderr / (2 rmse); None where weights make the mse negative."""
    rmse = math.sqrt(mse) if mse >= 0 else None
    return {"rmse": rmse, "rmse_stderr": error / (2 * rmse) if error is not None and rmse else None}


def _errors(difference: np.ndarray, weights: np.ndarray | None) -> dict[str, Any]:
    """Mean squared and mean absolute error of differences (n, m)."""
    measured: dict[str, Any] = {}
    for name, values in (("mse", (difference**2).mean(1)), ("mae", np.abs(difference).mean(1))):
        measured |= {name: weighted_mean(values, weights), f"{name}_stderr": mean_stderr(values, weights)}
    return measured


def _determination(difference: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> dict[str, Any]:
    """R^2 = 1 - sum |difference|^2 / sum |target - mean|^2, mean over the targets (n, m) as in scikit-learn.

    The error is that of a ratio of means, to first order. None where a target does not vary.
    """
    squares = (targets - np.average(targets, axis=0, weights=weights)) ** 2
    variance = np.average(squares, axis=0, weights=weights)
    if not (variance > 0).all():
        return {"r2": None, "r2_stderr": None}
    r2 = 1 - np.average(difference**2, axis=0, weights=weights) / variance
    deviations = ((difference**2 - (1 - r2) * squares) / variance).mean(axis=1)
    return {"r2": float(r2.mean()), "r2_stderr": mean_stderr(deviations, weights)}
