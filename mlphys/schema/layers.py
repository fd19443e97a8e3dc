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
    separable: ClassVar[bool] = False  # its output for a sample depends on that sample alone
    takes_sequence: ClassVar[bool] = False  # (steps, channels)
    only_in_training: ClassVar[bool] = False  # identity when the network is evaluated

    def keras_layer(self) -> str:
        """The class in keras.layers that takes `arguments`."""
        return type(self).__name__

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises Refusal for unsuitable input shapes."""
        return shape

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Shapes of the trainable weights by Keras's names, in Keras's order."""
        return {}

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Shapes of the non-trainable weights, such as moving averages."""
        return {}

    def activation_name(self) -> str | None:
        """The activation function of its outputs, None if it has none."""
        return None

    def window(self) -> Window | None:
        """The receptive field of one output in the input, per direction; None: all of it."""
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
    expected = {2: "a sequence (steps, channels)", 3: "an image (height, width, channels)"}[rank]
    remedy = "put it before Flatten, or put a Reshape before it" if len(shape) == 1 else "put a Reshape before it"
    raise Refusal((), f"{layer} needs {expected}; received {text(shape)}; {remedy}")


def text(shape: Shape) -> str:
    """`28 x 28 x 1`."""
    return " x ".join(str(n) for n in shape)


def _slid(layer: str, n: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Number of positions of a window that slides along n pixels."""
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
    """The function applied to the outputs; null is linear. Example: relu"""
    use_bias: bool = True
    """false leaves the bias out."""
    kernel_initializer: InitializerField = GlorotUniform()
    """How the kernel is initialized. Example: he_normal"""
    bias_initializer: InitializerField = Zeros()
    """How the bias is initialized."""
    kernel_regularizer: RegularizerField | None = None
    """A penalty on the kernel, added to the cost. Example: {L2: {l2: 0.001}}"""
    bias_regularizer: RegularizerField | None = None
    """A penalty on the bias, added to the cost. Example: {L2: {l2: 0.001}}"""
    activity_regularizer: RegularizerField | None = None
    """A penalty on the outputs, added to the cost. Example: {L1: {l1: 1e-5}}"""

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
    """Every output from every input: activation(W x + b)."""

    positional = ("units", "activation", "use_bias")
    shorthand = "units"
    units: Count
    """The number of outputs. Example: 10"""

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.units)

    def kernel(self, shape: Shape) -> Shape:
        return (shape[-1], self.units)

    def outputs(self) -> int:
        return self.units


class Conv2D(Weighted):
    """Convolution of an image (height, width, channels) with trained kernels."""

    positional = ("filters", "kernel_size", "strides", "padding")
    compiles_in_xla = False
    filters: Count
    """The number of output channels. Example: 8"""
    kernel_size: Size2D
    """The height and width of the kernel, in pixels; one number is both. Example: [5, 5]"""
    strides: Size2D = (1, 1)
    """The step of the kernel, in pixels, down and to the right; one number is both."""
    padding: Literal["valid", "same"] = "valid"
    """same pads with zeros so that a stride of 1 keeps the image's size; valid does not pad."""
    dilation_rate: Size2D = (1, 1)
    """The distance of neighbouring kernel values, in pixels; one number is both directions."""

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
    """The transpose of Conv2D, which enlarges an image."""

    positional = ("filters", "kernel_size", "strides", "padding")
    compiles_in_xla = False
    filters: Count
    """The number of output channels. Example: 8"""
    kernel_size: Size2D
    """The height and width of the kernel, in pixels; one number is both. Example: [3, 3]"""
    strides: Size2D = (1, 1)
    """The factor by which the image grows, down and to the right; one number is both."""
    padding: Literal["valid", "same"] = "valid"
    """same: the image grows by the strides exactly; valid: also by what the kernel reaches beyond."""

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
    """Convolution of a sequence (steps, channels) with trained kernels."""

    positional = ("filters", "kernel_size", "strides", "padding")
    takes_sequence = True
    compiles_in_xla = False
    filters: Count
    """The number of output channels. Example: 8"""
    kernel_size: Count
    """The length of the kernel, in steps. Example: 5"""
    strides: Count = 1
    """The step of the kernel."""
    padding: Literal["valid", "same", "causal"] = "valid"
    """same pads both ends with zeros, causal the front only, valid none."""
    dilation_rate: Count = 1
    """The distance of neighbouring kernel values, in steps."""

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
    """The transpose of Conv1D, which enlarges a sequence."""

    positional = ("filters", "kernel_size", "strides", "padding")
    takes_sequence = True
    compiles_in_xla = False
    filters: Count
    """The number of output channels. Example: 8"""
    kernel_size: Count
    """The length of the kernel, in steps. Example: 5"""
    strides: Count = 1
    """The factor by which the sequence grows."""
    padding: Literal["valid", "same"] = "valid"
    """same: the sequence grows by the strides exactly; valid: also by what the kernel reaches beyond."""

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
    """The largest value in each window of an image."""

    positional = ("pool_size", "strides", "padding")
    shorthand = "pool_size"
    separable = True
    compiles_in_xla = False
    pool_size: Size2D = (2, 2)
    """The height and width of the window, in pixels; one number is both. Example: 2"""
    strides: Size2D | None = None
    """The step of the window; null is the pool size. Example: 2"""
    padding: Literal["valid", "same"] = "valid"
    """same keeps an incomplete window at the border; valid drops it."""

    def output_shape(self, shape: Shape) -> Shape:
        name = type(self).__name__
        need_rank(name, shape, 3)
        steps = self.strides or self.pool_size
        size = [_slid(name, n, k, s, self.padding) for n, k, s in zip(shape, self.pool_size, steps, strict=False)]
        return (*size, shape[-1])

    def window(self) -> Window | None:
        return tuple(zip(self.pool_size, self.strides or self.pool_size, strict=True))


