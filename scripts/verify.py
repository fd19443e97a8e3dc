"""Recompute the metrics of runs with NumPy and SciPy alone, from the plain files of their directories.

python -m scripts.verify FOLDER     # of the runs that scripts.verified_runs trains; exit code 1 if a number differs
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

TOLERANCE = 1e-5  # relative
Quantity = tuple[str, float, Any]  # name, as recomputed, as the run has it


class Run:
    """The files of a run, in float64, and the samples that it names."""

    def __init__(self, path: Path):
        self.path = path
        self.config = yaml.safe_load((path / "config.yaml").read_text())
        self.metrics = json.loads((path / "metrics.json").read_text())
        self.weights = {name: w.astype(np.float64) for name, w in load_file(path / "weights.safetensors").items()}
        with (path / "history.csv").open(newline="") as file:
            self.history = list(csv.DictReader(file))
        with np.load(self.config["data"]["path"]) as arrays:
            self.data = {name: values.astype(np.float64) for name, values in arrays.items()}

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        with np.load(self.path / "predictions_test.npz") as arrays:
            return {name: values.astype(np.float64) for name, values in arrays.items()}

    def x(self, split: str) -> np.ndarray:
        """Samples in rows."""
        return self.data[f"x_{split}"].reshape(len(self.data[f"x_{split}"]), -1)

    def labels(self, split: str) -> np.ndarray:
        return self.data[f"y_{split}"].astype(int)

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        """x W + b of the layer `name`."""
        return x @ self.weights[f"{name}.Dense.kernel"] + self.weights[f"{name}.Dense.bias"]

    def test(self, name: str, value: float) -> Quantity:
        return f"{self.path.name}: {name}", value, self.metrics["test"][name]

    def mean(self, name: str, values: np.ndarray) -> Iterator[Quantity]:
        """A mean over the samples, and its standard error."""
        yield self.test(name, values.mean())
        yield self.test(f"{name}_stderr", values.std(ddof=1) / np.sqrt(len(values)))


def wilson(p: float, n: int) -> float:
    return np.sqrt(p * (1 - p) / n + 1 / (4 * n * n)) / (1 + 1 / n)


def of_class(logs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -logs[np.arange(len(labels)), labels]


def treves_rolls(h: np.ndarray, axis: int) -> np.ndarray:
    """Treves & Rolls 1991, Vinje & Gallant 2000; where nothing is active 1."""
    squares = (h**2).mean(axis=axis)
    ratio = np.divide(h.mean(axis=axis) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)
    return np.minimum((1 - ratio) / (1 - 1 / h.shape[axis]), 1)


def pca_error(run: Run, components: int) -> float:
    train, x = run.x("train"), run.x("test")
    vectors = np.linalg.svd(train - train.mean(axis=0), full_matrices=False)[2][:components]
    centred = x - train.mean(axis=0)
    return float(((centred - centred @ vectors.T @ vectors) ** 2).mean())


def dense(run: Run) -> Iterator[Quantity]:
    def logs(split: str) -> np.ndarray:
        return log_softmax(run.dense("layers.2", np.maximum(run.dense("layers.1", run.x(split)), 0)), axis=1)

    labels, n = run.labels("test"), len(run.x("test"))
    right = logs("test").argmax(axis=1) == labels
    yield from run.mean(
        "loss", of_class(logs("test"), labels) + 0.01 * (run.weights["layers.1.Dense.kernel"] ** 2).sum()
    )
    yield run.test("accuracy", right.mean())
    yield run.test("accuracy_stderr", wilson(right.mean(), n))
    yield run.test("balanced_accuracy", float(np.mean([right[labels == k].mean() for k in range(10)])))
    seen = logs("train").argmax(axis=1) == run.labels("train")
    yield run.test("accuracy_gap", seen.mean() - right.mean())
    yield run.test("accuracy_gap_stderr", np.hypot(wilson(seen.mean(), len(seen)), wilson(right.mean(), n)))
    steps = len(run.history) * len(seen) // 50
    yield "dense: learning rate of the last step", 0.02 * 0.9 ** ((steps - 1) / 10), run.history[-1]["learning_rate"]
    kept = run.metrics["validation"]["loss"]
    yield "dense: validation loss of the last epoch", float(run.history[-1]["validation_loss"]), kept


def convolutional(run: Run) -> Iterator[Quantity]:
    windows = np.lib.stride_tricks.sliding_window_view(run.data["x_test"][..., 0], (3, 3), axis=(1, 2))
    maps = np.einsum("nijkl,klf->nijf", windows, run.weights["layers.0.Conv2D.kernel"][:, :, 0])
    maps = np.maximum(maps + run.weights["layers.0.Conv2D.bias"], 0)
    logs = log_softmax(run.dense("layers.2", maps.reshape(len(maps), -1)), axis=1)
    yield from run.mean("loss", of_class(logs, run.labels("test")))


def regression(run: Run) -> Iterator[Quantity]:
    y = run.data["y_test"]
    difference = run.dense("layers.2", np.tanh(run.dense("layers.1", run.x("test")))) - y
    yield from run.mean("mse", (difference**2).mean(axis=1))
    yield from run.mean("mae", np.abs(difference).mean(axis=1))
    yield run.test("mean_target_mse", ((y - run.data["y_train"].mean(axis=0)) ** 2).mean())


def sparse(run: Run) -> Iterator[Quantity]:
    x = run.x("test")
    code = np.maximum(run.dense("encoder.0", x), 0)
    squared = ((run.dense("decoder.0", code) - x) ** 2).mean(axis=1)
    yield from run.mean("loss", squared + 0.01 * code.sum(axis=1))
    yield from run.mean("mse", squared)
    yield run.test("psnr", -10 * np.log10(squared.mean()))
    yield run.test("mean_image_mse", ((x - run.x("train").mean(axis=0)) ** 2).mean())
    yield run.test("pca_mse", pca_error(run, 12))
    yield from run.mean("active_fraction", (code > 0.01).mean(axis=1))
    yield from run.mean("population_sparsity", treves_rolls(code, 1))
    yield run.test("lifetime_sparsity", treves_rolls(code, 0).mean())


def contractive(run: Run) -> Iterator[Quantity]:
    x, kernel = run.x("test"), run.weights["encoder.0.Dense.kernel"]
    code = expit(run.dense("encoder.0", x))
    norms = (code * (1 - code)) ** 2 @ (kernel**2).sum(axis=0)
    yield from run.mean("jacobian_norm", np.sqrt(norms))
    yield from run.mean("loss", ((run.dense("decoder.0", code) - x) ** 2).mean(axis=1) + 0.1 * norms)
    yield from run.mean("saturated_fraction", ((code < 0.05) | (code > 0.95)).mean(axis=1))


def deep_contractive(run: Run) -> Iterator[Quantity]:
    first, second = (run.weights[f"encoder.{i}.Dense.kernel"] for i in range(2))
    hidden = np.tanh(run.dense("encoder.0", run.x("test")))
    code = expit(run.dense("encoder.1", hidden))
    jacobians = first @ ((1 - hidden**2)[:, :, None] * second * (code * (1 - code))[:, None, :])
    yield from run.mean("jacobian_norm", np.sqrt((jacobians**2).sum(axis=(1, 2))))


def variational(run: Run) -> Iterator[Quantity]:
    x = run.x("test")
    means, logs = np.split(run.dense("encoder.1", np.maximum(run.dense("encoder.0", x), 0)), 2, axis=1)
    p = expit(run.dense("decoder.1", np.maximum(run.dense("decoder.0", means), 0)))
    divergence = 0.5 * (means**2 + np.exp(logs) - 1 - logs).sum(axis=1)
    yield from run.mean("mean_code_loss", -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1) + 0.5 * divergence)
    yield from run.mean("loss", run.predictions["losses"])
    part = run.metrics["test"]["loss"] - run.metrics["test"]["reconstruction_loss"]
    yield "variational: divergence in the loss", 0.5 * divergence.mean(), part


def stacked(run: Run) -> Iterator[Quantity]:
    code = expit(run.dense("stages.1.encoder.0", expit(run.dense("stages.0.encoder.0", run.x("test")))))
    logs = log_softmax(run.dense("head.0", code), axis=1)
    yield from run.mean("loss", of_class(logs, run.labels("test")))


def pca(run: Run) -> Iterator[Quantity]:
    x, mean = run.x("test"), run.x("train").mean(axis=0)
    error = pca_error(run, 6)
    yield run.test("mse", error)
    yield run.test("explained_variance", 1 - error / ((x - mean) ** 2).mean())


def kmeans(run: Run) -> Iterator[Quantity]:
    squared = ((run.x("test")[:, None] - run.weights["centroids"]) ** 2).sum(axis=2).min(axis=1)
    yield run.test("inertia", squared.sum())
    yield from run.mean("mse", squared / 64)


def rbm(run: Run) -> Iterator[Quantity]:
    w, b, c = (run.weights[f"rbm.{name}"] for name in ("kernel", "visible_bias", "hidden_bias"))

    def free_energy(v: np.ndarray) -> np.ndarray:
        return -v @ b - np.logaddexp(0, v @ w + c).sum(axis=1)

    x = run.x("test")
    v = np.round(x)
    flips = [np.where(np.arange(64) == i, 1 - v, v) for i in range(64)]
    logs = -np.sum([np.logaddexp(0, free_energy(v) - free_energy(flipped)) for flipped in flips], axis=0)
    yield from run.mean("pseudo_log_likelihood", logs)
    yield from run.mean("free_energy", free_energy(x))
    yield from run.mean("mse", ((expit(b + expit(c + x @ w) @ w.T) - x) ** 2).mean(axis=1))


def energies(run: Run) -> Iterator[Quantity]:
    def of_split(split: str) -> np.ndarray:
        found, x = [], run.x(split)
        for k in range(10):
            hidden = np.logaddexp(0, run.dense(f"class_{k}.encoder.0", x)).sum(axis=1)
            found.append(hidden - ((x - run.weights[f"class_{k}.decoder.0.Dense.bias"]) ** 2).sum(axis=1) / 2)
        return np.stack(found, axis=1)

    test, validation, labels = of_split("test"), of_split("val"), run.labels("test")
    scales, biases = run.weights["calibration.scales"], run.weights["calibration.biases"]
    logs = log_softmax(test * scales + biases, axis=1)
    yield from run.mean("loss", of_class(logs, labels))
    yield from run.mean("uncalibrated_nll", of_class(log_softmax(test, axis=1), labels))
    yield run.test("uncalibrated_accuracy", (test.argmax(axis=1) == labels).mean())
    confidence, right = softmax(test * scales + biases, axis=1).max(axis=1), logs.argmax(axis=1) == labels
    bins = np.minimum((confidence * 15).astype(int), 14)
    yield run.test("ece", float(sum(abs((right - confidence)[bins == k].sum()) for k in range(15)) / len(labels)))
    ridge, wanted = float(run.history[-1]["calibration.ridge"]), np.eye(10)[run.labels("val")]
    middle, width = validation.mean(axis=0), validation.std(axis=0)

    def cost(place: np.ndarray) -> tuple[float, np.ndarray]:
        z = (validation - middle) / width
        logs = log_softmax(place[:10] * z + place[10:], axis=1)
        off = (np.exp(logs) - wanted) / len(z)
        slope = np.concatenate([(off * z).sum(axis=0), off.sum(axis=0)]) + ridge * place
        return float(-(logs * wanted).sum() / len(z) + ridge / 2 * place @ place), slope

    best = minimize(cost, np.repeat([1.0, 0.0], 10), jac=True, tol=1e-14, options={"maxiter": 10_000})
    kept = np.concatenate([scales * width, biases + scales * middle])
    yield f"energies: calibration's cost with ridge {ridge:g}", best.fun, cost(kept)[0]


CHECKS: dict[str, Callable[[Run], Iterator[Quantity]]] = {
    check.__name__: check
    for check in (
        dense, convolutional, regression, sparse, contractive, deep_contractive,
        variational, stacked, pca, kmeans, rbm, energies,
    )
}  # fmt: skip


def main() -> None:
    """Print each quantity with both values; exit code 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder, different, count = parser.parse_args().folder, 0, 0
    for name, check in CHECKS.items():
        for quantity, ours, theirs in check(Run(folder / name)):
            equal = np.isclose(float(ours), float(theirs), rtol=TOLERANCE, atol=0)
            different, count = different + (not equal), count + 1
            print(f"{quantity:50} {float(ours):<16.9g} {float(theirs):<16.9g} {'' if equal else 'DIFFERENT'}")
    print(f"{count} quantities of {len(CHECKS)} runs, {different} differ by more than {TOLERANCE:g}")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
