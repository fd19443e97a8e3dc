"""Keras's convolution, pooling and upsampling layers, with compiled batch-interleaved convolutions for few channels.

Weights and results are those of Keras's layers, up to rounding. Each output tensor carries its batch-interleaved copy
as an attribute, so that the next convolution need not interleave again. TensorFlow prunes whichever copy is unused.
After an upsampling, the pixels of a 2 x 2 block see the same coarse pixels: one smaller kernel with four times the
filters computes the block (sub-pixel convolution, Shi et al. 2016).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from keras import ops

from mlphys.native import llvm, vector_math
from mlphys.native.conv_forward import Convolution
from mlphys.networks.keras_internals import attach, attached

MAX_CHANNEL_PRODUCT = 700  # input channels * filters; above, TensorFlow's convolutions fill the vectors as well
# channels, and pixels; the code grows with them
MAX_CHANNELS, MAX_KERNEL_SIZE, MAX_POOL_SIZE, MAX_STRIDE = 64, 11, 8, 3
ACROSS_CHANNELS = ("softmax", "log_softmax")  # activations that are not elementwise

_core_share = 0.0


@contextlib.contextmanager
def enabled(core_share: float) -> Iterator[None]:
    """In this context, layers of this module use the compiled convolutions where these are faster, on a CPU.

    A compiled convolution runs on one core, which is `core_share` of those that TensorFlow would use; 0 disables them.
    Their gradient cannot be differentiated again.
    """
    global _core_share
    before, _core_share = _core_share, core_share if core_share and width() else 0.0
    try:
        yield
    finally:
        _core_share = before


def width() -> int | None:
    """SIMD width in samples; None if this processor or this TensorFlow does not support compiled convolutions."""
    from mlphys.native import tf_ops

    simd = llvm.simd_unit()
    return simd.width if simd and tf_ops.available() else None


def without_gradient(x: Any) -> Any:
    """Mark x as data: a convolution that reads it directly computes no gradient with respect to it."""
    return attach(x, "without_gradient", True)


def fuse_pooling(layers: Sequence[Any]) -> None:
    """Let each convolution of a chain of layers compute the pooling that follows it."""
    for layer, following in pairwise(layers):
        if isinstance(layer, Conv2D) and isinstance(following, _Pooling):
            layer.with_pooling = following.with_pooling


class Conv2D(keras.layers.Conv2D):
    with_pooling: Callable[[Convolution], Convolution | None] | None = None  # of the pooling layer that follows

    def call(self, pixels: Any) -> Any:
        coarse = attached(pixels, "coarse") if self.strides == (1, 1) else None
        if not (_core_share and self._is_supported(pixels.shape, coarse is not None)):
            return super().call(pixels)
        if coarse is None:
            inputs, kernel, bias, upsampling = pixels, ops.convert_to_tensor(self.kernel), self.bias, 1
        else:
            inputs, kernel, upsampling = coarse, self._block_kernel(), 2
            bias = ops.tile(self.bias, 4) if self.use_bias else None
        bias = ops.zeros(kernel.shape[-1]) if bias is None else ops.convert_to_tensor(bias)
        name = self.activation.__name__
        fused = name in vector_math.SUPPORTED
        conv = Convolution(
            tuple(inputs.shape[1:]),
            kernel.shape[3],
            tuple(kernel.shape[:2]),
            self.padding,
            activation=name if fused else "linear",
            upsampling=upsampling,
            strides=self.strides,
        )
        pooled = self.with_pooling(conv) if fused and self.with_pooling else None
        if pooled:
            return attach(super().call(pixels), "pooled", _convolve(inputs, kernel, bias, pooled))
        output = _convolve(inputs, kernel, bias, conv)
        return (output if fused else replace(output, values=self.activation(output.values))).pixels()

    def _is_supported(self, shape: tuple[int | None, ...], upsampled: bool) -> bool:
        """Whether there is a compiled convolution, and it is faster."""
        samples, *image = shape
        plain = (*self.dilation_rate, self.groups) == (1, 1, 1) and max(self.strides) <= MAX_STRIDE
        if not plain or None in image or self.activation.__name__ in ACROSS_CHANNELS:
            return False
        if max(self.kernel_size) > MAX_KERNEL_SIZE or max(image[-1], self.filters) > MAX_CHANNELS:
            return False
        if upsampled and self.padding == "valid" and not all(k % 2 for k in self.kernel_size):
            return False
        return image[-1] * self.filters <= MAX_CHANNEL_PRODUCT * _core_share * _occupancy(samples)

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


class _Pooling(keras.layers.Layer):
    def call(self, pixels: Any) -> Any:
        pooled = attached(pixels, "pooled")
        return super().call(pixels) if pooled is None else pooled.pixels()

    def with_pooling(self, conv: Convolution) -> Convolution | None:
        """The convolution, followed by this pooling; None if they cannot be fused."""
        sizes = zip(conv.positions, self.pool_size, strict=True)
        fits = all(n % size == 0 and size <= MAX_POOL_SIZE for n, size in sizes)
        if conv.upsampling > 1 or tuple(self.strides) != tuple(self.pool_size) or not fits:
            return None
        return replace(conv, pool_size=tuple(self.pool_size), max_pooling=self.pool_mode == "max")


class AveragePooling2D(_Pooling, keras.layers.AveragePooling2D):
    pass


class MaxPooling2D(_Pooling, keras.layers.MaxPooling2D):
    pass


# Keras's layers, by name, that the builder takes from here: they compute as Keras's own unless `enabled`.
REPLACEMENTS: dict[str, type[keras.layers.Layer]] = {
    kind.__name__: kind for kind in (Conv2D, UpSampling2D, AveragePooling2D, MaxPooling2D)
}


@dataclass(frozen=True)
class Interleaved:
    """Batch-interleaved values (groups, h, w, c, simd_width), and a tensor that has their number of samples."""

    values: Any
    samples: Any

    @classmethod
    def of(cls, pixels: Any) -> Interleaved:
        """The interleaved copy that the tensor carries, or else a new one."""
        from mlphys.native import differentiable

        if attached(pixels, "interleaved") is None:
            attach(pixels, "interleaved", cls(differentiable.interleave_batch(pixels), pixels))
        return attached(pixels, "interleaved")

    def pixels(self) -> Any:
        """Keras's tensor (n, h, w, c), which carries this copy."""
        from mlphys.native import differentiable

        return attach(differentiable.deinterleave_batch(self.values, self.samples), "interleaved", self)


def _convolve(pixels: Any, kernel: Any, bias: Any, conv: Convolution) -> Interleaved:
    from mlphys.native import differentiable

    x = Interleaved.of(pixels)
    input_gradient = not attached(pixels, "without_gradient")
    return replace(x, values=differentiable.convolve(x.values, kernel, bias, conv, input_gradient))


def _occupancy(samples: int | None) -> float:
    """Fraction of the vectors' elements that hold a sample; 1 if the batch size is unknown."""
    simd = llvm.simd_unit()
    assert simd
    return samples / (math.ceil(samples / simd.width) * simd.width) if samples else 1.0


def _coarse_taps(size: int, padding: str) -> np.ndarray:
    """Along one axis: 1 where tap t of a kernel, at pixel x of a block, reads coarse pixel p, else 0; (p, x, t)."""
    before = (size - 1) // 2 if padding == "same" else 0
    coarse = (np.arange(2)[:, None] + np.arange(size) - before) // 2
    reach = max(-coarse.min(), coarse.max())
    pixels = np.arange(-reach if padding == "same" else 0, reach + 1)
    return (pixels[:, None, None] == coarse).astype(np.float32)
