"""The user's images, from a folder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import field_validator, model_validator

from mlphys.errors import UserError
from mlphys.io import image_files
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema.data import Dataset, Description
from mlphys.schema.fields import Shape, Size2D
from mlphys.schema.paths import absolute
from mlphys.schema.samples import Samples
from mlphys.schema.units import Units, white_level

# values of all images: 2 GB of float32; more stay on disk, and decoding every epoch takes longer than training
LARGEST_RESIDENT = 500_000_000
NAMED = 3  # how many wrong files or folders a message names

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}

Classes = dict[str, list[Path]]  # the images of each, sorted


class ImageFolder(Dataset):
    """Your own images: a folder with one sub-folder of images for each class.

    png, jpg, tif, bmp, webp, and the first frame of gif, also in deeper folders; hidden ones are left
    out. Images directly in the folder have no classes, for autoencoders. Folders train, val and test
    (training, valid, validation, testing) hold the splits, each with its classes. Every image is
    resized to `size`, [height, width]; null: all must have the same size. Values are in [0, 1], 3
    channels or, with `greyscale`, 1; transparent pixels are white, and EXIF orientation is applied.
    Grey values of 16 bits are divided by the white of the 10, 12, 14 or 16 bits that the largest
    one needs. Images that take more than 2 GB as float32 stay on disk and are decoded whenever they
    are needed.
    """

    OWN_FILES: ClassVar[bool] = True
    PATH_KEYS: ClassVar[tuple[str, ...]] = ("path",)

    name: Literal["image_folder"]
    path: str
    """The folder; each sub-folder is a class. Example: photos"""
    size: Size2D | None = None
    """The height and width, in pixels, to which every image is resized; null: all images have the same size already.
    Example: [64, 64]
    """
    greyscale: bool = False
    """true makes one channel of the colours."""

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str) -> str:
        return absolute(path)

    @model_validator(mode="after")
    def _is_an_image(self) -> ImageFolder:
        if self.size and math.prod(self.size) > image_files.MOST_PIXELS:
            raise ValueError(f"an image can have {image_files.MOST_PIXELS} pixels; size is {math.prod(self.size)}")
        return self

    def describe(self) -> Description:
        """Classes from the names, the shape from the key size or the first image's header."""
        contents = _Contents.of(Path(self.path))
        shape = self._shape(contents.of_split("train"))
        sizes = {part: len(contents.of_split(part)) for part in contents.parts}
        target = () if contents.classes else (0,)
        return Description(shape, contents.classes, sizes["train"], sizes.get("test"), target, sizes.get("validation"))

    def load(self) -> Samples:
        """The images class by class, each class sorted by file name."""
        contents = _Contents.of(Path(self.path))
        paths = [path for part in contents.parts for path in contents.of_split(part)]
        units = _units(paths)
        x = {part: self._images(contents.of_split(part), units) for part in contents.parts}
        y = {part: contents.labels(part) for part in contents.parts}
        return Samples(
            x["train"], y["train"], x.get("test"), y.get("test"), units=units,
            x_validation=x.get("validation"), y_validation=y.get("validation"), notes=contents.notes(),
        )  # fmt: skip

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        from PIL import Image

        for i in range(20):
            path = folder / ("light" if i % 2 else "dark") / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("L", (4, 4), 100 * (i % 2) + i).save(path)
        return {"name": "image_folder", "path": str(folder), "greyscale": True}

    def _images(self, paths: list[Path], units: Units | None) -> Array:
        """float32 in [0, 1], (n, height, width, channels)."""
        shape = self._shape(paths)
        white = units.scale if units else image_files.WHITE_OF_16_BITS

        def fetch(rows: np.ndarray) -> np.ndarray:
            return self._decoded(paths, rows, shape, white)

        if len(paths) * math.prod(shape) <= LARGEST_RESIDENT:
            return fetch(np.arange(len(paths)))
        return chunked.lazy_array(len(paths), shape, fetch)

    def _decoded(self, paths: list[Path], rows: np.ndarray, shape: Shape, white: float) -> np.ndarray:
        """Decode some of the images. Raises UserError with the count of unusable files among all `paths`."""
        x = np.empty((len(rows), *shape), np.float32)
        some = [paths[row] for row in rows]
        decoded = image_files.decode_each(some, self.greyscale, self.size, white)
        for place, (_, image) in zip(x, decoded, strict=True):
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