class AveragePooling2D(MaxPooling2D):
    """The mean of each window of an image."""

    pool_size: Size2D


class MaxPooling1D(Layer):
    """The largest value in each window of a sequence."""

    positional = ("pool_size", "strides", "padding")
    shorthand = "pool_size"
    takes_sequence = True
    separable = True
    compiles_in_xla = False
    pool_size: Count = 2
    """The length of the window, in steps. Example: 2"""
    strides: Count | None = None
    """The step of the window; null is the pool size. Example: 2"""
    padding: Literal["valid", "same"] = "valid"
    """same keeps an incomplete window at the end; valid drops it."""

    def output_shape(self, shape: Shape) -> Shape:
        name = type(self).__name__
        need_rank(name, shape, 2)
        steps = _slid(name, shape[0], self.pool_size, self.strides or self.pool_size, self.padding)
        return (steps, shape[1])

    def window(self) -> Window | None:
        return ((self.pool_size, self.strides or self.pool_size),)


class AveragePooling1D(MaxPooling1D):
    """The mean of each window of a sequence."""

    pool_size: Count


class GlobalAveragePooling2D(Layer):
    """The mean of each channel over the whole image."""

    separable = True
    keepdims: bool = False
    """true keeps height and width as 1."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank(type(self).__name__, shape, 3)
        return (1, 1, shape[-1]) if self.keepdims else (shape[-1],)

    def window(self) -> Window | None:
        return None


class GlobalMaxPooling2D(GlobalAveragePooling2D):
    """The largest value of each channel over the whole image."""


class GlobalAveragePooling1D(Layer):
    """The mean of each channel over the whole sequence."""

    takes_sequence = True
    separable = True
    keepdims: bool = False
    """true keeps the steps as 1."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank(type(self).__name__, shape, 2)
        return (1, shape[-1]) if self.keepdims else (shape[-1],)

    def window(self) -> Window | None:
        return None


class GlobalMaxPooling1D(GlobalAveragePooling1D):
    """The largest value of each channel over the whole sequence."""


class Flatten(Layer):
    """All values of a sample in one row."""

    separable = True

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


class Reshape(Layer):
    """The same values in another shape."""

    positional = ("target_shape",)
    shorthand = "target_shape"
    separable = True
    target_shape: TargetShape
    """The new shape of a sample; one entry may be -1 and follows from the others. Example: [28, 28, 1]"""

    def output_shape(self, shape: Shape) -> Shape:
        have, fixed = math.prod(shape), math.prod(n for n in self.target_shape if n != -1)
        free = self.target_shape.count(-1)
        if free > 1 or 0 in self.target_shape:
            received = text(self.target_shape)
            raise Refusal((), f"target_shape takes numbers of at least 1, and -1 at most once; received {received}")
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
    """Sets a fraction of the values to zero in training (Srivastava et al. 2014)."""

    positional = ("rate",)
    shorthand = "rate"
    separable = True
    only_in_training = True
    compiles_in_xla = False
    rate: Rate
    """The fraction of values that is set to zero in training. Example: 0.5"""


