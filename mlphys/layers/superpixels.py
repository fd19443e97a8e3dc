"""Convolutions of few channels, computed on blocks of 2 x 2 pixels.

The vectors of a processor hold 8 or 16 numbers, which a convolution of few channels leaves mostly empty. A block
of 2 x 2 pixels taken as one pixel of four times the channels fills them, for a kernel that is larger by the zeros
between. Behind an upsampling the pixels of a block see the same coarse pixels, so that its kernel becomes smaller
(the sub-pixel convolution of Shi et al. 2016). Weights and results are those of Keras's layers, up to rounding.

Blocks travel with their pixels, as Keras's logits do with a softmax: the next layer takes what it can use, and
from the graph falls what nobody asked for.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

LANES = 16  # channels that fill a vector
WASTE = 1.5  # the most products for one that is needed
LARGEST_KERNEL = 11  # in a direction; above, the vectors fill anyhow
ACROSS_CHANNELS = ("softmax", "log_softmax")  # activations that a block would mix

_wanted = False


@contextlib.contextmanager
def computed() -> Iterator[None]:
    """The layers below that are called in here compute by blocks where that is faster, on a processor."""
    global _wanted
    before, _wanted = _wanted, True
    try:
        yield
    finally:
        _wanted = before


class Conv2D(keras.layers.Conv2D):
    def call(self, pixels: Any) -> Any:
        coarse = getattr(pixels, "_coarse", None)
        if not (_wanted and self._is_faster(pixels.shape, coarse is not None)):
            return super().call(pixels)
        if coarse is None:
            seen, kernel = _blocks(pixels), self._block_kernel(2)
        else:
            seen, kernel = coarse, self._block_kernel(1)
        blocks = ops.conv(seen, kernel, padding=self.padding)
        if self.use_bias:
            blocks = ops.add(blocks, ops.tile(self.bias, 4))
        blocks = self.activation(blocks)
        outputs = _pixels(blocks)
        outputs._blocks = blocks
        return outputs

    def _is_faster(self, shape: tuple[int, ...], upsampled: bool) -> bool:
        margins = [k - 1 if self.padding == "valid" else 0 for k in self.kernel_size]
        even = all(n % 2 == 0 and margin % 2 == 0 for n, margin in zip(shape[1:3], margins, strict=True))
        plain = (*self.strides, *self.dilation_rate, self.groups) == (1, 1, 1, 1, 1)
        if not (even and plain) or self.activation.__name__ in ACROSS_CHANNELS:
            return False
        if max(self.kernel_size) > LARGEST_KERNEL:
            return False
        waste = math.prod(len(_seen(k, self.padding, 2)) / k for k in self.kernel_size)
        return upsampled or (max(shape[-1], self.filters) < LANES and waste <= WASTE)

    def _block_kernel(self, fine: int) -> Any:
        """The kernel from blocks of `fine` x `fine` pixels to blocks of 2 x 2."""
        rows, columns = (
            taps.reshape(-1, fine, 2, taps.shape[-1])
            for taps in (_seen(k, self.padding, fine) for k in self.kernel_size)
        )
        placed = np.einsum("paxs,qbyt->pqbayxst", rows, columns).reshape(-1, math.prod(self.kernel_size))
        before, after = self.kernel.shape[2:]
        kernel = ops.matmul(placed, ops.reshape(self.kernel, (-1, before * after)))
        kernel = ops.transpose(ops.reshape(kernel, (-1, 4, before, after)), (0, 2, 1, 3))
        return ops.reshape(kernel, (len(rows), len(columns), fine**2 * before, 4 * after))


class UpSampling2D(keras.layers.UpSampling2D):
    def call(self, coarse: Any) -> Any:
        pixels = super().call(coarse)
        if _wanted and (*self.size, self.interpolation) == (2, 2, "nearest"):
            pixels._coarse = coarse
        return pixels


class _Pooling(keras.layers.Layer):
    def call(self, pixels: Any) -> Any:
        blocks = getattr(pixels, "_blocks", None)
        fits = self.strides == self.pool_size and all(
            size % 2 == 0 and n % size == 0 for size, n in zip(self.pool_size, pixels.shape[1:3], strict=True)
        )
        if blocks is None or not fits:
            return super().call(pixels)
        pooled, rest = self._pooled(blocks, pixels.shape[-1]), tuple(size // 2 for size in self.pool_size)
        if rest == (1, 1):
            return pooled
        pool = ops.average_pool if self.pool_mode == "average" else ops.max_pool
        return pool(pooled, rest, rest)


class AveragePooling2D(_Pooling, keras.layers.AveragePooling2D):
    def _pooled(self, blocks: Any, channels: int) -> Any:
        mean = np.tile(np.eye(channels, dtype=np.float32), (4, 1)) / 4  # as a product: twice as fast as a reduction
        pooled = ops.matmul(ops.reshape(blocks, (-1, 4 * channels)), mean)
        return ops.reshape(pooled, (-1, *blocks.shape[1:3], channels))


class MaxPooling2D(_Pooling, keras.layers.MaxPooling2D):
    def _pooled(self, blocks: Any, channels: int) -> Any:
        left, right = ops.split(blocks, 2, axis=-1)
        upper, lower = ops.split(_larger(left, right), 2, axis=-1)
        return _larger(upper, lower)


@ops.custom_gradient
def _larger(first: Any, second: Any) -> Any:
    """Element by element; of equal ones the first gets the gradient, as in Keras's pooling.

    Products with 0 or 1 are ten times as fast as the selections that TensorFlow's gradient is made of.
    """

    def gradient(slope: Any) -> tuple[Any, Any]:
        to_first = slope * ops.cast(first >= second, slope.dtype)
        return to_first, slope - to_first

    return ops.maximum(first, second), gradient


def _seen(size: int, padding: str, fine: int) -> np.ndarray:
    """Whether tap t of a kernel lies, for the pixel x of a block, on pixel u: (u, x, t), 0 or 1.

    u counts pixels, in whole blocks, for `fine` 2, and blocks for 1.
    """
    first = (size - 1) // 2 if padding == "same" else 0
    place = np.arange(2)[:, None] + np.arange(size) - first
    block = place // 2
    reach = max(-block.min(), block.max())
    blocks = np.arange(-reach if padding == "same" else 0, reach + 1)
    if fine == 1:
        return (blocks[:, None, None] == block).astype(np.float32)
    pixels = np.arange(2 * blocks[0], 2 * blocks[-1] + 2)
    return (pixels[:, None, None] == place).astype(np.float32)


def _blocks(pixels: Any) -> Any:
    """(n, 2 h, 2 w, c) as (n, h, w, 4 c), the left column of a block first."""
    if hasattr(pixels, "_blocks"):
        return pixels._blocks
    height, width, channels = pixels.shape[1:]
    parted = ops.reshape(pixels, (-1, height // 2, 2, width // 2, 2, channels))
    return ops.reshape(ops.transpose(parted, (0, 1, 3, 4, 2, 5)), (-1, height // 2, width // 2, 4 * channels))


def _pixels(blocks: Any) -> Any:
    """(n, h, w, 4 c) as (n, 2 h, 2 w, c)."""
    height, width, channels = blocks.shape[1:]
    parted = ops.reshape(blocks, (-1, height, width, 2, 2, channels // 4))
    return ops.reshape(ops.transpose(parted, (0, 1, 4, 2, 3, 5)), (-1, 2 * height, 2 * width, channels // 4))
