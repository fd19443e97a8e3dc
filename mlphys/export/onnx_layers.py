"""The table of layers, and of activations, in ONNX's operators: with Keras's arguments, channels last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlphys.export.onnx_graph import OnnxGraph, Tensor, Write
from mlphys.export.onnx_windows import Sliding, convolved, pooled, transposed
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


def _conv(graph: OnnxGraph, x: Tensor, arrays: Arrays, window: Sliding, activation: str | None) -> Tensor:
    return ACTIVATIONS[activation or "linear"](graph, convolved(graph, x, arrays, window))


def _transposed(
    graph: OnnxGraph, x: Tensor, arrays: Arrays, strides: Sequence[int], padding: str, activation: str | None
) -> Tensor:
    return ACTIVATIONS[activation or "linear"](graph, transposed(graph, x, arrays, strides, padding))


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
        return pooled(graph, operator, x, Sliding.of(row.input_shape, layer.pool_size, strides, (1, 1), layer.padding))

    return write


def _pooling1d(operator: str) -> Write:
    def write(graph: OnnxGraph, layer: table.MaxPooling1D, arrays: Arrays, x: Tensor, row: Row) -> Tensor:
        strides = layer.strides or layer.pool_size
        window = Sliding.of(row.input_shape, (layer.pool_size,), (strides,), (1,), layer.padding)
        return pooled(graph, operator, x, window)

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
