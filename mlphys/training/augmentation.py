"""Augmentation of the training images, block by block before the training steps: rotations, shifts and magnification by
machine code where there is some, the rest by a compiled function of TensorFlow's."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlphys import machine
from mlphys.native import affine
from mlphys.native.processor import simd_unit
from mlphys.networks.compiled import Mapped
from mlphys.numerics.randomness import rng
from mlphys.schema.augmentation import Augmentation, Elastic
from mlphys.schema.samples import Split
from mlphys.training.step_calls import together

AT_ONCE = 2000  # images
REACH = 3  # truncation of a Gaussian, in sigma


class Augmenter:
    """Distortions determined by the experiment's seed, the epoch and the position in the epoch."""

    def __init__(self, spec: Augmentation, seed: int):
        import keras

        self._spec = spec
        self._seed = seed
        self._generator = keras.random.SeedGenerator(0)
        self._distort = Mapped(self._distorted, AT_ONCE)

    def __call__(self, x: np.ndarray, epoch: int, block: int = 0) -> np.ndarray:
        """Distort the images (n, height, width, channels) of a block of the epoch."""
        generator = rng(self._seed, f"augmentation/{block}" if block else "augmentation", epoch)
        self._generator.state.assign(generator.integers(2**32, size=2, dtype=np.uint32))
        moves = np.zeros((len(x), 0), np.float32)
        if self._spec.moves():
            moves = transforms(self._spec, len(x), x.shape[1:3], generator)
        return self.distorted(x, moves)

    def distorted(self, x: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Images (n, height, width, channels) moved by the `transforms` (n, 8), if any, bent, with noise."""
        alone = self._spec.moves() and not self._spec.elastic
        if alone and x.dtype == np.float32 and (function := _affine_map(*x.shape[1:], edges=self._spec.edges)):
            x, moves = _by_machine_code(function, x, moves), moves[:, :0]
            if not self._spec.noise:
                return x
        return self._distort(Split(x, moves))["x"]

    def _distorted(self, x: Any, moves: Any) -> dict[str, Any]:
        from keras import ops, random

        if self._spec.elastic or (moves.shape[1] and self._spec.edges == "wrap"):  # TensorFlow's leaves a seam
            x = _bent(x, moves, self._spec.elastic, self._spec.edges, self._generator)
        elif moves.shape[1]:
            x = ops.image.affine_transform(x, moves, interpolation="bilinear", fill_mode=self._spec.edges)
        if self._spec.noise:
            x = x + self._spec.noise * random.normal(ops.shape(x), seed=self._generator)
        return {"x": x}


@functools.cache
def _affine_map(height: int, width: int, channels: int, edges: str) -> Callable[..., None] | None:
    """The compiled function of three pointers, the first image and the last; None if there is none for these."""
    if (unit := simd_unit()) is None or edges not in affine.EDGES:
        return None
    if height * width * channels > affine.LARGEST_IMAGE:
        return None
    return affine.affine_map(height, width, channels, edges, unit.width).compiled()


def _by_machine_code(function: Callable[..., None], x: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The images moved, each thread a part of them."""
    x, y = np.ascontiguousarray(x), np.empty(x.shape, np.float32)
    pointers = [array.ctypes.data for array in (x, moves, y)]
    n, threads = len(x), machine.threads()
    together(threads, lambda thread: function(*pointers, n * thread // threads, n * (thread + 1) // threads))
    return y


def transforms(spec: Augmentation, samples: int, size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """For each sample (a0, a1, a2, b0, b1, b2, 0, 0): the output pixel (x, y) shows the input at
    (a0 x + a1 y + a2, b0 x + b1 y + b2), Keras's form; float32 (samples, 8)."""
    angle = np.deg2rad(spec.rotation) * generator.uniform(-1, 1, samples)
    shift_x, shift_y = spec.shift * generator.uniform(-1, 1, (2, samples))
    shrink = 1 / generator.uniform(*spec.scale, samples)
    centre_y, centre_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    cos, sin = shrink * np.cos(angle), shrink * np.sin(angle)
    # from output to input: the shift, then rotation and scaling about the center
    x, y = -centre_x - shift_x, -centre_y - shift_y
    moves = np.zeros((samples, 8), np.float32)
    moves[:, :6] = np.stack([cos, -sin, cos * x - sin * y + centre_x, sin, cos, sin * x + cos * y + centre_y], axis=1)
    return moves


def _bent(x: Any, moves: Any, elastic: Elastic | None, edges: str, generator: Any) -> Any:
    """Affine and elastic distortion combined, so that images are interpolated once."""
    from keras import ops

    n, (height, width) = ops.shape(x)[0], x.shape[1:3]
    row, column = ops.arange(height, dtype="float32")[:, None], ops.arange(width, dtype="float32")
    a, b = moves[:, :3, None, None], moves[:, 3:6, None, None]
    at_x = a[:, 0] * column + a[:, 1] * row + a[:, 2]
    at_y = b[:, 0] * column + b[:, 1] * row + b[:, 2]
    if elastic:
        bend = _field(n, height, width, elastic, generator)
        at_x, at_y = at_x + bend[..., 0], at_y + bend[..., 1]
    return _interpolated(x, at_y, at_x, edges)


def _interpolated(x: Any, at_y: Any, at_x: Any, edges: str) -> Any:
    """Bilinear values of the images x (n, height, width, channels) at places (n, height, width)."""
    from keras import ops

    n, (height, width, channels) = ops.shape(x)[0], x.shape[1:]
    y, x_ = ops.floor(at_y), ops.floor(at_x)
    below, right = (at_y - y)[..., None], (at_x - x_)[..., None]
    pixels = ops.reshape(x, (-1, channels))
    image = (ops.arange(n) * (height * width))[:, None, None]

    def at(row: Any, column: Any) -> Any:
        (row, inside_y), (column, inside_x) = _inside(row, height, edges), _inside(column, width, edges)
        values = ops.take(pixels, image + row * width + column, axis=0)
        return values * ops.cast(ops.logical_and(inside_y, inside_x), "float32")[..., None]

    top = at(y, x_) * (1 - right) + at(y, x_ + 1) * right
    bottom = at(y + 1, x_) * (1 - right) + at(y + 1, x_ + 1) * right
    return top * (1 - below) + bottom * below


def _inside(place: Any, size: int, edges: str) -> tuple[Any, Any]:
    """The source pixel of a position along an axis, int32, and whether it is not empty."""
    from keras import ops

    shown = ops.ones_like(place, dtype="bool")
    if edges == "constant":
        shown = ops.logical_and(place >= 0, place < size)
    elif edges == "reflect":  # d c b a | a b c d | d c b a
        place = ops.mod(place, 2 * size)
        place = ops.minimum(place, 2 * size - 1 - place)
    elif edges == "wrap":
        place = ops.mod(place, size)
    return ops.cast(ops.clip(place, 0, size - 1), "int32"), shown


def _field(n: Any, height: int, width: int, elastic: Elastic, generator: Any) -> Any:
    """Displacements (n, height, width, 2) in pixels: white noise, smoothed, of standard deviation alpha."""
    from keras import ops, random

    reach = math.ceil(REACH * elastic.sigma)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / elastic.sigma) ** 2)
    window *= math.sqrt(elastic.alpha) / math.sqrt((window**2).sum())
    field = random.normal((n, height + 2 * reach, width + 2 * reach, 2), seed=generator)
    for shape in ((-1, 1), (1, -1)):
        kernel = np.repeat(window.reshape(*shape, 1, 1), 2, axis=2).astype(np.float32)
        field = ops.depthwise_conv(field, ops.convert_to_tensor(kernel), padding="valid")
    return field
