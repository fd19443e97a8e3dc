"""The table of layers: Keras's names and arguments, with shapes and weights."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import field_serializer

from mlphys.errors import Refusal
from mlphys.schema import registry
from mlphys.schema.fields import (
    ActivationName,
    Border1D,
    Border2D,
    Count,
    NotNegative,
    Positive,
    Rate,
    Shape,
    Size2D,
    TargetShape,
)
from mlphys.schema.initializers import (
    GlorotUniform,
    InitializerField,
    Ones,
    RegularizerField,
    Zeros,
)
from mlphys.schema.kernels import Kernels
from mlphys.schema.kernels import array as kernel_array
from mlphys.schema.kernels import dump as dump_kernels
from mlphys.schema.spec import Choice, Spec

Window = tuple[tuple[int, float], ...]  # per direction: (kernel, stride); a stride below 1 enlarges


class Layer(Spec):
    """A Keras layer of the same name. Shapes are of one sample, channels last."""

    # False: XLA's version is slower on a CPU (convolutions five times, random numbers three times)
    compiles_in_xla: ClassVar[bool] = True
    separable: ClassVar[bool] = False  # what it gives for a sample depends on that sample alone
    takes_sequence: ClassVar[bool] = False  # (steps, channels)
    only_in_training: ClassVar[bool] = False  # it passes its input on when the net is evaluated

    def keras_layer(self) -> str:
        """The class in keras.layers that takes `arguments`."""
        return type(self).__name__

    def output_shape(self, shape: Shape) -> Shape:
        """Raises Refusal where the layer cannot take `shape`."""
        return shape

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The trained weights by Keras's names, in Keras's order."""
        return {}

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The weights that are measured, not trained."""
        return {}

    def activation_name(self) -> str | None:
        """The function that its outputs come from, None where it has none."""
        return None

    def window(self) -> Window | None:
        """What one output sees of the input; None: all of it."""
        return ()


def begins_with_sequence(layers: Sequence[Layer]) -> bool:
    """Whether the first layer that cares about the shape of its input takes (steps, channels)."""
    for layer in layers:
        if layer.takes_sequence:
            return True
        if not (layer.only_in_training or isinstance(layer, Activation | BatchNormalization)):
            return False
    return False


def need_rank(layer: str, shape: Shape, rank: int) -> None:
    """Raise Refusal unless `shape` has `rank` entries."""
    if len(shape) == rank:
        return
    wanted = {2: "a sequence (steps, channels)", 3: "an image (height, width, channels)"}[rank]
    remedy = "put it before Flatten, or put a Reshape before it" if len(shape) == 1 else "put a Reshape before it"
    raise Refusal((), f"{layer} needs {wanted}; received {text(shape)}; {remedy}")


def text(shape: Shape) -> str:
    """`28 x 28 x 1`."""
    return " x ".join(str(n) for n in shape)


def _slid(layer: str, n: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Positions of a window that slides along n pixels."""
    if padding != "valid":
        return math.ceil(n / stride)
    reach = dilation * (kernel - 1) + 1
    if reach > n:
        raise Refusal(
            (),
            f"a window of {reach} does not fit into {n}; use a smaller one in {layer}, "
            f"less pooling before it, or padding: same",
        )
    return (n - reach) // stride + 1


class Weighted(Layer):
    """The arguments of the layers with a kernel and a bias."""

    separable = True
    activation: ActivationName | None = None
    use_bias: bool = True
    kernel_initializer: InitializerField = GlorotUniform()
    bias_initializer: InitializerField = Zeros()
    kernel_regularizer: RegularizerField | None = None
    bias_regularizer: RegularizerField | None = None
    activity_regularizer: RegularizerField | None = None

    def activation_name(self) -> str | None:
        return self.activation

    @abstractmethod
    def kernel(self, shape: Shape) -> Shape: ...

    @abstractmethod
    def outputs(self) -> int: ...

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        kernel = {"kernel": self.kernel(shape)}
        return {**kernel, "bias": (self.outputs(),)} if self.use_bias else kernel


