"""The machine code as functions of tensors that can be differentiated once, inside of a graph."""

from __future__ import annotations

import functools
import math
from typing import Any

from keras import ops

from mlphys.native import conv_backward, conv_forward, interleave, llvm, tf_ops
from mlphys.native.conv_forward import Convolution
from mlphys.native.llvm import Vectors
from mlphys.native.tf_ops import Operation


@ops.custom_gradient
def side_by_side(x: Any) -> tuple[Any, Any]:
    """(n, ...) as (groups, ..., lanes)."""
    return _side_by_side(x), lambda slope: _once(_one_by_one, slope, x)


def one_by_one(x: Any, like: Any) -> Any:
    """(groups, ..., lanes) as (n, ...), with the n of `like`."""

    @ops.custom_gradient
    def function(x: Any) -> tuple[Any, Any]:
        return _one_by_one(x, like), lambda slope: _once(_side_by_side, slope)

    return function(x)


def _side_by_side(x: Any) -> Any:
    return tf_ops.applied(_to_lanes(tuple(x.shape[1:]), _vectors()), [x])[0]


def _one_by_one(x: Any, like: Any) -> Any:
    out = tf_ops.applied(_from_lanes(tuple(x.shape[1:-1]), _vectors()), [x, like])[0]
    out.set_shape([like.shape[0], *x.shape[1:-1]])
    return out


def convolved(x: Any, weights: Any, biases: Any, made: Convolution, to_input: bool = True) -> Any:
    """x (groups, h, w, c, lanes) through convolution, activation and pooling; without `to_input` x has no gradient."""

    def forwards(x: Any, weights: Any, biases: Any) -> tuple[Any, list[Any]]:
        """The output, and what the way back needs of it."""
        out, *kept = tf_ops.applied(_forward(made, _vectors()), [x, weights, biases])
        return out, [out] * made.needs_output + kept[: made.keeps_bits or made.keeps_values]

    def to_weights(slope: Any, x: Any, *remembered: Any) -> tuple[Any, Any]:
        dweights, dbiases, *_ = tf_ops.applied(_to_weights(made, _vectors()), [x, slope, *remembered])
        return dweights, dbiases

    def to_x(slope: Any, weights: Any, *remembered: Any) -> Any:
        return tf_ops.applied(_to_input(made, _vectors()), [weights, slope, *remembered])[0]

    @ops.custom_gradient
    def of_all(x: Any, weights: Any, biases: Any) -> tuple[Any, Any]:
        out, remembered = forwards(x, weights, biases)

        def gradient(slope: Any) -> tuple[Any, ...]:
            return _once(to_x, slope, weights, *remembered), *_once(to_weights, slope, x, *remembered)

        return out, gradient

    @ops.custom_gradient
    def of_weights(weights: Any, biases: Any) -> tuple[Any, Any]:
        out, remembered = forwards(x, weights, biases)
        return out, lambda slope: _once(to_weights, slope, x, *remembered)

    return of_all(x, weights, biases) if to_input else of_weights(weights, biases)


def _once(function: Any, *arguments: Any) -> Any:
    """What a way back gives, which has no way back itself: without this it would silently count as constant."""

    @ops.custom_gradient
    def final(*arguments: Any) -> tuple[Any, Any]:
        def refuse(*slopes: Any) -> None:
            raise NotImplementedError("convolutions side by side can be differentiated once; use lanes.used(0)")

        return function(*arguments), refuse

    return final(*arguments)


def _vectors() -> Vectors:
    found = llvm.vectors()
    assert found
    return found


@functools.cache
def _to_lanes(shape: tuple[int, ...], vectors: Vectors) -> Operation:
    function = interleave.side_by_side(vectors.lanes)
    outputs = {"out": ("float", ("groups", *shape, function.lanes))}
    return Operation(function, {"x": "float"}, outputs, "x", {"size": math.prod(shape)})


@functools.cache
def _from_lanes(shape: tuple[int, ...], vectors: Vectors) -> Operation:
    function = interleave.one_by_one(vectors.lanes)
    inputs = {"x": "float", "like": "float"}
    return Operation(function, inputs, {"out": ("float", ("count", *shape))}, "like", {"size": math.prod(shape)})


@functools.cache
def _forward(made: Convolution, vectors: Vectors) -> Operation:
    of_pixels = ("count", *made.places, made.filters)
    outputs = {"out": ("float", ("count", *made.output, vectors.lanes))}
    if made.keeps_bits:
        outputs["kept"] = ("uint8", (*of_pixels, conv_forward.bits_size(vectors.lanes)))
    if made.keeps_values:
        outputs["kept"] = ("float", (*of_pixels, vectors.lanes))
    elif made.pooled:
        outputs["rows"] = ("float", (made.pool[0], *of_pixels[2:], vectors.lanes))
    inputs = dict.fromkeys(("x", "weights", "biases"), "float")
    return Operation(conv_forward.forward(made, vectors), inputs, outputs, "x")


@functools.cache
def _to_weights(made: Convolution, vectors: Vectors) -> Operation:
    outputs = {
        "dweights": ("float", made.weights),
        "dbiases": ("float", (made.filters,)),
        "before": ("float", (*made.places, made.filters, vectors.lanes)),
        "sums": ("float", (conv_backward.sums_size(made), vectors.lanes)),
    }
    inputs = {"x": "float", "gradient": "float", **_remembered(made)}
    return Operation(conv_backward.to_weights(made, vectors), inputs, outputs, "x")


@functools.cache
def _to_input(made: Convolution, vectors: Vectors) -> Operation:
    outputs = {
        "dx": ("float", ("count", *made.shape, vectors.lanes)),
        "before": ("float", (*made.places, made.filters, vectors.lanes)),
        "turned": ("float", made.weights),
    }
    inputs = {"weights": "float", "gradient": "float", **_remembered(made)}
    return Operation(conv_backward.to_input(made, vectors), inputs, outputs, "gradient")


def _remembered(made: Convolution) -> dict[str, str]:
    """What the way back takes from the way there, by type."""
    out = {"out": "float"} if made.needs_output else {}
    kept = {"kept": "uint8"} if made.keeps_bits else {"kept": "float"} if made.keeps_values else {}
    return out | kept
