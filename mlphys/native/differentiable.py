"""The compiled convolutions as functions of Keras tensors that can be differentiated once, inside of a graph."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from mlphys.native import (
    activated,
    conv_backward,
    conv_forward,
    elementwise,
    interleave,
    normalization,
    processor,
    tf_ops,
)
from mlphys.native.activated import Activated
from mlphys.native.conv_forward import Convolution
from mlphys.native.normalization import Scaling
from mlphys.native.processor import SimdUnit
from mlphys.native.tf_ops import Operation, Outputs, Size


@ops.custom_gradient
def interleave_batch(x: Any) -> tuple[Any, Any]:
    """(n, ...) to (groups, ..., simd_width)."""
    return _interleave(x), lambda gradient: _differentiable_once(_deinterleave, gradient, x)


def deinterleave_batch(x: Any, like: Any) -> Any:
    """(groups, ..., simd_width) to (n, ...), with the n of `like`."""

    @ops.custom_gradient
    def function(x: Any) -> tuple[Any, Any]:
        return _deinterleave(x, like), lambda gradient: _differentiable_once(_interleave, gradient)

    return function(x)


def _interleave(x: Any) -> Any:
    return tf_ops.apply(_interleave_op(tuple(x.shape[1:]), _simd_unit()), [x])[0]


def _deinterleave(x: Any, like: Any) -> Any:
    out = tf_ops.apply(_deinterleave_op(tuple(x.shape[1:-1]), _simd_unit()), [x, like])[0]
    out.set_shape([like.shape[0], *x.shape[1:-1]])
    return out


def convolve(x: Any, weights: Any, biases: Any, conv: Convolution, input_gradient: bool = True) -> Any:
    """Convolution, activation and pooling of x (groups, h, w, c, simd_width).

    Without `input_gradient` no gradient flows back to x, and none is computed.
    """

    def forward(x: Any, weights: Any, biases: Any) -> tuple[Any, list[Any]]:
        """The output, and what the backward pass needs of it."""
        out, *intermediates = tf_ops.apply(_forward_op(conv, _simd_unit()), [x, weights, biases])
        return out, _saved(conv, out, intermediates)

    def weight_gradient(gradient: Any, x: Any, *saved: Any) -> tuple[Any, Any]:
        dweights, dbiases, *_ = tf_ops.apply(_weight_gradient_op(conv, _simd_unit()), [x, gradient, *saved])
        return dweights, dbiases

    def x_gradient(gradient: Any, weights: Any, *saved: Any) -> Any:
        return tf_ops.apply(_input_gradient_op(conv, _simd_unit()), [weights, gradient, *saved])[0]

    @ops.custom_gradient
    def of_all(x: Any, weights: Any, biases: Any) -> tuple[Any, Any]:
        out, saved = forward(x, weights, biases)

        def backward(gradient: Any) -> tuple[Any, ...]:
            dx = _differentiable_once(x_gradient, gradient, weights, *saved)
            return dx, *_differentiable_once(weight_gradient, gradient, x, *saved)

        return out, backward

    @ops.custom_gradient
    def of_weights(weights: Any, biases: Any) -> tuple[Any, Any]:
        out, saved = forward(x, weights, biases)
        return out, lambda gradient: _differentiable_once(weight_gradient, gradient, x, *saved)

    return of_all(x, weights, biases) if input_gradient else of_weights(weights, biases)


def activate(x: Any, name: str) -> Any:
    """The activation of x (n, ...), whose samples hold a complete vector or more."""

    @ops.custom_gradient
    def function(x: Any) -> tuple[Any, Any]:
        y, slope = tf_ops.apply(_activation_op(name, tuple(x.shape[1:]), _simd_unit()), [x])
        y.set_shape(x.shape)
        return y, lambda gradient: _differentiable_once(ops.multiply, gradient, slope)

    return function(x)


def moments(parts: Sequence[Any], samples: Sequence[Any]) -> tuple[Any, Any]:
    """Mean and variance of each channel over the parts of a batch (groups, h, w, c, simd_width), without gradient.

    `samples` are tensors that have the parts' numbers of samples.
    """
    op = _moments_op(tuple(parts[0].shape[1:4]), _simd_unit())
    part_moments = [tf_ops.apply(op, [x, like])[:2] for x, like in zip(parts, samples, strict=True)]
    counts = [_numbers(x, [like]) for x, like in zip(parts, samples, strict=True)]
    total = sum(counts)
    mean = sum(n / total * of_part for n, (of_part, _) in zip(counts, part_moments, strict=True))
    squares = [ops.square(of_part - mean) * n + rest for n, (of_part, rest) in zip(counts, part_moments, strict=True)]
    return mean, sum(squares) / total


def _numbers(x: Any, samples: Sequence[Any]) -> Any:
    """Values per channel in all these samples."""
    return ops.cast(sum(ops.shape(like)[0] for like in samples) * math.prod(x.shape[1:3]), "float32")


@dataclass(frozen=True)
class Moments:
    """Mean and variance of each channel, `of_batch` or moving ones; `epsilon` is added to the variance."""

    mean: Any
    variance: Any
    epsilon: float
    of_batch: bool


def normalize(
    parts: Sequence[Any], samples: Sequence[Any], gamma: Any, beta: Any, by: Moments, scaling: Scaling
) -> list[Any]:
    """Batch normalization, activation and pooling of the parts of a batch, as in `moments`."""
    simd, deviation = _simd_unit(), ops.rsqrt(by.variance + by.epsilon)

    def backward(gamma: Any, gradients: Sequence[Any], xs: Sequence[Any], saved: Sequence[Sequence[Any]]) -> list[Any]:
        rows = [*zip(xs, samples, gradients, saved, strict=True)]
        op = _scaling_gradient_op(scaling, simd)
        sums = [tf_ops.apply(op, [x, by.mean, gradient, *intermediates])[:2] for x, _, gradient, intermediates in rows]
        dfactor, dbeta = (sum(of_parts) for of_parts in zip(*sums, strict=True))
        factor = gamma * deviation
        of_x = constant = ops.zeros_like(factor)
        if by.of_batch:  # the moments depend on x
            numbers = _numbers(xs[0], samples)
            of_x = -factor * ops.square(deviation) * dfactor / numbers
            constant = -factor * dbeta / numbers - of_x * by.mean
        op, factors = _scaling_input_gradient_op(scaling, simd), (factor, of_x, constant)
        dxs = [
            tf_ops.apply(op, [x, like, *factors, gradient, *intermediates])[0]
            for x, like, gradient, intermediates in rows
        ]
        return [dfactor * deviation, dbeta, *dxs]

    @ops.custom_gradient
    def function(gamma: Any, beta: Any, *xs: Any) -> tuple[Any, Any]:
        factors = gamma * deviation
        shifts = beta - by.mean * factors
        outputs = [tf_ops.apply(_scaling_op(scaling, simd), [x, factors, shifts]) for x in xs]
        saved = [_saved(scaling, out, intermediates) for out, *intermediates in outputs]
        return (
            [out for out, *_ in outputs],
            lambda *gradients: _differentiable_once(backward, gamma, gradients, xs, saved),
        )

    return function(gamma, beta, *parts)


def _differentiable_once(gradient_function: Callable[..., Any], *arguments: Any) -> Any:
    """A gradient that raises NotImplementedError if it is differentiated; without this it would count as constant."""

    @ops.custom_gradient
    def function(*arguments: Any) -> tuple[Any, Any]:
        def refuse(*gradients: Any) -> None:
            raise NotImplementedError(
                "batch-interleaved convolutions can be differentiated once; use simd_conv.enabled(0)"
            )

        return gradient_function(*arguments), refuse

    return function(*arguments)


def _simd_unit() -> SimdUnit:
    simd = processor.simd_unit()
    assert simd
    return simd


@functools.cache
def _interleave_op(shape: tuple[int, ...], simd: SimdUnit) -> Operation:
    function = interleave.interleave_batch(simd.width)
    out: tuple[Size, ...] = ("groups", *shape, simd.width)
    return Operation(function, {"x": "float"}, {"out": ("float", out)}, "x", {"size": math.prod(shape)})


@functools.cache
def _deinterleave_op(shape: tuple[int, ...], simd: SimdUnit) -> Operation:
    function = interleave.deinterleave_batch(simd.width)
    inputs = {"x": "float", "like": "float"}
    return Operation(function, inputs, {"out": ("float", ("count", *shape))}, "like", {"size": math.prod(shape)})


@functools.cache
def _forward_op(conv: Convolution, simd: SimdUnit) -> Operation:
    inputs = dict.fromkeys(("x", "weights", "biases"), "float")
    return Operation(conv_forward.forward(conv, simd), inputs, _activated_types(conv, simd), "x")


@functools.cache
def _activation_op(name: str, shape: tuple[int, ...], simd: SimdUnit) -> Operation:
    outputs: Outputs = dict.fromkeys(("y", "slope"), ("float", ("count", *shape)))
    function = elementwise.activation(name, simd.width)
    return Operation(function, {"x": "float"}, outputs, "x", {"size": math.prod(shape)})


@functools.cache
def _weight_gradient_op(conv: Convolution, simd: SimdUnit) -> Operation:
    outputs: Outputs = {
        "dweights": ("float", conv.kernel_shape),
        "dbiases": ("float", (conv.filters,)),
        "before": ("float", (*conv.positions, conv.filters, simd.width)),
        "sums": ("float", (conv_backward.accumulator_vectors(conv), simd.width)),
    }
    inputs = {"x": "float", "gradient": "float", **_saved_types(conv)}
    return Operation(conv_backward.weight_gradient(conv, simd), inputs, outputs, "x")


@functools.cache
def _input_gradient_op(conv: Convolution, simd: SimdUnit) -> Operation:
    outputs: Outputs = {
        "dx": ("float", ("count", *conv.input_shape, simd.width)),
        "before": ("float", (*conv.positions, conv.filters, simd.width)),
        "turned": ("float", conv.kernel_shape),
    }
    inputs = {"weights": "float", "gradient": "float", **_saved_types(conv)}
    return Operation(conv_backward.input_gradient(conv, simd), inputs, outputs, "gradient")


@functools.cache
def _moments_op(shape: tuple[int, int, int], simd: SimdUnit) -> Operation:
    channels = shape[2]
    outputs: Outputs = dict.fromkeys(("mean", "deviations"), ("float", (channels,)))
    outputs["sums"] = ("float", (channels, simd.width))
    inputs = {"x": "float", "like": "float"}
    return Operation(normalization.moments(shape, simd), inputs, outputs, "like")


@functools.cache
def _scaling_op(scaling: Scaling, simd: SimdUnit) -> Operation:
    inputs = dict.fromkeys(("x", "factors", "shifts"), "float")
    return Operation(normalization.forward(scaling, simd), inputs, _activated_types(scaling, simd), "x")


@functools.cache
def _scaling_gradient_op(scaling: Scaling, simd: SimdUnit) -> Operation:
    channels = scaling.filters
    outputs: Outputs = dict.fromkeys(("dfactors", "dshifts"), ("float", (channels,)))
    outputs |= dict.fromkeys(("sums", "shift_sums"), ("float", (channels, simd.width)))
    outputs["before"] = ("float", (*scaling.input_shape, simd.width))
    inputs = {"x": "float", "mean": "float", "gradient": "float", **_saved_types(scaling)}
    return Operation(normalization.parameter_gradient(scaling, simd), inputs, outputs, "x")


@functools.cache
def _scaling_input_gradient_op(scaling: Scaling, simd: SimdUnit) -> Operation:
    outputs: Outputs = {
        "dx": ("float", ("groups", *scaling.input_shape, simd.width)),
        "before": ("float", (*scaling.input_shape, simd.width)),
    }
    names = "x", "like", "of_gradient", "of_x", "constant", "gradient"
    inputs = {**dict.fromkeys(names, "float"), **_saved_types(scaling)}
    return Operation(normalization.input_gradient(scaling, simd), inputs, outputs, "like")


def _activated_types(layer: Activated, simd: SimdUnit) -> Outputs:
    """The outputs of a forward pass, in groups of samples."""
    positions: tuple[Size, ...] = ("count", *layer.positions, layer.filters)
    outputs: Outputs = {"out": ("float", ("count", *layer.output_shape, simd.width))}
    if layer.saves_mask:
        outputs["kept"] = ("uint8", (*positions, activated.mask_bytes(simd.width)))
    if layer.saves_activations:
        outputs["kept"] = ("float", (*positions, simd.width))
    elif layer.pools:
        outputs["rows"] = ("float", (layer.pool_size[0], *positions[2:], simd.width))
    return outputs


def _saved(layer: Activated, out: Any, intermediates: list[Any]) -> list[Any]:
    """What the backward pass needs of the outputs of the forward pass."""
    return [out] * layer.needs_output + intermediates[: layer.saves_mask or layer.saves_activations]


def _saved_types(layer: Activated) -> dict[str, str]:
    """The tensors of `_saved`, by type."""
    out = {"out": "float"} if layer.needs_output else {}
    intermediates = {"kept": "uint8"} if layer.saves_mask else {"kept": "float"} if layer.saves_activations else {}
    return out | intermediates
