"""Keras's convolutions and what stands between them, with compiled batch-interleaved convolutions for few channels.

Weights and results are those of Keras's layers, up to rounding. Each output tensor carries its batch-interleaved copy
as an attribute, so that the next convolution need not interleave again. TensorFlow prunes whichever copy is unused.
After an upsampling, the pixels of a 2 x 2 block see the same coarse pixels: one smaller kernel with four times the
filters computes the block (sub-pixel convolution, Shi et al. 2016).
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from keras import ops

from mlphys.native import processor, vector_math
from mlphys.native.conv_forward import Convolution
from mlphys.native.normalization import Scaling
from mlphys.networks.keras_internals import attach, attached
from mlphys.networks.tensorflow import tf

# By vector width: how many times as fast as TensorFlow's on one core the compiled convolutions are, up to so many
# input channels * filters (scripts/bench_convolutions.py); with more, TensorFlow's fill the vectors as well.
SPEEDUP = {8: ((32, 1.7), (64, 1.5), (512, 1.2), (1024, 1.1))}
PRODUCT = 700  # where they are equally fast with vectors of another width
STRIDED = 1.25  # the least speedup with strides, whose few results must pay for interleaving the image
# channels, and pixels; the code grows with them
MAX_CHANNELS, MAX_KERNEL_SIZE, MAX_POOL_SIZE, MAX_STRIDE = 64, 11, 8, 3
ACROSS_CHANNELS = ("softmax", "log_softmax")  # activations that are not elementwise

_core_share, _parts = 0.0, 1


@contextlib.contextmanager
def enabled(core_share: float, parts: int = 1) -> Iterator[None]:
    """In this context, layers of this module use the compiled convolutions where these are faster, on a CPU.

    They run on one core for each of the `parts` of a batch, which are `core_share` of the cores that TensorFlow would
    use; 0 disables them. Their gradient cannot be differentiated again.
    """
    global _core_share, _parts
    before = _core_share, _parts
    _core_share, _parts = core_share if core_share and width() else 0.0, parts
    try:
        yield
    finally:
        _core_share, _parts = before


def width() -> int | None:
    """SIMD width in samples; None if this processor or this TensorFlow does not support compiled convolutions."""
    from mlphys.native import tf_ops

    simd = processor.simd_unit()
    return simd.width if simd and tf_ops.available() else None


def without_gradient(x: Any) -> Any:
    """Mark x as data: a convolution that reads it directly computes no gradient with respect to it."""
    return attach(x, "without_gradient", True)


def fuse(layers: Sequence[Any]) -> None:
    """Let each convolution and normalization of a chain of layers compute what follows it."""
    for i, layer in enumerate(layers):
        if isinstance(layer, _Fusing):
            layer.following = [*itertools.takewhile(lambda each: isinstance(each, _Fused), layers[i + 1 :])]


class _Fusing(keras.layers.Layer):
    following: Sequence[_Fused] = ()

    def _fused(self, layer: Any) -> tuple[Any, list[_Fused]]:
        """What the native layer is together with as many as possible of those that follow, and these."""
        fused = []
        for each in self.following:
            if (longer := each.after(layer)) is None:
                break
            layer = longer
            fused.append(each)
        return layer, fused


class _Fused(keras.layers.Layer):
    """A layer that one before it may compute along with its own output."""

    def call(self, pixels: Any) -> Any:
        fused = attached(pixels, "fused")
        if fused is None or fused.layers[0] is not self:
            return super().call(pixels)
        if len(fused.layers) > 1:
            return attach(super().call(pixels), "fused", replace(fused, layers=fused.layers[1:]))
        return fused.output.pixels()

    def after(self, layer: Any) -> Any:
        """The native layer, followed by this one; None if they cannot be fused."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Ahead:
    """The output of the last of these layers, which are next."""

    layers: Sequence[_Fused]
    output: Interleaved


