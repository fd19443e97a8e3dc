"""The table of layers, and of activations, in ONNX's operators: with Keras's arguments, channels last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlphys.export.onnx_graph import OnnxGraph, Tensor, Write
from mlphys.networks.penalties.sparsity import KSparse
from mlphys.networks.penalties.variational import CodeMean
from mlphys.schema import layers as table
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays
from mlphys.schema.layers import Layer
from mlphys.schema.shapes import Row


def _node(operator: str, **attributes: float) -> Callable[[OnnxGraph, Tensor], Tensor]:
    return lambda graph, x: graph.node(operator, x, **attributes)


def _clipped(low: float, high: float) -> Callable[[OnnxGraph, Tensor], Tensor]:
    return lambda graph, x: graph.node("Clip", x, low, high)


ACTIVATIONS: dict[str, Callable[[OnnxGraph, Tensor], Tensor]] = {
    "linear": lambda graph, x: x,
    "relu": _node("Relu"),
    "sigmoid": _node("Sigmoid"),
    "tanh": _node("Tanh"),
    "softmax": _node("Softmax", axis=-1),
    "softplus": _node("Softplus"),
    "softsign": _node("Softsign"),
    "elu": _node("Elu", alpha=1.0),
    "selu": _node("Selu"),
    "gelu": _node("Gelu"),
    "silu": lambda graph, x: x * graph.node("Sigmoid", x),
    "swish": lambda graph, x: x * graph.node("Sigmoid", x),
    "mish": _node("Mish"),
    "leaky_relu": _node("LeakyRelu", alpha=0.2),
    "relu6": _clipped(0.0, 6.0),
    "exponential": _node("Exp"),
    "hard_sigmoid": _node("HardSigmoid", alpha=1 / 6, beta=0.5),
    "log_softmax": _node("LogSoftmax", axis=-1),
    "hard_tanh": _clipped(-1.0, 1.0),
    "celu": _node("Celu", alpha=1.0),
    "log_sigmoid": lambda graph, x: graph.node("Neg", graph.node("Softplus", graph.node("Neg", x))),
}


@dataclass(frozen=True)
class Sliding:
    """A window that slides over an image or a sequence: sizes, steps, distances of its values, zeros per end."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(
        cls, shape: Shape, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str
    ) -> Sliding:
        """Over samples of `shape`, padded as TensorFlow pads: the odd zero of `same` behind, all of `causal` before."""
        before, after = [], []
        for n, k, s, d in zip(shape, size, strides, dilation, strict=False):
            reach = d * (k - 1) + 1
            total = {"valid": 0, "causal": reach - 1}.get(padding, max((math.ceil(n / s) - 1) * s + reach - n, 0))
            first = total if padding == "causal" else total // 2
            before.append(first)
            after.append(total - first)
        return cls(tuple(size), tuple(strides), tuple(dilation), tuple(before), tuple(after))

    def attributes(self) -> dict[str, list[int]]:
        return {
            "kernel_shape": list(self.size),
            "strides": list(self.strides),
            "dilations": list(self.dilation),
            "pads": [*self.before, *self.after],
        }


def _channels_first(graph: OnnxGraph, x: Tensor, axes: int) -> Tensor:
    return graph.node("Transpose", x, perm=[0, axes + 1, *range(1, axes + 1)])


def _channels_last(graph: OnnxGraph, x: Tensor, axes: int) -> Tensor:
    return graph.node("Transpose", x, perm=[0, *range(2, axes + 2), 1])


def _filtered(graph: OnnxGraph, operator: str, x: Tensor, arrays: Arrays, window: dict[str, list[int]]) -> Tensor:
    """A convolution, or its transpose, whose last two axes of the kernel go to the front in reverse order."""
    kernel = arrays["kernel"]
    axes = kernel.ndim - 2
    turned = np.ascontiguousarray(kernel.transpose(axes + 1, axes, *range(axes)))
    bias = [arrays["bias"]] if "bias" in arrays else []
    return _channels_last(graph, graph.node(operator, _channels_first(graph, x, axes), turned, *bias, **window), axes)


def _conv(graph: OnnxGraph, x: Tensor, arrays: Arrays, window: Sliding, activation: str | None) -> Tensor:
    out = _filtered(graph, "Conv", x, arrays, window.attributes())
    return ACTIVATIONS[activation or "linear"](graph, out)