class SpatialDropout2D(Dropout):
    """Sets whole channels of an image to zero in training."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("SpatialDropout2D", shape, 3)
        return shape


class GaussianDropout(Dropout):
    """Multiplies by Gaussian noise of mean 1 in training."""


class GaussianNoise(Layer):
    """Adds Gaussian noise in training."""

    positional = ("stddev",)
    shorthand = "stddev"
    separable = True
    only_in_training = True
    compiles_in_xla = False
    stddev: NotNegative
    """The standard deviation of the noise that is added in training. Example: 0.1"""


class BatchNormalization(Layer):
    """Mean 0 and variance 1 over the batch, then a trained scale and offset (Ioffe & Szegedy 2015)."""

    momentum: Rate = 0.99
    """The weight of the old value in the moving mean and variance."""
    epsilon: Positive = 0.001
    """Added to the variance before its square root divides."""
    center: bool = True
    """false leaves the trained offset beta out."""
    scale: bool = True
    """false leaves the trained factor gamma out."""
    beta_initializer: InitializerField = Zeros()
    """How beta is initialized."""
    gamma_initializer: InitializerField = Ones()
    """How gamma is initialized."""
    moving_mean_initializer: InitializerField = Zeros()
    """How the moving mean is initialized."""
    moving_variance_initializer: InitializerField = Ones()
    """How the moving variance is initialized."""
    beta_regularizer: RegularizerField | None = None
    """A penalty on beta, added to the cost. Example: {L2: {l2: 0.001}}"""
    gamma_regularizer: RegularizerField | None = None
    """A penalty on gamma, added to the cost. Example: {L2: {l2: 0.001}}"""

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        used_by_name = {"gamma": self.scale, "beta": self.center}
        return {name: (shape[-1],) for name, used in used_by_name.items() if used}

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {"moving_mean": (shape[-1],), "moving_variance": (shape[-1],)}


class LayerNormalization(Layer):
    """Mean 0 and variance 1 over each sample's last axis, then a trained scale and offset (Ba et al. 2016)."""

    separable = True
    epsilon: Positive = 0.001
    """Added to the variance before its square root divides."""
    center: bool = True
    """false leaves the trained offset beta out."""
    scale: bool = True
    """false leaves the trained factor gamma out."""
    beta_initializer: InitializerField = Zeros()
    """How beta is initialized."""
    gamma_initializer: InitializerField = Ones()
    """How gamma is initialized."""
    beta_regularizer: RegularizerField | None = None
    """A penalty on beta, added to the cost. Example: {L2: {l2: 0.001}}"""
    gamma_regularizer: RegularizerField | None = None
    """A penalty on gamma, added to the cost. Example: {L2: {l2: 0.001}}"""

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        used_by_name = {"gamma": self.scale, "beta": self.center}
        return {name: (shape[-1],) for name, used in used_by_name.items() if used}


class Activation(Layer):
    """An activation function by itself."""

    positional = ("activation",)
    shorthand = "activation"
    separable = True
    activation: ActivationName
    """The function applied to every value. Example: relu"""

    def activation_name(self) -> str | None:
        return self.activation


class ReLU(Layer):
    """max(0, x), with Keras's variants."""

    positional = ("max_value", "negative_slope", "threshold")
    separable = True
    max_value: NotNegative | None = None
    """The largest output; null: no limit. Example: 6.0"""
    negative_slope: NotNegative = 0.0
    """The slope below the threshold."""
    threshold: NotNegative = 0.0
    """The input at which the linear part begins."""

    def activation_name(self) -> str | None:
        return "leaky_relu" if self.negative_slope else "relu"


class LeakyReLU(Layer):
    """x above zero, a fraction of it below."""

    positional = ("negative_slope",)
    shorthand = "negative_slope"
    separable = True
    negative_slope: NotNegative = 0.3
    """The slope for negative inputs."""


class ELU(Layer):
    """x above zero, alpha (exp(x) - 1) below (Clevert et al. 2015)."""

    positional = ("alpha",)
    shorthand = "alpha"
    separable = True
    alpha: NotNegative = 1.0
    """The limit -alpha of the output for very negative inputs."""


