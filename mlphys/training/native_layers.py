"""Which layers have machine code: a chain as dense layers, each with its activation, noise and penalties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlphys.native import noise, vector_math
from mlphys.native.chain import DenseLayer
from mlphys.native.noise import Noise
from mlphys.native.penalty import Penalty
from mlphys.native.vector_math import Activation as ActivationFunction
from mlphys.native.vector_math import ExponentialLinear, PiecewiseLinear
from mlphys.networks.penalties.sparsity import KSparse
from mlphys.networks.penalties.variational import CodeMean
from mlphys.schema import initializers
from mlphys.schema.initializers import Regularizer
from mlphys.schema.layers import (
    ELU,
    Activation,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Softmax,
)
from mlphys.schema.shapes import Row
from mlphys.training.unsupported import NotGenerated, Unsupported

NOISES: Mapping[type[Layer], Callable[[Any], Noise]] = {
    Dropout: lambda layer: noise.Dropout(layer.rate),
    GaussianDropout: lambda layer: noise.GaussianDropout(layer.rate),
    GaussianNoise: lambda layer: noise.GaussianNoise(layer.stddev),
}

REGULARIZERS = (initializers.L1, initializers.L2, initializers.L1L2)


def dense_layers(
    rows: Sequence[Row], code: int | None, penalties: Mapping[str, Any]
) -> tuple[tuple[Noise, ...], list[DenseLayer]]:
    """The noises of the inputs, and the dense layers of a chain with what follows each. Raises Unsupported.

    The output of the first `code` rows has the `penalties`, fields of a DenseLayer.
    """
    built = _DenseLayers(rows)
    for row in rows[:code]:
        built.add(row)
    if penalties:
        built.penalize(penalties)
    for row in rows[len(rows) if code is None else code :]:
        built.add(row)
    built.check()
    return built.noises, built.layers


class _DenseLayers:
    """`noises` and `layers` of a chain under construction, row by row."""

    def __init__(self, rows: Sequence[Row]):
        self.noises: tuple[Noise, ...] = ()
        self.layers: list[DenseLayer] = []
        self._random, self._dense = random_layers(rows), [row.name for row in rows if isinstance(row.layer, Dense)]

    def add(self, row: Row) -> None:
        layer, layers = row.layer, self.layers
        if type(layer) in (Flatten, Reshape, CodeMean):
            return
        if row in self._random:
            self._add_noise(layer)
        elif type(layer) in NOISES:
            return
        elif type(layer) is Dense and len(row.input_shape) == 1:
            source = self._dense.index(row.tied_to) if row.tied_to else None
            layers.append(replace(_dense(layer, row.input_shape[0]), tied_to=source))
        elif type(layer) is KSparse and layers:
            if layers[-1].penalizes_outputs:  # the code that is penalized here has lost its smaller values
                raise NotGenerated("sparsity: k behind a penalty on its inputs")
            layers[-1] = replace(layers[-1], largest=layer.k)
        elif (function := _activation(layer)) and layers and layers[-1].takes_activation:
            layers[-1] = replace(layers[-1], activation=function)
        else:
            raise NotGenerated(f"layer {type(layer).__name__}")

    def _add_noise(self, layer: Layer) -> None:
        drawn, layers = NOISES[type(layer)](layer), self.layers
        if not layers:
            self.noises = (*self.noises, drawn)
        elif layers[-1].penalizes_outputs or layers[-1].is_code:
            raise NotGenerated(f"layer {type(layer).__name__} behind a code, or a penalty on its inputs")
        else:
            layers[-1] = replace(layers[-1], noises=(*layers[-1].noises, drawn))

    def penalize(self, penalties: Mapping[str, Any]) -> None:
        """Add penalties to those of the last layer so far."""
        if not self.layers or self.layers[-1].noises:
            raise NotGenerated("a penalty on what is no output of a Dense layer")
        last = self.layers[-1]
        self.layers[-1] = replace(last, **{key: _added(getattr(last, key), value) for key, value in penalties.items()})

    def check(self) -> None:
        """Raises Unsupported for a complete chain that cannot be generated."""
        if not self.layers:
            raise Unsupported("it has no Dense layer")
        *hidden, last = self.layers
        for layer in hidden:
            if not has_derivative(layer.activation):
                raise NotGenerated(f"activation {layer.activation}")
            if layer.divergence is not None and layer.penalizes_outputs:
                raise NotGenerated("a penalty on the means and variances of a code")
        if last.noises:
            raise NotGenerated(f"layer {type(self._random[-1].layer).__name__} behind the last Dense")
        if last.penalizes_outputs or last.is_code:
            raise NotGenerated("a penalty on the outputs of the last Dense")


def has_derivative(activation: ActivationFunction) -> bool:
    return activation in vector_math.SUPPORTED or vector_math.needs_input(activation)


def _added(before: Any, value: Any) -> Any:
    return before + value if before else value


def _dense(layer: Dense, inputs: int) -> DenseLayer:
    """A layer with its own penalties. Raises Unsupported."""
    return DenseLayer(
        inputs,
        layer.units,
        layer.activation or "linear",
        layer.use_bias,
        kernel_penalty=_penalty(layer.kernel_regularizer, "kernel"),
        bias_penalty=_penalty(layer.bias_regularizer if layer.use_bias else None, "bias"),
        output_penalty=_penalty(layer.activity_regularizer, "activity"),
    )


def _penalty(regularizer: Regularizer | None, symbol: str) -> Penalty:
    if regularizer is None:
        return Penalty()
    match regularizer if type(regularizer) in REGULARIZERS else None:
        case initializers.L1(l1=l1):
            return Penalty(l1=l1)
        case initializers.L2(l2=l2):
            return Penalty(l2=l2)
        case initializers.L1L2(l1=l1, l2=l2):
            return Penalty(l1, l2)
    raise NotGenerated(f"the term {regularizer.formula(symbol)}")


def random_layers(rows: Sequence[Row]) -> list[Row]:
    """The rows of a chain that draw random numbers in training, as Keras's layers do: not where they are frozen, and
    none for a rate of zero."""
    return [row for row in rows if type(row.layer) in NOISES and row.trainable and any(row.layer.arguments().values())]


def generators(rows: Sequence[Row]) -> list[str]:
    """The names of the generators of random numbers in a chain, in its order."""
    random = random_layers(rows)
    names = {id(row): f"{row.name}.0" for row in random} | {
        id(row): "code" for row in rows if type(row.layer) is CodeMean
    }
    return [names[id(row)] for row in rows if id(row) in names]


def _activation(layer: Layer) -> ActivationFunction | None:
    """The activation of a layer that is nothing else; None for other layers."""
    if type(layer) is Activation:
        return layer.activation
    if type(layer) is LeakyReLU:
        return PiecewiseLinear(layer.negative_slope)
    if type(layer) is ELU:
        return ExponentialLinear(layer.alpha)
    if layer == ReLU():
        return "relu"
    if type(layer) is ReLU:
        return PiecewiseLinear(layer.negative_slope, layer.threshold, layer.max_value)
    return "softmax" if type(layer) is Softmax else None
