"""The main metric as a function of image shifts or added noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import UserError
from mlphys.numerics.image_transforms import four_ways, shifted
from mlphys.numerics.metrics import of_samples, stderr
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import weighted_mean
from mlphys.runs.measured_files import MOST_AMOUNTS
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema.layers import text
from mlphys.schema.samples import Split

if TYPE_CHECKING:
    from mlphys.runs.trained_network import TrainedNetwork

NOISE_STEPS = 8
MOST_NOISE = 1e6  # far below the overflow of float32


def check(run: Run, shift: int | None, noise: float | None) -> None:
    """Raise UserError for a run without a suitable metric, or without images that can be shifted so far."""
    if shift is None and noise is None:
        return
    if noise is not None and not 0 < noise < MOST_NOISE:
        raise UserError(f"--noise {noise:g}: expected a standard deviation above 0 and below {MOST_NOISE:g}")
    kind, shape, target = run.config.model.kind, run.description.shape, run.description.target_shape
    outputs = run.config.model.prediction_shapes(run.loaded.net_input)
    if not {"probabilities", "outputs"} & outputs.keys():
        raise UserError(
            f"{run.path}: kind: {kind} has no labels or targets; --shift and --noise need a classifier or regressor"
        )
    if shift is None:
        return
    if len(shape) != 3:
        raise UserError(f"{run.path}: its samples of {text(shape)} are no images that --shift could move")
    if len(target) == 3:
        raise UserError(f"{run.path}: its targets are images, which would have to move too; leave --shift out")
    most = min(*shape[:2], MOST_AMOUNTS) - 1
    if shift > most:
        raise UserError(f"{run.path}: --shift {shift}: its images of {text(shape)} can be moved by {most} at most")


def measure(
    run: Run, split: str, shift: int | None, noise: float | None, path: str | None = None
) -> dict[str, dict[str, Any]]:
    """The requested curves by name, also saved as analysis/<name>.json. Call `check` first."""
    samples, network, curves = getattr(run.dataset(path), split), run.trained, {}
    metric = run.config.model.MEASURED[0]
    if shift is not None:
        amounts = list(range(shift + 1))
        curves["shift"] = _curve(split, metric, "shift", amounts, shifts(network, samples, amounts), samples.weights)
    if noise is not None:
        levels = [noise * step / NOISE_STEPS for step in range(NOISE_STEPS + 1)]
        values = noises(network, samples, levels, run.config.seed)
        curves["noise"] = _curve(split, metric, "noise", levels, values, samples.weights)
    for name, curve in curves.items():
        RunWriter(run.path).analysis(name, curve)
    return curves


def shifts(network: TrainedNetwork, split: Split, amounts: Sequence[int]) -> list[np.ndarray]:
    """The metric of each image, float64 (n,), the mean over shifts to the left, right, up and down."""
    moves = [four_ways(amount) for amount in amounts]
    scores: list[list[np.ndarray]] = [[] for _ in amounts]
    for piece in split.pieces():
        for of_amount, some in zip(scores, moves, strict=True):
            of_amount.append(
                np.mean([of_samples(network.predictions(shifted(piece.x, *move)), piece.y) for move in some], axis=0)
            )
    return [np.concatenate(values) for values in scores]


def noises(network: TrainedNetwork, split: Split, levels: Sequence[float], seed: int) -> list[np.ndarray]:
    """The metric of each sample, float64 (n,), with N(0, level^2) added to each of its values."""
    generators = [rng(seed, "evaluation noise", step) for step in range(len(levels))]
    scores: list[list[np.ndarray]] = [[] for _ in levels]
    for piece in split.pieces():
        for of_level, level, generator in zip(scores, levels, generators, strict=True):
            drawn = generator.standard_normal(piece.x.shape, dtype=np.float32)
            of_level.append(of_samples(network.predictions(piece.x + np.float32(level) * drawn), piece.y))
    return [np.concatenate(values) for values in scores]


def _curve(
    split: str,
    metric: str,
    name: str,
    amounts: Sequence[float],
    values: list[np.ndarray],
    weights: np.ndarray | None,
) -> dict[str, Any]:
    return {
        "split": split,
        "metric": metric,
        name: list(amounts),
        metric: [weighted_mean(some, weights) for some in values],
        f"{metric}_stderr": [stderr(some, metric, weights) for some in values],
    }
