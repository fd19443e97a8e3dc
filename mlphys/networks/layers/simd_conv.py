"""Keras's convolutions and batch normalization, with compiled batch-interleaved convolutions for few channels.

Weights and results are those of Keras's layers, up to rounding. Each output tensor carries its batch-interleaved copy
as an attribute, so that the next convolution need not interleave again. TensorFlow prunes whichever copy is unused.
After an upsampling, the pixels of a 2 x 2 block see the same coarse pixels: one smaller kernel with four times the
filters computes the block (sub-pixel convolution, Shi et al. 2016).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from mlphys.native import processor, vector_math
from mlphys.native.conv_forward import Convolution
from mlphys.native.normalization import Scaling
from mlphys.networks.keras_internals import attach, attached
from mlphys.networks.layers.fusion import Activation, Ahead, AveragePooling2D, Fusing, MaxPooling2D, ReLU
from mlphys.networks.layers.interleaved import Interleaved, width

# By vector width: how many times as fast as TensorFlow's on one core the compiled convolutions are, up to so many
# input channels * filters (scripts/bench_convolutions.py); with more, TensorFlow's fill the vectors as well.
SPEEDUP = {8: ((32, 1.7), (64, 1.5), (512, 1.2), (1024, 1.1))}
PRODUCT = 700  # where they are equally fast with vectors of another width
STRIDED = 1.25  # the least speedup with strides, whose few results must pay for interleaving the image
# Activations for which TensorFlow takes many passes: the least share of its cores that one core must be
IN_ONE_PASS = {"gelu": 0.25, "mish": 0.25}
# channels, and pixels; the code grows with them
MAX_CHANNELS, MAX_KERNEL_SIZE, MAX_STRIDE = 64, 11, 3
ACROSS_CHANNELS = ("softmax", "log_softmax")  # activations that are not elementwise

_core_share, _parts = 0.0, 1


@contextlib.contextmanager
def enabled(core_share: float, parts: int = 1) -> Iterator[None]:
    """In this context, `REPLACEMENTS` use the compiled convolutions where these are faster, on a CPU.

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


def without_gradient(x: Any) -> Any:
    """Mark x as data: a convolution that reads it directly computes no gradient with respect to it."""
    return attach(x, "without_gradient", True)


class _Activated(keras.layers.Layer):
    """A layer of Keras whose activation machine code may compute in one pass."""

    activation: Callable[[Any], Any]

    def call(self, pixels: Any) -> Any:
        name, shape = self.activation.__name__, self.compute_output_shape(pixels.shape)
        if _core_share / _parts < IN_ONE_PASS.get(name, math.inf) or not _holds_a_vector(shape):
            return super().call(pixels)
        from mlphys.native import differentiable

        activation, self.activation = self.activation, keras.activations.linear
        try:
            return differentiable.activate(super().call(pixels), name)
        finally:
            self.activation = activation


class Conv2D(Fusing, _Activated, keras.layers.Conv2D):
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
        conv, fused = self.fused(conv) if emitted else (conv, [])
        output = _convolve(inputs, kernel, bias, conv)
        if fused:
            return attach(super().call(pixels), "fused", Ahead(fused, output))
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


class Conv2DTranspose(_Activated, keras.layers.Conv2DTranspose):
    """Keras's, with its activation in one pass."""


class UpSampling2D(keras.layers.UpSampling2D):
    def call(self, coarse: Any) -> Any:
        pixels = super().call(coarse)
        if _core_share and (*self.size, self.interpolation) == (2, 2, "nearest"):
            attach(pixels, "coarse", coarse)
        return pixels


class BatchNormalization(Fusing, keras.layers.BatchNormalization):
    """Compiled behind a compiled convolution; else Keras's own."""

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
        scaling, fused = self.fused(Scaling(tuple(pixels.shape[1:])))
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
        return attach(plain, "fused", Ahead(fused, output))


# Keras's layers, by name, that the builder takes from here: they compute as Keras's own unless `enabled`.
REPLACEMENTS: dict[str, type[keras.layers.Layer]] = {
    kind.__name__: kind
    for kind in (
        Activation,
        AveragePooling2D,
        BatchNormalization,
        Conv2D,
        Conv2DTranspose,
        MaxPooling2D,
        ReLU,
        UpSampling2D,
    )
}


def _holds_a_vector(shape: tuple[int | None, ...]) -> bool:
    lanes, sizes = width(), [size for size in shape[1:] if size is not None]
    return lanes is not None and len(sizes) == len(shape) - 1 and math.prod(sizes) >= lanes


def _convolve(pixels: Any, kernel: Any, bias: Any, conv: Convolution) -> Interleaved:
    from mlphys.native import differentiable

    input_gradient = not attached(pixels, "without_gradient")
    return Interleaved.of(pixels, _parts).mapped(
        lambda x: differentiable.convolve(x, kernel, bias, conv, input_gradient)
    )


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