@dataclass(frozen=True)
class _Contents:
    """The images of each split by class, sorted; those without a class under the name ""."""

    folder: Path
    parts: dict[str, Classes]
    others: tuple[Path, ...]

    @classmethod
    def of(cls, folder: Path) -> _Contents:
        """Raises UserError where there are no images, or some without a class."""
        listed = image_files.listed(folder)
        splits = _split_folders(listed)
        others: list[Path] = []
        parts = {part: _classes(path, others) for part, path in (splits or {"train": folder}).items()}
        if splits:
            beside = [path for path in listed if path not in splits.values()]
            others += [path for path in beside if not path.is_dir()]
            if len({"" in classes for classes in parts.values()}) > 1:
                flat = [part for part, classes in parts.items() if "" in classes]
                raise UserError(f"{folder}: the images of {_named(flat)} are in no folders of classes; move them there")
        return cls(folder, parts, tuple(sorted(others)))

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({name for classes in self.parts.values() for name in classes if name}))

    def of_split(self, part: str) -> list[Path]:
        return [path for _, members in sorted(self.parts[part].items()) for path in members]

    def labels(self, part: str) -> np.ndarray:
        """int32 (n,), or float32 (n, 0) where there are no classes."""
        if not self.classes:
            return np.zeros((len(self.of_split(part)), 0), np.float32)
        numbers = {name: k for k, name in enumerate(self.classes)}
        members = sorted(self.parts[part].items())
        return np.array([numbers[name] for name, paths in members for _ in paths], np.int32)

    def notes(self) -> tuple[str, ...]:
        note = image_files.left_out(self.folder, self.others)
        return (note,) if note else ()


def _split_folders(listed: list[Path]) -> dict[str, Path]:
    """The folders of the splits, empty where the folders are others."""
    folders = [path for path in listed if path.is_dir()]
    by_split = {part: path for path in folders for part, names in SPLITS.items() if path.name.lower() in names}
    loose = any(path.suffix.lower() in image_files.SUFFIXES for path in listed if path not in folders)
    return by_split if "train" in by_split and 1 < len(by_split) == len(folders) and not loose else {}


def _units(paths: list[Path]) -> Units | None:
    """The white of grey values of 16 bits; None where all images have 8."""
    largest = image_files.largest_of_16_bits(paths)
    return None if largest is None else Units("uint16", max(255.0, white_level(largest)))


def _classes(folder: Path, others: list[Path]) -> Classes:
    """The images of each class, sorted; images without a class have the key "". Other files are added to `others`."""
    listed = image_files.listed(folder)
    folders = [path for path in listed if path.is_dir()]
    files = [path for path in listed if not path.is_dir()]
    loose = [path for path in files if path.suffix.lower() in image_files.SUFFIXES]
    others += [path for path in files if path not in loose]
    if not folders:
        if not loose:
            hint = f"; {image_files.left_out(folder, others)}" if others else ""
            raise UserError(f"{folder}: has no images and no folders of them; name a folder that has{hint}")
        return {"": loose}
    classes: Classes = {}
    for path in folders:
        classes[path.name], more = image_files.below(path)
        others += more
    if empty := [name for name, members in classes.items() if not members]:
        inside = image_files.left_out(folder, [path for path in others if path.parent != folder])
        remedy = f"{inside}; save them as PNG" if inside else "put some in, or move the folder away"
        raise UserError(f"{folder}: no images in {_named(empty)}, so no samples of a class; {remedy}")
    if loose:
        raise UserError(
            f"{folder}: {len(loose)} images, {loose[0].name} first, are beside the folders of the classes "
            f"{_named(list(classes))}; move them into one, or away"
        )
    return classes


def _named(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
