"""An image as a function of position (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import field_validator

from mlphys.datasets._scikit_learn import data_file
from mlphys.errors import UserError
from mlphys.io import checksum, image_files
from mlphys.schema.data import Dataset, Description
from mlphys.schema.fields import Count
from mlphys.schema.paths import absolute
from mlphys.schema.samples import Samples

PHOTOGRAPH = (427, 640)  # height and width of scikit-learn's


class ImageFunction(Dataset):
    """The grey value at each position of an image, for regression: two inputs, one output.

    The samples are the pixels, row by row. x and y grow to the right and down, from -1 at the first
    column and row to 1 at the last; grey is 0 for black, 1 for white. `path` names a png or jpg file,
    null is a photograph from scikit-learn. An image with more than `size` pixels on its longer
    side is reduced to it; null keeps the size. Transparent pixels are white.
    """

    PATH_KEYS: ClassVar[tuple[str, ...]] = ("path",)

    name: Literal["image_function"]
    path: str | None = None
    """The image file; null is a photograph that scikit-learn ships. Example: photo.png"""
    size: Count | None = 128
    """The longer side of the image, in pixels, to which a larger one is shrunk; null keeps its size."""

    def files(self) -> tuple[Path, ...]:
        return () if self.path is None else (Path(self.path),)

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str | None) -> str | None:
        return None if path is None else absolute(path)

    def describe(self) -> Description:
        height, width = self._size()
        return Description((2,), classes=(), samples=height * width, test_samples=None, target_shape=(1,))

    def load(self) -> Samples:
        grey = image_files.decode(Path(self.path or _photograph()), greyscale=True, size=self._size())
        rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in grey.shape[:2])
        y, x = np.meshgrid(rows, columns, indexing="ij")
        places = np.stack([x.ravel(), y.ravel()], axis=1)
        return Samples(places, grey.reshape(-1, 1), files=tuple(checksum.record(path) for path in self.files()))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "image_function", "size": 12}

    def _size(self) -> image_files.Size:
        """Height and width, the longer at most `size`, with the aspect ratio rounded to whole pixels."""
        height, width = PHOTOGRAPH
        for path in self.files():
            height, width = image_files.header(path)
            _refuse_animation(path)
        longer = max(height, width)
        if self.size is None or self.size >= longer:
            return height, width
        return max(1, round(height * self.size / longer)), max(1, round(width * self.size / longer))


def _photograph() -> str:
    """The path of scikit-learn's china.jpg."""
    return str(data_file("images", "china.jpg"))


def _refuse_animation(path: Path) -> None:
    if (frames := image_files.frames(path)) > 1:
        raise UserError(f"{path}: an animation of {frames} images; save one of them as a file")
