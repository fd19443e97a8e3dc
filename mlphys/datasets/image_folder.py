"""The user's images, from a folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import field_validator, model_validator

from mlphys.errors import UserError
from mlphys.io import image_files
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema.data import Dataset, Description, Samples
from mlphys.schema.fields import Shape, Size2D

# values of all images: 2 GB of float32; more stay on disk, and decoding every epoch takes longer than training
LARGEST_RESIDENT = 500_000_000
NAMED = 3  # how many wrong files or folders a message names

Classes = dict[str, list[Path]]  # the images of each, sorted


class ImageFolder(Dataset):
    """Your own images: a folder with one sub-folder of png or jpg files for each class.

    Images directly in the folder have no classes, for autoencoders. Hidden files, nested folders and
    files of other types are ignored. Every image is resized to `size`,
    [height, width]; null: all must have the same size. Values are in [0, 1], 3 channels or, with
    `greyscale`, 1; transparent pixels are white, and EXIF orientation is applied. Images that take
    more than 2 GB as float32 stay on disk and are decoded when needed.
    """

    name: Literal["image_folder"]
    path: str
    size: Size2D | None = None
    greyscale: bool = False

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str) -> str:
        return str(Path(path).expanduser().absolute())

    @model_validator(mode="after")
    def _is_an_image(self) -> ImageFolder:
        if self.size and math.prod(self.size) > image_files.MOST_PIXELS:
            raise ValueError(
                f"an image can have {image_files.MOST_PIXELS} pixels; size asks for {math.prod(self.size)}"
            )
        return self

    def describe(self) -> Description:
        """Classes from the names, the shape from the key size or the first image's header."""
        classes = _classes(Path(self.path))
        paths = [path for members in classes.values() for path in members]
        shape = self._shape(paths)
        if "" in classes:
            return Description(shape, classes=(), samples=len(paths), test_samples=None, target_shape=(0,))
        return Description(shape, tuple(classes), samples=len(paths), test_samples=None)

    def load(self) -> Samples:
        """The images class by class, each class sorted by file name."""
        classes = _classes(Path(self.path))
        paths = [path for members in classes.values() for path in members]
        x = self._images(paths)
        if "" in classes:
            return Samples(x, np.zeros((len(x), 0), np.float32))
        return Samples(x, np.repeat(np.arange(len(classes), dtype=np.int32), [len(m) for m in classes.values()]))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        from PIL import Image

        for i in range(20):
            path = folder / ("light" if i % 2 else "dark") / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("L", (4, 4), 100 * (i % 2) + i).save(path)
        return {"name": "image_folder", "path": str(folder), "greyscale": True}

    def _images(self, paths: list[Path]) -> Array:
        """float32 in [0, 1], (n, height, width, channels)."""
        shape = self._shape(paths)

        def fetch(rows: np.ndarray) -> np.ndarray:
            return self._decoded(paths, rows, shape)

        if len(paths) * math.prod(shape) <= LARGEST_RESIDENT:
            return fetch(np.arange(len(paths)))
        image_files.quiet_in_threads()
        return chunked.lazy_array(len(paths), shape, fetch)

    def _decoded(self, paths: list[Path], rows: np.ndarray, shape: Shape) -> np.ndarray:
        """Decode some of the images. Raises UserError with the count of unusable files among all `paths`."""
        x = np.empty((len(rows), *shape), np.float32)
        some = [paths[row] for row in rows]
        for place, (_, image) in zip(x, image_files.decode_each(some, self.greyscale, self.size), strict=True):
            if isinstance(image, UserError) or image.shape != shape:
                raise self._unusable(paths, shape)
            place[...] = image
        return x

    def _unusable(self, paths: list[Path], shape: Shape) -> UserError:
        wrong, others = [], []
        for path, image in image_files.decode_each(paths, self.greyscale, self.size):
            if isinstance(image, UserError):
                wrong.append(str(image))
            elif image.shape != shape:
                others.append(f"{path} has {list(image.shape[:2])}")
        if wrong:
            more = [f"... and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
            counted = f"{self.path}: {len(wrong)} of {len(paths)} images cannot be used"
            return UserError("\n".join([counted, *wrong[:NAMED], *more]))
        if not others:
            return UserError(f"{self.path}: its images change while they are read; start again")
        first = list(shape[:2])
        return UserError(
            f"{self.path}: the first image has the size {first}, {len(others)} of {len(paths)} another: {others[0]}; "
            f"write data.size: {first} to resize all"
        )

    def _shape(self, paths: list[Path]) -> tuple[int, int, int]:
        return (*(self.size or _first_size(paths)), 1 if self.greyscale else 3)


def _first_size(paths: list[Path]) -> image_files.Size:
    """The size of the first readable image; damaged ones are counted when all are decoded."""
    problem = None
    for path in paths:
        try:
            return image_files.header(path)
        except UserError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _classes(folder: Path) -> Classes:
    """The images of each class, sorted; images without a class have the key ""."""
    loose, folders = _listed(folder)
    if not folders:
        if not loose:
            raise UserError(f"{folder}: has no png or jpg images and no folders of them; name a folder that has")
        return {"": loose}
    inside = {path.name: _listed(path) for path in folders}
    empty = [name for name, (members, _) in inside.items() if not members]
    if len(empty) == len(folders) and any(deeper for _, deeper in inside.values()):
        raise UserError(
            f"{folder}: no images in its folders {_named(empty)}, only folders again; name one of them as data.path"
        )
    if empty:
        raise UserError(
            f"{folder}: no png or jpg images in {_named(empty)}, so no samples of a class; "
            "put some in, or move the folder away"
        )
    if loose:
        raise UserError(
            f"{folder}: {len(loose)} images, {loose[0].name} first, lie beside the folders of the classes "
            f"{_named(list(inside))}; move them into one, or away"
        )
    return {name: members for name, (members, _) in inside.items()}


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images and the folders in a folder, sorted, without hidden ones."""
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise UserError(f"{folder}: no such folder; a relative path starts at {Path.cwd()}") from None
    except NotADirectoryError:
        raise UserError(f"{folder}: is a file; name the folder that holds the images") from None
    except PermissionError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from None
    folders = [path for path in found if path.is_dir()]
    others = sorted(set(found).difference(folders))
    return [path for path in others if path.suffix.lower() in image_files.SUFFIXES], folders


def _named(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
