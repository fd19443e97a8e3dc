"""Convolutions of few channels, computed for many samples side by side (native/conv_forward.py).

Weights and results are those of Keras's layers, up to rounding. What lies side by side travels with its pixels, as
Keras's logits do with a softmax: the next layer takes what it can use, and from the graph falls what nobody asked
for. Behind an upsampling the pixels of a block of 2 x 2 see the same coarse pixels, so that one smaller kernel
serves the block (the sub-pixel convolution of Shi et al. 2016).
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

MOST_PRODUCTS = 700  # of a tap and pixel: channels in times filters; with more, TensorFlow fills the vectors as well
MOST_FILTERS, LARGEST_KERNEL, LARGEST_POOL = 64, 11, 8  # the code grows with them
ACROSS_CHANNELS = ("softmax", "log_softmax")  # activations that do not take number by number

_share = 0.0


@contextlib.contextmanager
def used(share: float) -> Iterator[None]:
    """The layers below that are called in here compute so where that is faster, on a processor.

    `share` is that of the cores which TensorFlow would use: an operation of ours takes one. What it gives can be
    differentiated once.
    """
    global _share
    before, _share = _share, share if share and width() else 0.0
    try:
        yield
    finally:
        _share = before


def width() -> int | None:
    """How many samples lie side by side; None: nothing can be compiled for this processor or this TensorFlow."""
    from mlphys.native import tf_ops

    vectors = llvm.vectors()
    return vectors.lanes if vectors and tf_ops.can_be_made() else None


def of_data(x: Any) -> Any:
    """The same samples, whose gradient nobody will ask for."""
    return attach(x, "is_data", True)


def join(layers: Sequence[Any]) -> None:
    """Tell the convolutions of a chain of layers of the pooling behind them."""
    for layer, behind in pairwise(layers):
        if isinstance(layer, Conv2D) and isinstance(behind, _Pooling):
            layer.with_pooling = behind.with_pooling


class Conv2D(keras.layers.Conv2D):
    with_pooling: Callable[[Convolution], Convolution | None] | None = None  # of the layer behind this one

    def call(self, pixels: Any) -> Any:
        coarse = attached(pixels, "coarse")
        if not (_share and self._fits(pixels.shape, coarse is not None)):
            return super().call(pixels)
        if coarse is None:
            seen, kernel, bias, block = pixels, ops.convert_to_tensor(self.kernel), self.bias, 1
        else:
            seen, kernel, block = coarse, self._block_kernel(), 2
            bias = ops.tile(self.bias, 4) if self.use_bias else None
        bias = ops.zeros(kernel.shape[-1]) if bias is None else ops.convert_to_tensor(bias)
        name = self.activation.__name__
        fused = name in vector_math.KNOWN
        made = Convolution(
            tuple(seen.shape[1:]),
            kernel.shape[3],
            tuple(kernel.shape[:2]),
            self.padding,
            activation=name if fused else "linear",
            block=block,
        )
        pool = self.with_pooling(made) if fused and self.with_pooling else None
        if pool:
            return attach(super().call(pixels), "pooled", _convolved(seen, kernel, bias, pool))
        found = _convolved(seen, kernel, bias, made)
        return (found if fused else replace(found, values=self.activation(found.values))).pixels()

    def _fits(self, shape: tuple[int | None, ...], upsampled: bool) -> bool:
        samples, *image = shape
        plain = (*self.strides, *self.dilation_rate, self.groups) == (1, 1, 1, 1, 1)
        if not plain or None in image or self.activation.__name__ in ACROSS_CHANNELS:
            return False
        if max(self.kernel_size) > LARGEST_KERNEL or max(image[-1], self.filters) > MOST_FILTERS:
            return False
        if upsampled and self.padding == "valid" and not all(k % 2 for k in self.kernel_size):
            return False
        return image[-1] * self.filters <= MOST_PRODUCTS * _share * _filled(samples)

    def _block_kernel(self) -> Any:
        """The kernel from coarse pixels to blocks of 2 x 2."""
        rows, columns = (_seen(k, self.padding) for k in self.kernel_size)
        placed = np.einsum("pas,qbt->pqabst", rows, columns).reshape(-1, np.prod(self.kernel_size))
        before, after = self.kernel.shape[2:]
        kernel = ops.matmul(placed, ops.reshape(self.kernel, (-1, before * after)))
        kernel = ops.transpose(ops.reshape(kernel, (-1, 4, before, after)), (0, 2, 1, 3))
        return ops.reshape(kernel, (len(rows), len(columns), before, 4 * after))


class UpSampling2D(keras.layers.UpSampling2D):
    def call(self, coarse: Any) -> Any:
        pixels = super().call(coarse)
        if _share and (*self.size, self.interpolation) == (2, 2, "nearest"):
            attach(pixels, "coarse", coarse)
        return pixels


class _Pooling(keras.layers.Layer):
    def call(self, pixels: Any) -> Any:
        found = attached(pixels, "pooled")
        return super().call(pixels) if found is None else found.pixels()

    def with_pooling(self, made: Convolution) -> Convolution | None:
        """A convolution with this pooling behind it; None: they do not fit together."""
        whole = all(n % size == 0 and size <= LARGEST_POOL for n, size in zip(made.places, self.pool_size, strict=True))
        if made.block > 1 or tuple(self.strides) != tuple(self.pool_size) or not whole:
            return None
        return replace(made, pool=tuple(self.pool_size), largest=self.pool_mode == "max")


class AveragePooling2D(_Pooling, keras.layers.AveragePooling2D):
    pass


class MaxPooling2D(_Pooling, keras.layers.MaxPooling2D):
    pass


@dataclass(frozen=True)
class SideBySide:
    """What lies side by side, (groups, h, w, c, lanes), and a tensor with as many samples."""

    values: Any
    samples: Any

    @classmethod
    def of(cls, pixels: Any) -> SideBySide:
        from mlphys.native import differentiable

        if attached(pixels, "side_by_side") is None:
            attach(pixels, "side_by_side", cls(differentiable.side_by_side(pixels), pixels))
        return attached(pixels, "side_by_side")

    def pixels(self) -> Any:
        """As a tensor of pixels, which carries this with it."""
        from mlphys.native import differentiable

        return attach(differentiable.one_by_one(self.values, self.samples), "side_by_side", self)


def _convolved(pixels: Any, kernel: Any, bias: Any, made: Convolution) -> SideBySide:
    from mlphys.native import differentiable

    seen = SideBySide.of(pixels)
    to_input = not attached(pixels, "is_data")
    return replace(seen, values=differentiable.convolved(seen.values, kernel, bias, made, to_input))


def _filled(samples: int | None) -> float:
    """The share of the lanes that have a sample."""
    lanes = llvm.vectors().lanes
    return samples / (math.ceil(samples / lanes) * lanes) if samples else 1.0


def _seen(size: int, padding: str) -> np.ndarray:
    """Whether tap t of a kernel lies, for the pixel x of a block, on coarse pixel p: (p, x, t), 0 or 1."""
    first = (size - 1) // 2 if padding == "same" else 0
    block = (np.arange(2)[:, None] + np.arange(size) - first) // 2
    reach = max(-block.min(), block.max())
    blocks = np.arange(-reach if padding == "same" else 0, reach + 1)
    return (blocks[:, None, None] == block).astype(np.float32)