class Softmax(Layer):
    """Probabilities from the last axis: exp(x_k) / sum_j exp(x_j)."""

    separable = True


class FixedConv2D(Layer):
    """A convolution with fixed kernels, each summed over all input channels: one output per kernel, no bias.

    As in Keras's Conv2D, a cross-correlation: kernels are not flipped.
    """

    separable = True
    compiles_in_xla = False
    kernel: Kernels
    """One kernel or a list of them: rows of numbers, or a formula by name. Example: [[-1, 0, 1], [-2, 0, 2], [-1, 0,
    1]]
    """
    strides: Size2D = (1, 1)
    """The step of the kernel, in pixels; one number is both directions."""
    padding: Literal["valid", "same"] = "valid"
    """same pads with zeros so that a stride of 1 keeps the image's size; valid does not pad."""
    activation: ActivationName | None = None
    """The function applied to the outputs; null is linear. Example: relu"""

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
    """Adds zeros around an image."""

    positional = ("padding",)
    shorthand = "padding"
    separable = True
    padding: Border2D = ((1, 1), (1, 1))
    """Pixels added at the border: one number, [rows, columns] or [[top, bottom], [left, right]]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("ZeroPadding2D", shape, 3)
        return (shape[0] + sum(self.padding[0]), shape[1] + sum(self.padding[1]), shape[2])


class Cropping2D(Layer):
    """Cuts the border of an image off."""

    positional = ("cropping",)
    shorthand = "cropping"
    separable = True
    cropping: Border2D = ((0, 0), (0, 0))
    """Pixels cut off at the border: one number, [rows, columns] or [[top, bottom], [left, right]]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Cropping2D", shape, 3)
        size = (shape[0] - sum(self.cropping[0]), shape[1] - sum(self.cropping[1]))
        if min(size) < 1:
            raise Refusal((), f"nothing of {text(shape)} is left after cropping; crop less")
        return (*size, shape[2])


class ZeroPadding1D(Layer):
    """Adds zeros at the ends of a sequence."""

    positional = ("padding",)
    shorthand = "padding"
    takes_sequence = True
    separable = True
    padding: Border1D = (1, 1)
    """Steps added at the ends: one number, or [front, end]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("ZeroPadding1D", shape, 2)
        return (shape[0] + sum(self.padding), shape[1])


class Cropping1D(Layer):
    """Cuts the ends of a sequence off."""

    positional = ("cropping",)
    shorthand = "cropping"
    takes_sequence = True
    separable = True
    cropping: Border1D = (1, 1)
    """Steps cut off at the ends: one number, or [front, end]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Cropping1D", shape, 2)
        steps = shape[0] - sum(self.cropping)
        if steps < 1:
            raise Refusal((), f"nothing of {text(shape)} is left after cropping; crop less")
        return (steps, shape[1])


class UpSampling2D(Layer):
    """Enlarges an image by a whole factor."""

    positional = ("size",)
    shorthand = "size"
    separable = True
    compiles_in_xla = False
    size: Size2D = (2, 2)
    """The factor by which the image grows, down and to the right; one number is both. Example: 2"""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"] = "nearest"
    """How the new pixels are computed."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("UpSampling2D", shape, 3)
        return (shape[0] * self.size[0], shape[1] * self.size[1], shape[2])

    def window(self) -> Window | None:
        pixels = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}[self.interpolation]
        return tuple((pixels, 1 / size) for size in self.size)


class UpSampling1D(Layer):
    """Enlarges a sequence by a whole factor."""

    positional = ("size",)
    shorthand = "size"
    takes_sequence = True
    separable = True
    compiles_in_xla = False
    size: Count = 2
    """The factor by which the sequence grows."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("UpSampling1D", shape, 2)
        return (shape[0] * self.size, shape[1])

    def window(self) -> Window | None:
        return ((1, 1 / self.size),)


LAYERS = registry.classes(__name__, Layer)

# Keras's other names
ALIASES = {
    short: name
    for name in LAYERS
    for short in (name.replace("MaxPooling", "MaxPool"), name.replace("AveragePooling", "AvgPool"))
    if short != name
} | {name.replace("Conv", "Convolution"): name for name in LAYERS if name.startswith("Conv")}

LayerField = Annotated[Layer, Choice("layer", LAYERS, ALIASES)]