class Conv2D(_Fusing, keras.layers.Conv2D):
    def call(self, pixels: Any) -> Any:
        coarse = attached(pixels, "coarse") if self.strides == (1, 1) else None
        interleaved = attached(pixels, "interleaved") is not None
        if not (_core_share and self._is_supported(pixels.shape, interleaved, coarse is not None)):
            return super().call(pixels)
        if coarse is None:
            inputs, kernel, bias, upsampling = pixels, ops.convert_to_tensor(self.kernel), self.bias, 1
        else:
            inputs, kernel, upsampling = coarse, self._block_kernel(), 2
            bias = ops.tile(self.bias, 4) if self.use_bias else None
        bias = ops.zeros(kernel.shape[-1]) if bias is None else ops.convert_to_tensor(bias)
        name = self.activation.__name__
        emitted = name in vector_math.SUPPORTED
        conv = Convolution(
            tuple(inputs.shape[1:]),
            kernel.shape[3],
            tuple(kernel.shape[:2]),
            self.padding,
            activation=name if emitted else "linear",
            upsampling=upsampling,
            strides=self.strides,
        )
        conv, fused = self._fused(conv) if emitted else (conv, [])
        output = _convolve(inputs, kernel, bias, conv)
        if fused:
            return attach(super().call(pixels), "fused", _Ahead(fused, output))
        return (output if emitted else output.mapped(self.activation)).pixels()

    def _is_supported(self, shape: tuple[int | None, ...], interleaved: bool, upsampled: bool) -> bool:
        """Whether there is a compiled convolution, and it is faster."""
        samples, *image = shape
        plain = (*self.dilation_rate, self.groups) == (1, 1, 1) and max(self.strides) <= MAX_STRIDE
        if not plain or None in image or self.activation.__name__ in ACROSS_CHANNELS:
            return False
        if max(self.kernel_size) > MAX_KERNEL_SIZE or max(image[-1], self.filters) > MAX_CHANNELS:
            return False
        if upsampled and self.padding == "valid" and not all(k % 2 for k in self.kernel_size):
            return False
        speedup = _speedup(image[-1] * self.filters) * _core_share * _occupancy(samples)
        return speedup >= (1 if interleaved or max(self.strides) == 1 else STRIDED)

    def _block_kernel(self) -> Any:
        """The kernel from coarse pixels to 2 x 2 blocks: (rows, columns, channels, 4 * filters)."""
        rows, columns = (_coarse_taps(k, self.padding) for k in self.kernel_size)
        taps = np.einsum("pas,qbt->pqabst", rows, columns).reshape(-1, np.prod(self.kernel_size))
        channels, filters = self.kernel.shape[2:]
        kernel = ops.matmul(taps, ops.reshape(self.kernel, (-1, channels * filters)))
        kernel = ops.transpose(ops.reshape(kernel, (-1, 4, channels, filters)), (0, 2, 1, 3))
        return ops.reshape(kernel, (len(rows), len(columns), channels, 4 * filters))


class UpSampling2D(keras.layers.UpSampling2D):
    def call(self, coarse: Any) -> Any:
        pixels = super().call(coarse)
        if _core_share and (*self.size, self.interpolation) == (2, 2, "nearest"):
            attach(pixels, "coarse", coarse)
        return pixels


class BatchNormalization(_Fusing, keras.layers.BatchNormalization):
    """Of what a compiled convolution has computed; else Keras's own."""

    def call(self, pixels: Any, training: bool | None = None, mask: Any = None) -> Any:
        x = attached(pixels, "interleaved")
        if not _core_share or x is None or mask is not None:
            return super().call(pixels, training=training, mask=mask)
        from mlphys.native import differentiable

        of_batch = bool(training and self.trainable)
        own = differentiable.moments(x.values, x.samples) if of_batch else (self.moving_mean, self.moving_variance)
        mean, variance = map(ops.convert_to_tensor, own)
        gamma = ops.convert_to_tensor(self.gamma) if self.scale else ops.ones_like(mean)
        beta = ops.convert_to_tensor(self.beta) if self.center else ops.zeros_like(mean)
        scaling, fused = self._fused(Scaling(tuple(pixels.shape[1:])))
        moments = differentiable.Moments(mean, variance, self.epsilon, of_batch)
        output = replace(x, values=differentiable.normalize(x.values, x.samples, gamma, beta, moments, scaling))
        if of_batch:
            for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        if not fused:
            return output.pixels()
        if of_batch:  # of Keras's tensor, so that its gradient is right where somebody uses it
            mean, variance = ops.moments(pixels, axes=[0, 1, 2])
        plain = ops.batch_normalization(pixels, mean, variance, -1, beta, gamma, self.epsilon)
        return attach(plain, "fused", _Ahead(fused, output))


class _Elementwise(_Fused):
    def after(self, layer: Any) -> Any:
        name = self._activation_name()
        if layer.activation != "linear" or layer.pools or name not in vector_math.SUPPORTED:
            return None
        return replace(layer, activation=name)

    def _activation_name(self) -> str | None:
        """The activation that the layer is; None if it is none of its own."""
        raise NotImplementedError


class Activation(_Elementwise, keras.layers.Activation):
    def _activation_name(self) -> str | None:
        return str(self.activation.__name__)


