"""Corruption of the inputs of denoising autoencoders: compiled, applied block by block before the training steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlphys.networks.compiled import Mapped
from mlphys.numerics import chunked
from mlphys.numerics.randomness import rng
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.samples import Split

AT_ONCE = 2000  # samples


class Corrupter:
    """Corruption determined by the experiment's seed, the purpose, the epoch and the position in the epoch."""

    def __init__(self, spec: Corruption, seed: int, purpose: str):
        import keras

        self._spec = spec
        self._seed = seed
        self._purpose = f"corruption/{purpose}"
        self._generator = keras.random.SeedGenerator(0)
        self._corrupt = Mapped(self._corrupted, AT_ONCE)

    def __call__(self, split: Split, epoch: int = 0, block: int = 0) -> Split:
        """Corrupt a block of the epoch: inputs x corrupted, targets y the clean samples."""
        if not len(split):
            return split
        start = rng(self._seed, f"{self._purpose}/{block}", 0 if self._spec.fixed else epoch)
        self._generator.state.assign(start.integers(2**32, size=2, dtype=np.uint32))
        clean = chunked.read(split.x)
        return Split(self._corrupt(Split(clean, np.zeros((len(clean), 0), np.float32)))["x"], clean)

    def _corrupted(self, x: Any, y: Any) -> dict[str, Any]:
        from keras import ops, random

        spec, generator = self._spec, self._generator
        if spec.GaussianNoise:
            x = x + spec.GaussianNoise.stddev * random.normal(ops.shape(x), seed=generator)
        elif spec.masking:
            x = ops.where(random.uniform(ops.shape(x), seed=generator) < spec.masking, 0.0, x)
        elif spec.salt_and_pepper:
            chance, half = random.uniform(ops.shape(x), seed=generator), spec.salt_and_pepper / 2
            x = ops.where(chance < half, 0.0, ops.where(chance < 2 * half, 1.0, x))
        elif spec.occlude:
            x = x * self._uncovered(x, spec.occlude.size, spec.occlude.count)
        return {"x": ops.clip(x, *spec.clip) if spec.clip else x}

    def _uncovered(self, x: Any, size: int, count: int) -> Any:
        """Mask (n, height, width, 1): 0 inside the squares, 1 outside."""
        from keras import ops, random

        n, (height, width) = ops.shape(x)[0], x.shape[1:3]
        places = ops.floor(
            random.uniform((n, count, 2), seed=self._generator)
            * ops.convert_to_tensor([max(height - size, 0) + 1.0, max(width - size, 0) + 1.0])
        )
        row, column = ops.arange(height, dtype="float32")[:, None], ops.arange(width, dtype="float32")
        top, left = places[:, :, 0, None, None], places[:, :, 1, None, None]
        inside = (row >= top) & (row < top + size) & (column >= left) & (column < left + size)
        return ops.cast(ops.logical_not(ops.any(inside, axis=1)), "float32")[..., None]
