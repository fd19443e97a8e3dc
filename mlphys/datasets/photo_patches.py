"""Patches of natural images (Olshausen & Field 1996), cut from the two photographs of scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import field_validator

from mlphys.datasets._scikit_learn import data_file
from mlphys.errors import UserError
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, GeneratedImages
from mlphys.schema.fields import Count
from mlphys.schema.samples import Samples

HEIGHT, WIDTH = 427, 640  # of both


class PhotoPatches(GeneratedImages):
    """Square patches of two photographs, a pagoda and a flower, without targets.

    Photograph and position of each patch of `size` x `size` pixels are drawn uniformly; patches may
    overlap. Grey is .299 R + .587 G + .114 B; `greyscale: false` keeps the three channels.
    """

    name: Literal["photo_patches"]
    size: Count = 12
    greyscale: bool = True
    """false keeps the three colour channels."""

    def images(self) -> int:
        """Number of generated images; each color channel counts."""
        return self.samples * (1 if self.greyscale else 3)

    @field_validator("size")
    @classmethod
    def _fits_into_the_photographs(cls, size: int) -> int:
        if size > min(HEIGHT, WIDTH):
            raise ValueError(
                f"patches of {size} x {size} pixels do not fit into photographs of {HEIGHT} x {WIDTH}; "
                f"lower size to {min(HEIGHT, WIDTH)} or less"
            )
        return size

    def describe(self) -> Description:
        shape = (self.size, self.size, 1 if self.greyscale else 3)
        return Description(shape, classes=(), samples=self.samples, test_samples=None, target_shape=(0,))

    def load(self) -> Samples:
        photographs = np.stack([photograph("china.jpg"), photograph("flower.jpg")])
        if self.greyscale:
            photographs = luminance(photographs)[..., None]
        generator = rng(self.sample_seed, "photo_patches")
        which = generator.integers(len(photographs), size=(self.samples, 1, 1))
        top = generator.integers(HEIGHT - self.size, size=(self.samples, 1, 1), endpoint=True)
        left = generator.integers(WIDTH - self.size, size=(self.samples, 1, 1), endpoint=True)
        pixel = np.arange(self.size)
        x = photographs[which, top + pixel[:, None], left + pixel]
        return Samples(x, np.empty((self.samples, 0), np.float32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "photo_patches", "samples": 30, "size": 4}


def photograph(name: str) -> np.ndarray:
    """One of scikit-learn's two: float32 in [0, 1], (HEIGHT, WIDTH, 3)."""
    from PIL import Image

    with Image.open(data_file("images", name)) as image:
        pixels = np.asarray(image)
    if pixels.shape != (HEIGHT, WIDTH, 3):
        raise UserError(
            f"{name} of scikit-learn: expected shape {(HEIGHT, WIDTH, 3)}; received {pixels.shape}; "
            "install the scikit-learn that mlphys requires"
        )
    return pixels / np.float32(255)


def luminance(colours: np.ndarray) -> np.ndarray:
    """Grey of (..., 3) red, green and blue, by ITU-R BT.601: float32, (...)."""
    return (colours @ np.array([0.299, 0.587, 0.114])).astype(np.float32)
