"""The compiled convolutions as functions of Keras tensors that can be differentiated once, inside of a graph."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from keras import ops

from mlphys.native import conv_backward, conv_forward, interleave, llvm, tf_ops
from mlphys.native.conv_forward import Convolution
from mlphys.native.llvm import SimdUnit
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
        out, *kept = tf_ops.apply(_forward_op(conv, _simd_unit()), [x, weights, biases])
        return out, [out] * conv.needs_output + kept[: conv.saves_mask or conv.saves_activations]

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
    simd = llvm.simd_unit()
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
    positions: tuple[Size, ...] = ("count", *conv.positions, conv.filters)
    outputs: Outputs = {"out": ("float", ("count", *conv.output_shape, simd.width))}
    if conv.saves_mask:
        outputs["kept"] = ("uint8", (*positions, conv_forward.mask_bytes(simd.width)))
    if conv.saves_activations:
        outputs["kept"] = ("float", (*positions, simd.width))
    elif conv.pools:
        outputs["rows"] = ("float", (conv.pool_size[0], *positions[2:], simd.width))
    inputs = dict.fromkeys(("x", "weights", "biases"), "float")
    return Operation(conv_forward.forward(conv, simd), inputs, outputs, "x")


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


def _saved_types(conv: Convolution) -> dict[str, str]:
    """The tensors that the forward pass saves for the backward pass, by type."""
    out = {"out": "float"} if conv.needs_output else {}
    kept = {"kept": "uint8"} if conv.saves_mask else {"kept": "float"} if conv.saves_activations else {}
    return out | kept