class ReLU(_Elementwise, keras.layers.ReLU):
    def _activation_name(self) -> str | None:
        return None if self.max_value is not None or self.negative_slope or self.threshold else "relu"


class _Pooling(_Fused):
    def after(self, layer: Any) -> Any:
        sizes = zip(layer.positions, self.pool_size, strict=True)
        fits = all(n % size == 0 and size <= MAX_POOL_SIZE for n, size in sizes)
        if layer.pools or layer.upsampling > 1 or tuple(self.strides) != tuple(self.pool_size) or not fits:
            return None
        return replace(layer, pool_size=tuple(self.pool_size), max_pooling=self.pool_mode == "max")


class AveragePooling2D(_Pooling, keras.layers.AveragePooling2D):
    pass


class MaxPooling2D(_Pooling, keras.layers.MaxPooling2D):
    pass


# Keras's layers, by name, that the builder takes from here: they compute as Keras's own unless `enabled`.
REPLACEMENTS: dict[str, type[keras.layers.Layer]] = {
    kind.__name__: kind
    for kind in (Activation, AveragePooling2D, BatchNormalization, Conv2D, MaxPooling2D, ReLU, UpSampling2D)
}


@dataclass(frozen=True)
class Interleaved:
    """Batch-interleaved values (groups, h, w, c, simd_width) of each part of a batch, and tensors that have the parts'
    numbers of samples.
    """

    values: Sequence[Any]
    samples: Sequence[Any]

    @classmethod
    def of(cls, pixels: Any) -> Interleaved:
        """The interleaved copy that the tensor carries, or else a new one."""
        from mlphys.native import differentiable

        if attached(pixels, "interleaved") is None:
            parts = _cut(pixels)
            attach(pixels, "interleaved", cls([differentiable.interleave_batch(part) for part in parts], parts))
        return attached(pixels, "interleaved")

    def mapped(self, function: Callable[[Any], Any]) -> Interleaved:
        return replace(self, values=[function(value) for value in self.values])

    def pixels(self) -> Any:
        """Keras's tensor (n, h, w, c), which carries this copy."""
        from mlphys.native import differentiable

        rows = zip(self.values, self.samples, strict=True)
        parts = [differentiable.deinterleave_batch(value, like) for value, like in rows]
        return attach(parts[0] if len(parts) == 1 else ops.concatenate(parts), "interleaved", self)


def _cut(pixels: Any) -> Sequence[Any]:
    """A batch in parts of complete vectors, but for the last."""
    lanes, samples = width(), pixels.shape[0]
    assert lanes
    samples = ops.shape(pixels)[0] if samples is None else samples
    groups = (samples + lanes - 1) // lanes
    parts = min(_parts, groups) if isinstance(groups, int) else _parts
    if parts == 1:
        return [pixels]
    edges = [0, *(groups * i // parts * lanes for i in range(1, parts)), samples]
    return list(tf.split(pixels, [end - start for start, end in pairwise(edges)]))


def _convolve(pixels: Any, kernel: Any, bias: Any, conv: Convolution) -> Interleaved:
    from mlphys.native import differentiable

    input_gradient = not attached(pixels, "without_gradient")
    return Interleaved.of(pixels).mapped(lambda x: differentiable.convolve(x, kernel, bias, conv, input_gradient))


def _speedup(channel_product: int) -> float:
    """How many times as fast as TensorFlow's convolution on one core; 0 where that is not known."""
    lanes = width()
    if lanes not in SPEEDUP:
        return PRODUCT / channel_product
    return next((speedup for most, speedup in SPEEDUP[lanes] if channel_product <= most), 0.0)


def _occupancy(samples: int | None) -> float:
    """Fraction of the vectors' elements that hold a sample, on the busiest core; 1 if the batch size is unknown."""
    simd = processor.simd_unit()
    assert simd
    busiest = math.ceil(math.ceil((samples or 0) / simd.width) / _parts)
    return samples / (_parts * busiest * simd.width) if samples else 1.0


def _coarse_taps(size: int, padding: str) -> np.ndarray:
    """Along one axis: 1 where tap t of a kernel, at pixel x of a block, reads coarse pixel p, else 0; (p, x, t)."""
    before = (size - 1) // 2 if padding == "same" else 0
    coarse = (np.arange(2)[:, None] + np.arange(size) - before) // 2
    reach = max(-coarse.min(), coarse.max())
    pixels = np.arange(-reach if padding == "same" else 0, reach + 1)
    return (pixels[:, None, None] == coarse).astype(np.float32)
