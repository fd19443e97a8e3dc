"""Quantities of `training.track` that are recorded during training."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.networks import keras_internals
from mlphys.networks.phases import Gradient
from mlphys.numerics.activations import ACTIVATIONS, SATURATING


class Tracker:
    """Sums over an epoch of the quantities in `training.track`; without any, steps are unchanged.

    `gradient_norm.<layer>` is |dC/dw|_2 over all trained weights w of the layer, C the cost of the
    batch: the mean over the steps. `saturation.<layer>` is the fraction of the layer's outputs that
    are saturated in training: the mean over the samples.
    """

    def __init__(self, phase: Gradient):
        track, network = phase.settings.track, phase.network
        self._network = network
        self._trained = trained_by_layer(phase) if "gradient_norms" in track else {}
        saturating = {name: kind for name, kind in network.activations.items() if kind in SATURATING}
        self._saturating = saturating if "saturation" in track else {}
        self.names = [
            *(f"gradient_norm.{layer}" for layer in self._trained),
            *(f"saturation.{layer}" for layer in self._saturating),
        ]

    def watching(self) -> contextlib.AbstractContextManager[dict[str, Any]]:
        """Context in which the outputs of layers are collected for `sums`."""
        return keras_internals.watched(self._network.keras_layers(self._saturating))

    def sums(self, gradients: Sequence[Any], outputs: Mapping[str, Any], samples: Any) -> list[Any]:
        """Contribution of a step to each of `names`, float64."""
        norms = [norm([gradients[i] for i in places]) for places in self._trained.values()]
        saturated = [
            samples * (_saturated(kind, outputs[layer]) if layer in outputs else math.nan)  # not of this phase
            for layer, kind in self._saturating.items()
        ]
        return norms + saturated

    def means(self, sums: np.ndarray, samples: float, steps: int) -> dict[str, float | None]:
        """Means over the epoch by column; None for layers that the phase does not use."""
        counts = [steps] * len(self._trained) + [samples] * len(self._saturating)
        return {
            name: None if math.isnan(total) else _short(total / count)
            for name, total, count in zip(self.names, sums.tolist(), counts, strict=True)
        }


def columns(phase: Gradient) -> list[str]:
    """The columns of tracked quantities that a phase adds to history.csv."""
    track, names = phase.settings.track, Tracker(phase).names
    if "weight_norms" in track:
        names = [*names, *(f"weight_norm.{layer}" for layer in trained_by_layer(phase))]
    if "parameters" in track:
        names = [*names, *parameters({name: variable.numpy() for name, variable in phase.network.weights.items()})]
    return names


def parameters(weights: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Every single weight by name and index: `layers.0.Dense.kernel.0.0`."""
    return {
        ".".join([name, *map(str, place)]): float(value[place])
        for name, value in weights.items()
        for place in np.ndindex(value.shape)
    }


def trained_by_layer(phase: Gradient) -> dict[str, list[int]]:
    """The trained layers in order, each with the indices of its weights in `phase.trained`."""
    names = {id(variable): name for name, variable in phase.network.weights.items()}
    places: dict[str, list[int]] = {}
    for i, variable in enumerate(phase.trained):
        places.setdefault(names[id(variable)].rpartition(".")[0], []).append(i)
    return places


def weight_norms(phase: Gradient, state: Mapping[str, np.ndarray]) -> dict[str, float]:
    """`weight_norm.<layer>` is |w|_2 over all trained weights of the layer."""
    names = {id(variable): name for name, variable in phase.network.weights.items()}
    norms = {}
    for layer, places in trained_by_layer(phase).items():
        weights = [state[f"weights/{names[id(phase.trained[i])]}"].astype(np.float64) for i in places]
        norms[f"weight_norm.{layer}"] = _short(math.sqrt(sum(float((weight**2).sum()) for weight in weights)))
    return norms


def norm(gradients: Sequence[Any]) -> Any:
    """L2 norm over all arrays, in float64: squares of float32 below 1e-23 would be zero."""
    from keras import ops

    squares = [ops.sum(ops.square(ops.cast(gradient, "float64"))) for gradient in gradients if gradient is not None]
    return ops.sqrt(sum(squares, ops.zeros((), "float64")))


def _saturated(kind: str, outputs: Any) -> Any:
    """The fraction of the outputs that are saturated, float64."""
    from keras import ops

    return ops.mean(ops.cast(ACTIVATIONS[kind].saturated(outputs), "float64"))


def _short(value: float) -> float:
    """Round to the digits of float32, which keeps history.csv small."""
    return float(f"{value:.7g}")