class Dense(Weighted):
    units: Count

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.units)

    def kernel(self, shape: Shape) -> Shape:
        return (shape[-1], self.units)

    def outputs(self) -> int:
        return self.units


class Conv2D(Weighted):
    compiles_in_xla = False
    filters: Count
    kernel_size: Size2D
    strides: Size2D = (1, 1)
    padding: Literal["valid", "same"] = "valid"
    dilation_rate: Size2D = (1, 1)

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Conv2D", shape, 3)
        _not_both(self.strides, self.dilation_rate)
        size = [
            _slid("Conv2D", n, k, s, self.padding, d)
            for n, k, s, d in zip(shape, self.kernel_size, self.strides, self.dilation_rate, strict=False)
        ]
        return (*size, self.filters)

    def kernel(self, shape: Shape) -> Shape:
        return (*self.kernel_size, shape[-1], self.filters)

    def outputs(self) -> int:
        return self.filters

    def window(self) -> Window | None:
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        return tuple(zip(reach, self.strides, strict=True))


class Conv2DTranspose(Weighted):
    compiles_in_xla = False
    filters: Count
    kernel_size: Size2D
    strides: Size2D = (1, 1)
    padding: Literal["valid", "same"] = "valid"

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Conv2DTranspose", shape, 3)
        size = [
            n * s + (max(k - s, 0) if self.padding == "valid" else 0)
            for n, k, s in zip(shape, self.kernel_size, self.strides, strict=False)
        ]
        return (*size, self.filters)

    def kernel(self, shape: Shape) -> Shape:
        return (*self.kernel_size, self.filters, shape[-1])

    def outputs(self) -> int:
        return self.filters

    def window(self) -> Window | None:
        return tuple((math.ceil(k / s), 1 / s) for k, s in zip(self.kernel_size, self.strides, strict=True))


