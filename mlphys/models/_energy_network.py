"""The network of an energy classifier: an autoencoder for each class, and their calibrated energies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np

from mlphys.models._projection_error import OwnClassProjectionError
from mlphys.networks import builder
from mlphys.networks.autoencoder_network import AutoencoderNetwork
from mlphys.networks.cost import Batch, Cost, Term
from mlphys.networks.energies import Output, energy
from mlphys.networks.network import Network
from mlphys.numerics import calibration
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row

CALIBRATION = ("calibration.scales", "calibration.biases")
RIDGE = "calibration.ridge"  # a column of history.csv


@dataclass(frozen=True, kw_only=True)
class EnergyNetwork(Network):
    """The autoencoders by class, with one hidden `activation` and `output`, and scales a (K,) and biases b (K,)."""

    by_class: tuple[AutoencoderNetwork, ...]
    activation: str
    output: Output
    scales: Any
    biases: Any

    @classmethod
    def build(cls, by_class: Sequence[Sequence[Row]], seed: int, activation: str, output: str) -> Self:
        """The networks of the two rows of each class, with their initial weights; calibrated by 1 and 0."""
        networks = [
            AutoencoderNetwork.of(builder.build(rows, seed), encoder=rows[:1], decoder=rows[1:]) for rows in by_class
        ]
        import keras

        scales, biases = (keras.Variable(start(len(networks), dtype=np.float32)) for start in (np.ones, np.zeros))
        return cls(
            by_class=tuple(networks),
            activation=activation,
            output=cast(Output, output),
            scales=scales,
            biases=biases,
            weights=_merged([network.weights for network in networks])
            | dict(zip(CALIBRATION, (scales, biases), strict=True)),
            compiles_in_xla=True,
            evaluated_at_once=min(network.evaluated_at_once for network in networks),
            layers=_merged([network.layers for network in networks]),
            activations=_merged([network.activations for network in networks]),
        )

    def energies(self, x: Any) -> Any:
        """E_k(x) of samples x (n, ...), (n, K)."""
        from keras import ops

        flat, energies = _flat(x), []
        for network in self.by_class:
            kernel, hidden_bias, visible_bias = network.weights.values()
            energies.append(energy(flat, kernel, hidden_bias, visible_bias, self.activation, self.output))
        return ops.stack(energies, axis=1)

    def scores(self, x: Any) -> Any:
        """a_k E_k(x) + b_k, (n, K), whose softmax are the probabilities."""
        return self.energies(x) * self.scales + self.biases

    def errors(self, x: Any) -> Any:
        """The mean squared error of each class's autoencoder, (n, K)."""
        from keras import ops

        flat = _flat(x)
        return ops.stack([ops.mean((network.model(flat) - flat) ** 2, axis=1) for network in self.by_class], axis=1)

    def own_error(self, values: int) -> Cost:
        """The cost of PCAs of samples of so many values: each sample's squared error in its own class."""
        from keras import ops

        def forward(x: Any, y: Any, training: bool) -> Batch:
            return Batch(x, y, training, ops.one_hot(y, len(self.by_class)), self.errors(x))

        return Cost((OwnClassProjectionError(values),), forward, lambda batch, each, losses: {"mse": each})

    def calibrated(self, split: Split) -> dict[str, np.ndarray]:
        """Scales and biases fitted to the energies of labelled samples, and the ridge that was chosen for them."""
        energies = [np.asarray(self.energies(piece.x)) for piece in split.pieces()]
        fitted = calibration.fit(np.concatenate(energies), split.y)
        return dict(zip(CALIBRATION, (fitted.scales, fitted.biases), strict=True)) | {RIDGE: np.array(fitted.ridge)}


@dataclass(frozen=True)
class CalibratedCrossentropy(Term):
    """-log p of each sample's class."""

    separable: ClassVar[bool] = True

    def formulas(self) -> list[str]:
        return ["-log softmax_k(a_k E_k(x) + b_k)"]

    def each(self, batch: Batch) -> Any:
        from keras import ops

        return ops.logsumexp(batch.prediction, axis=1) - ops.sum(batch.prediction * batch.target, axis=1)


def _merged(parts: Sequence[Any]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _flat(x: Any) -> Any:
    from keras import ops

    return ops.reshape(x, (-1, math.prod(x.shape[1:])))