def _transposed(
    graph: OnnxGraph, x: Tensor, arrays: Arrays, strides: Sequence[int], padding: str, activation: str | None
) -> Tensor:
    """As TensorFlow: `same` cuts what reaches beyond n strides, the odd pixel behind; gaps are filled up behind."""
    size = arrays["kernel"].shape[:-2]
    beyond = [max(k - s, 0) if padding == "same" else 0 for k, s in zip(size, strides, strict=True)]
    before = [total // 2 for total in beyond]
    window = {
        "kernel_shape": list(size),
        "strides": list(strides),
        "pads": [*before, *(total - first for total, first in zip(beyond, before, strict=True))],
        "output_padding": [max(s - k, 0) for k, s in zip(size, strides, strict=True)],
    }
    return ACTIVATIONS[activation or "linear"](graph, _filtered(graph, "ConvTranspose", x, arrays, window))


def _pooled(graph: OnnxGraph, operator: str, x: Tensor, window: Sliding) -> Tensor:
    axes = len(window.size)
    attributes = {key: value for key, value in window.attributes().items() if key != "dilations"}
    return _channels_last(graph, graph.node(operator, _channels_first(graph, x, axes), **attributes), axes)


def _dense(graph: OnnxGraph, layer: table.Dense, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return ACTIVATIONS[layer.activation or "linear"](graph, graph.dense(x, arrays["kernel"], arrays.get("bias")))


def _conv2d(graph: OnnxGraph, layer: table.Conv2D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    window = Sliding.of(row.input_shape, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    return _conv(graph, x, arrays, window, layer.activation)


def _fixed_conv2d(graph: OnnxGraph, layer: table.FixedConv2D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    window = Sliding.of(row.input_shape, layer.values().shape[:2], layer.strides, (1, 1), layer.padding)
    return _conv(graph, x, arrays, window, layer.activation)


def _conv1d(graph: OnnxGraph, layer: table.Conv1D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    window = Sliding.of(row.input_shape, (layer.kernel_size,), (layer.strides,), (layer.dilation_rate,), layer.padding)
    return _conv(graph, x, arrays, window, layer.activation)


def _conv2d_transpose(graph: OnnxGraph, layer: table.Conv2DTranspose, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return _transposed(graph, x, arrays, layer.strides, layer.padding, layer.activation)


def _conv1d_transpose(graph: OnnxGraph, layer: table.Conv1DTranspose, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return _transposed(graph, x, arrays, (layer.strides,), layer.padding, layer.activation)


def _pooling2d(operator: str) -> Write:
    def write(graph: OnnxGraph, layer: table.MaxPooling2D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
        strides = layer.strides or layer.pool_size
        return _pooled(graph, operator, x, Sliding.of(row.input_shape, layer.pool_size, strides, (1, 1), layer.padding))

    return write


def _pooling1d(operator: str) -> Write:
    def write(graph: OnnxGraph, layer: table.MaxPooling1D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
        strides = layer.strides or layer.pool_size
        window = Sliding.of(row.input_shape, (layer.pool_size,), (strides,), (1,), layer.padding)
        return _pooled(graph, operator, x, window)

    return write


def _global_pooling(operator: str) -> Write:
    def write(graph: OnnxGraph, layer: table.GlobalAveragePooling2D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
        axes = np.arange(1, len(row.input_shape))
        return graph.node(operator, x, axes, keepdims=int(layer.keepdims))

    return write


def _reshape(graph: OnnxGraph, layer: Layer, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return graph.reshaped(x, row.output_shape)


def _batch_normalization(
    graph: OnnxGraph, layer: table.BatchNormalization, arrays: Arrays, x: Tensor, row: Row
) -> Tensor:
    factor = arrays.get("gamma", 1.0) / np.sqrt(arrays["moving_variance"].astype(np.float64) + layer.epsilon)
    scaled = (x - arrays["moving_mean"]) * factor
    return scaled + arrays["beta"] if "beta" in arrays else scaled


def _layer_normalization(
    graph: OnnxGraph, layer: table.LayerNormalization, arrays: Arrays, x: Tensor, row: Row
) -> Tensor:
    gamma = arrays.get("gamma", np.ones(row.input_shape[-1]))
    beta = [arrays["beta"]] if "beta" in arrays else []
    return graph.node("LayerNormalization", x, gamma, *beta, axis=-1, epsilon=layer.epsilon)


def _activation(graph: OnnxGraph, layer: table.Activation, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return ACTIVATIONS[layer.activation](graph, x)


def _relu(graph: OnnxGraph, layer: table.ReLU, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    """x above the threshold and 0 below, at most max_value, minus slope max(0, threshold - x)."""
    above = graph.node("Relu", x)
    if layer.threshold:
        above = graph.node("Where", graph.node("Greater", x, layer.threshold), x, 0.0)
    if layer.max_value is not None:
        above = graph.node("Clip", above, 0.0, layer.max_value)
    if not layer.negative_slope:
        return above
    return above - graph.node("Relu", x * -1.0 + layer.threshold) * layer.negative_slope


def _leaky_relu(graph: OnnxGraph, layer: table.LeakyReLU, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return graph.node("LeakyRelu", x, alpha=layer.negative_slope)


def _elu(graph: OnnxGraph, layer: table.ELU, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return graph.node("Elu", x, alpha=layer.alpha)


def _softmax(graph: OnnxGraph, layer: Layer, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return ACTIVATIONS["softmax"](graph, x)


def _padded(graph: OnnxGraph, x: Tensor, borders: Sequence[tuple[int, int]]) -> Tensor:
    ends = [(0, 0), *borders, (0, 0)]
    return graph.node("Pad", x, np.array([low for low, _ in ends] + [high for _, high in ends]))


def _cut(graph: OnnxGraph, x: Tensor, borders: Sequence[tuple[int, int]], shape: Shape) -> Tensor:
    starts = [low for low, _ in borders]
    stops = [n - high for n, (_, high) in zip(shape, borders, strict=False)]
    return graph.node("Slice", x, np.array(starts), np.array(stops), np.arange(1, 1 + len(borders)))


def _zero_padding2d(graph: OnnxGraph, layer: table.ZeroPadding2D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return _padded(graph, x, layer.padding)


def _zero_padding1d(graph: OnnxGraph, layer: table.ZeroPadding1D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return _padded(graph, x, [layer.padding])


def _cropping2d(graph: OnnxGraph, layer: table.Cropping2D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return _cut(graph, x, layer.cropping, row.input_shape)


def _cropping1d(graph: OnnxGraph, layer: table.Cropping1D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return _cut(graph, x, [layer.cropping], row.input_shape)


def _repeated(graph: OnnxGraph, x: Tensor, factors: Sequence[int], row: Row) -> Tensor:
    """Each pixel as a block of so many: an axis of its own for each factor, joined with the one before it."""
    *size, channels = row.input_shape
    apart = [n for side in size for n in (side, 1)]
    together = [n for side, factor in zip(size, factors, strict=True) for n in (side, factor)]
    blocks = graph.node("Expand", graph.reshaped(x, (*apart, channels)), np.array([1, *together, channels]))
    return graph.reshaped(blocks, row.output_shape)


def _interpolated(graph: OnnxGraph, layer: table.UpSampling2D, x: Tensor, row: Row) -> Tensor:
    """Rows, then columns, each by the matrix that Keras interpolates with, taken from its layer."""
    (height, width, channels), (rows, columns) = row.input_shape, layer.size
    x = graph.reshaped(x, (height, width * channels))
    x = graph.node("MatMul", _matrix(height, rows, layer.interpolation), x)
    x = graph.reshaped(x, (height * rows, width, channels))
    return graph.node("MatMul", _matrix(width, columns, layer.interpolation), x)


def _matrix(n: int, factor: int, interpolation: str) -> np.ndarray:
    """The matrix (factor n, n) from n pixels to the enlarged ones."""
    import keras

    enlarge = keras.layers.UpSampling2D((factor, 1), interpolation=interpolation)
    return np.asarray(enlarge(np.eye(n, dtype=np.float32)[None, :, :, None]))[0, :, :, 0]


def _upsampling2d(graph: OnnxGraph, layer: table.UpSampling2D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    if layer.interpolation == "nearest":
        return _repeated(graph, x, layer.size, row)
    return _interpolated(graph, layer, x, row)


def _upsampling1d(graph: OnnxGraph, layer: table.UpSampling1D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return _repeated(graph, x, (layer.size,), row)


def _k_sparse(graph: OnnxGraph, layer: KSparse, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    values, indices = graph.nodes("TopK", x, np.array([layer.k]), outputs=2, axis=-1)
    return graph.node("ScatterElements", x * 0.0, indices, values, axis=-1)


def _code_mean(graph: OnnxGraph, layer: CodeMean, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
    return graph.node("Slice", x, np.array([0]), np.array([row.output_shape[0]]), np.array([1]))


LAYERS: dict[type[Layer], Write] = {
    table.Dense: _dense,
    table.Conv2D: _conv2d,
    table.FixedConv2D: _fixed_conv2d,
    table.Conv1D: _conv1d,
    table.Conv2DTranspose: _conv2d_transpose,
    table.Conv1DTranspose: _conv1d_transpose,
    table.MaxPooling2D: _pooling2d("MaxPool"),
    table.AveragePooling2D: _pooling2d("AveragePool"),
    table.MaxPooling1D: _pooling1d("MaxPool"),
    table.AveragePooling1D: _pooling1d("AveragePool"),
    table.GlobalAveragePooling2D: _global_pooling("ReduceMean"),
    table.GlobalMaxPooling2D: _global_pooling("ReduceMax"),
    table.GlobalAveragePooling1D: _global_pooling("ReduceMean"),
    table.GlobalMaxPooling1D: _global_pooling("ReduceMax"),
    table.Flatten: _reshape,
    table.Reshape: _reshape,
    table.BatchNormalization: _batch_normalization,
    table.LayerNormalization: _layer_normalization,
    table.Activation: _activation,
    table.ReLU: _relu,
    table.LeakyReLU: _leaky_relu,
    table.ELU: _elu,
    table.Softmax: _softmax,
    table.ZeroPadding2D: _zero_padding2d,
    table.Cropping2D: _cropping2d,
    table.ZeroPadding1D: _zero_padding1d,
    table.Cropping1D: _cropping1d,
    table.UpSampling2D: _upsampling2d,
    table.UpSampling1D: _upsampling1d,
    KSparse: _k_sparse,
    CodeMean: _code_mean,
}