class Conv1D(Weighted):
    takes_sequence = True
    compiles_in_xla = False
    filters: Count
    kernel_size: Count
    strides: Count = 1
    padding: Literal["valid", "same", "causal"] = "valid"
    dilation_rate: Count = 1

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Conv1D", shape, 2)
        _not_both((self.strides,), (self.dilation_rate,))
        steps = _slid("Conv1D", shape[0], self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (steps, self.filters)

    def kernel(self, shape: Shape) -> Shape:
        return (self.kernel_size, shape[-1], self.filters)

    def outputs(self) -> int:
        return self.filters

    def window(self) -> Window | None:
        return ((self.dilation_rate * (self.kernel_size - 1) + 1, self.strides),)


class Conv1DTranspose(Weighted):
    takes_sequence = True
    compiles_in_xla = False
    filters: Count
    kernel_size: Count
    strides: Count = 1
    padding: Literal["valid", "same"] = "valid"

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Conv1DTranspose", shape, 2)
        beyond = max(self.kernel_size - self.strides, 0) if self.padding == "valid" else 0
        return (shape[0] * self.strides + beyond, self.filters)

    def kernel(self, shape: Shape) -> Shape:
        return (self.kernel_size, self.filters, shape[-1])

    def outputs(self) -> int:
        return self.filters

    def window(self) -> Window | None:
        return ((math.ceil(self.kernel_size / self.strides), 1 / self.strides),)


def _not_both(strides: tuple[int, ...], dilation: tuple[int, ...]) -> None:
    if max(strides) > 1 and max(dilation) > 1:
        raise Refusal((), "strides and dilation_rate cannot both be greater than 1; set one of them to 1")


class MaxPooling2D(Layer):
    separable = True
    compiles_in_xla = False
    pool_size: Size2D = (2, 2)
    strides: Size2D | None = None
    padding: Literal["valid", "same"] = "valid"

    def output_shape(self, shape: Shape) -> Shape:
        name = type(self).__name__
        need_rank(name, shape, 3)
        steps = self.strides or self.pool_size
        size = [_slid(name, n, k, s, self.padding) for n, k, s in zip(shape, self.pool_size, steps, strict=False)]
        return (*size, shape[-1])

    def window(self) -> Window | None:
        return tuple(zip(self.pool_size, self.strides or self.pool_size, strict=True))


class AveragePooling2D(MaxPooling2D):
    pool_size: Size2D


class MaxPooling1D(Layer):
    takes_sequence = True
    separable = True
    compiles_in_xla = False
    pool_size: Count = 2
    strides: Count | None = None
    padding: Literal["valid", "same"] = "valid"

    def output_shape(self, shape: Shape) -> Shape:
        name = type(self).__name__
        need_rank(name, shape, 2)
        steps = _slid(name, shape[0], self.pool_size, self.strides or self.pool_size, self.padding)
        return (steps, shape[1])

    def window(self) -> Window | None:
        return ((self.pool_size, self.strides or self.pool_size),)


class AveragePooling1D(MaxPooling1D):
    pool_size: Count


class GlobalAveragePooling2D(Layer):
    separable = True
    keepdims: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        need_rank(type(self).__name__, shape, 3)
        return (1, 1, shape[-1]) if self.keepdims else (shape[-1],)

    def window(self) -> Window | None:
        return None


class GlobalMaxPooling2D(GlobalAveragePooling2D):
    pass


class GlobalAveragePooling1D(Layer):
    takes_sequence = True
    separable = True
    keepdims: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        need_rank(type(self).__name__, shape, 2)
        return (1, shape[-1]) if self.keepdims else (shape[-1],)

    def window(self) -> Window | None:
        return None


class GlobalMaxPooling1D(GlobalAveragePooling1D):
    pass


class Flatten(Layer):
    separable = True

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


class Reshape(Layer):
    separable = True
    target_shape: TargetShape

    def output_shape(self, shape: Shape) -> Shape:
        have, fixed = math.prod(shape), math.prod(n for n in self.target_shape if n != -1)
        free = self.target_shape.count(-1)
        if free > 1 or 0 in self.target_shape:
            wanted = text(self.target_shape)
            raise Refusal((), f"target_shape takes numbers of at least 1, and -1 at most once; received {wanted}")
        if (free and have % fixed) or (not free and have != fixed):
            raise Refusal(
                (),
                f"{text(shape)} = {have} values cannot be reshaped to {text(self.target_shape)}; "
                f"the product must be {have}",
            )
        return tuple(have // fixed if n == -1 else n for n in self.target_shape)

    def window(self) -> Window | None:
        return None


class Dropout(Layer):
    separable = True
    only_in_training = True
    compiles_in_xla = False
    rate: Rate


class SpatialDropout2D(Dropout):
    def output_shape(self, shape: Shape) -> Shape:
        need_rank("SpatialDropout2D", shape, 3)
        return shape


class GaussianDropout(Dropout):
    pass


class GaussianNoise(Layer):
    separable = True
    only_in_training = True
    compiles_in_xla = False
    stddev: NotNegative


class BatchNormalization(Layer):
    momentum: Rate = 0.99
    epsilon: Positive = 0.001
    center: bool = True
    scale: bool = True
    beta_initializer: InitializerField = Zeros()
    gamma_initializer: InitializerField = Ones()
    moving_mean_initializer: InitializerField = Zeros()
    moving_variance_initializer: InitializerField = Ones()
    beta_regularizer: RegularizerField | None = None
    gamma_regularizer: RegularizerField | None = None

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        wanted = {"gamma": self.scale, "beta": self.center}
        return {name: (shape[-1],) for name, used in wanted.items() if used}

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {"moving_mean": (shape[-1],), "moving_variance": (shape[-1],)}


class LayerNormalization(Layer):
    separable = True
    epsilon: Positive = 0.001
    center: bool = True
    scale: bool = True
    beta_initializer: InitializerField = Zeros()
    gamma_initializer: InitializerField = Ones()
    beta_regularizer: RegularizerField | None = None
    gamma_regularizer: RegularizerField | None = None

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        wanted = {"gamma": self.scale, "beta": self.center}
        return {name: (shape[-1],) for name, used in wanted.items() if used}


class Activation(Layer):
    separable = True
    activation: ActivationName

    def activation_name(self) -> str | None:
        return self.activation


class ReLU(Layer):
    separable = True
    max_value: NotNegative | None = None
    negative_slope: NotNegative = 0.0
    threshold: NotNegative = 0.0

    def activation_name(self) -> str | None:
        return "leaky_relu" if self.negative_slope else "relu"


class LeakyReLU(Layer):
    separable = True
    negative_slope: NotNegative = 0.3


class ELU(Layer):
    separable = True
    alpha: NotNegative = 1.0


class Softmax(Layer):
    separable = True


class FixedConv2D(Layer):
    """A convolution with given kernels, each of which adds up all input channels: an output a kernel, no bias.

    As in Keras's Conv2D the kernel is not turned round.
    """

    separable = True
    compiles_in_xla = False
    kernel: Kernels
    strides: Size2D = (1, 1)
    padding: Literal["valid", "same"] = "valid"
    activation: ActivationName | None = None

    @field_serializer("kernel")
    def _written(self, kernels: tuple[Any, ...]) -> list[Any]:
        return dump_kernels(kernels)

    def keras_layer(self) -> str:
        return "Conv2D"

    def activation_name(self) -> str | None:
        return self.activation

    def values(self) -> np.ndarray:
        """float32 (height, width, kernels)."""
        return np.stack([kernel_array(kernel) for kernel in self.kernel], axis=-1)

    def arguments(self) -> dict[str, Any]:
        values = self.values()
        return {
            "filters": values.shape[-1],
            "kernel_size": values.shape[:2],
            "strides": self.strides,
            "padding": self.padding,
            "activation": self.activation,
            "use_bias": False,
            "kernel_initializer": values[:, :, None],
            "trainable": False,
        }

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("FixedConv2D", shape, 3)
        height, width, filters = self.values().shape
        rows = _slid("FixedConv2D", shape[0], height, self.strides[0], self.padding)
        columns = _slid("FixedConv2D", shape[1], width, self.strides[1], self.padding)
        return (rows, columns, filters)

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        height, width, filters = self.values().shape
        return {"kernel": (height, width, shape[-1], filters)}

    def window(self) -> Window | None:
        height, width, _ = self.values().shape
        return ((height, self.strides[0]), (width, self.strides[1]))


class ZeroPadding2D(Layer):
    separable = True
    padding: Border2D = ((1, 1), (1, 1))

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("ZeroPadding2D", shape, 3)
        return (shape[0] + sum(self.padding[0]), shape[1] + sum(self.padding[1]), shape[2])


class Cropping2D(Layer):
    separable = True
    cropping: Border2D = ((0, 0), (0, 0))

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Cropping2D", shape, 3)
        size = (shape[0] - sum(self.cropping[0]), shape[1] - sum(self.cropping[1]))
        if min(size) < 1:
            raise Refusal((), f"nothing of {text(shape)} is left after cropping; crop less")
        return (*size, shape[2])


class ZeroPadding1D(Layer):
    takes_sequence = True
    separable = True
    padding: Border1D = (1, 1)

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("ZeroPadding1D", shape, 2)
        return (shape[0] + sum(self.padding), shape[1])


class Cropping1D(Layer):
    takes_sequence = True
    separable = True
    cropping: Border1D = (1, 1)

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Cropping1D", shape, 2)
        steps = shape[0] - sum(self.cropping)
        if steps < 1:
            raise Refusal((), f"nothing of {text(shape)} is left after cropping; crop less")
        return (steps, shape[1])


class UpSampling2D(Layer):
    separable = True
    compiles_in_xla = False
    size: Size2D = (2, 2)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"] = "nearest"

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("UpSampling2D", shape, 3)
        return (shape[0] * self.size[0], shape[1] * self.size[1], shape[2])

    def window(self) -> Window | None:
        pixels = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}[self.interpolation]
        return tuple((pixels, 1 / size) for size in self.size)


class UpSampling1D(Layer):
    takes_sequence = True
    separable = True
    compiles_in_xla = False
    size: Count = 2

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("UpSampling1D", shape, 2)
        return (shape[0] * self.size, shape[1])

    def window(self) -> Window | None:
        return ((1, 1 / self.size),)


LAYERS = registry.classes(__name__, Layer)

LayerField = Annotated[Layer, Choice("layer", LAYERS)]
