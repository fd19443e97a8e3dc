"""Galaxy Zoo: the images and vote fractions of Kaggle's Galaxy Challenge (Willett et al. 2013)."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import field_validator, model_validator

from mlphys.datasets import _galaxy_zoo_tree as tree
from mlphys.errors import UserError
from mlphys.io import checksum, csv_table, csvfile, image_files
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema.data import Dataset, Description
from mlphys.schema.fields import Shape, Size2D
from mlphys.schema.paths import absolute
from mlphys.schema.samples import Samples

VOTES = "training_solutions_rev1.csv"  # Kaggle's name
ENDINGS = (".jpg", ".jpeg")
BEGIN, END, TAIL = b"\xff\xd8", b"\xff\xd9", 64  # of a JPEG; some writers pad it by a few bytes
LARGEST_RESIDENT = 500_000_000  # values of all images: 2 GB of float32
MOST_UNUSABLE = 0.01  # of the galaxies
NAMED = 3  # images that a message names
ROUNDING = 1e-6  # by which a fraction may be beyond 0 or 1


class GalaxyZoo(Dataset):
    """Galaxy Zoo as Kaggle has it: a folder of jpg images and a CSV of 37 vote fractions.

    An image is called GalaxyID.jpg; a line of the CSV has GalaxyID and Class1.1 to Class11.6, in any order.
    `targets: fractions` are these 37 numbers. `targets: classes` are four, by the largest of: no galaxy, Class1.3;
    spiral, the largest of Class5.1 to 5.4; elliptical, Class6.2; irregular, the largest of Class8.1 to 8.7.
    The middle of each image, `crop`, is resized to `size`; values are in [0, 1], 3 channels or, with `greyscale`, 1.
    Images that are missing, damaged or without votes are counted and left out; more than 1 % are refused. Images that
    take more than 2 GB as float32 stay on disk and are decoded whenever they are needed.
    """

    OWN_FILES: ClassVar[bool] = True
    PATH_KEYS: ClassVar[tuple[str, ...]] = ("path", "votes")

    name: Literal["galaxy_zoo"]
    path: str
    """The folder of the images. Example: images_training_rev1"""
    votes: str | None = None
    """The CSV of the fractions; null: training_solutions_rev1.csv beside the folder, or in it. Example: votes.csv"""
    targets: Literal["classes", "fractions"] = "classes"
    """What the network is to predict of an image: one of four classes, or the share of each of 37 answers."""
    crop: Size2D | None = None
    """The height and width, in pixels, of the middle of an image that is used; null: all of it. Example: 212"""
    size: Size2D = (64, 64)
    """The height and width, in pixels, to which the middle of every image is resized."""
    greyscale: bool = False
    """true makes one channel of the colours."""

    @field_validator("path", "votes")
    @classmethod
    def _wherever_the_run_is(cls, path: str | None) -> str | None:
        return None if path is None else absolute(path)

    @model_validator(mode="after")
    def _are_images(self) -> GalaxyZoo:
        for key, size in (("size", self.size), ("crop", self.crop)):
            if size and math.prod(size) > image_files.MOST_PIXELS:
                most = image_files.MOST_PIXELS
                raise ValueError(f"{key}: expected at most {most} pixels; received {math.prod(size)}; lower {key}")
        return self

    def describe(self) -> Description:
        """The number of usable images, from the CSV and the first and last bytes of each."""
        shape = self._shape()
        return tree.described(shape, len(self._contents().paths), self.targets == "fractions")

    def load(self) -> Samples:
        """The images in the order of the CSV."""
        contents = self._contents()
        y = contents.fractions.astype(np.float32) if self.targets == "fractions" else tree.labels(contents.fractions)
        return Samples(self._images(contents.paths), y, files=(checksum.record(self._votes()),), notes=contents.notes)

    def files(self) -> tuple[Path, ...]:
        return (self._votes(),)

    def targets_stay(self) -> bool:
        return True

    def target_names(self) -> tuple[str, ...]:
        return tree.COLUMNS if self.targets == "fractions" else ()

    def cropped(self) -> tuple[int, int] | None:
        return self.crop

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        from PIL import Image

        images = folder / "images_training_rev1"
        images.mkdir()
        lines = [",".join(["GalaxyID", *tree.COLUMNS])]
        for number in range(20):
            shares = dict.fromkeys(tree.COLUMNS, 0.1) | {
                ("Class1.3", "Class5.2", "Class6.2", "Class8.4")[number % 4]: 1
            }
            Image.new("RGB", (16, 16), (10 * number, 0, 100)).save(images / f"{100 + number}.jpg")
            lines.append(",".join(map(str, [100 + number, *shares.values()])))
        (folder / VOTES).write_text("\n".join(lines))
        return {"name": "galaxy_zoo", "path": str(images), "size": 8}

    def _shape(self) -> Shape:
        return (*self.size, 1 if self.greyscale else 3)

    def _votes(self) -> Path:
        if self.votes is not None:
            return Path(self.votes)
        beside, inside = Path(self.path).parent / VOTES, Path(self.path) / VOTES
        return inside if inside.exists() and not beside.exists() else beside

    def _contents(self) -> _Contents:
        images = _images_by_number(Path(self.path))
        if not self._votes().exists():
            raise UserError(f"{self._votes()}: no such file; name the CSV of the vote fractions as data.votes")
        return _Contents.of(Path(self.path), images, *_votes(self._votes()))

    def _images(self, paths: Sequence[Path]) -> Array:
        """float32 in [0, 1], (n, height, width, channels)."""
        shape = self._shape()

        def fetch(rows: np.ndarray) -> np.ndarray:
            return self._decoded(paths, rows)

        if len(paths) * math.prod(shape) <= LARGEST_RESIDENT:
            return fetch(np.arange(len(paths)))
        return chunked.lazy_array(len(paths), shape, fetch)

    def _decoded(self, paths: Sequence[Path], rows: np.ndarray) -> np.ndarray:
        """Decode some of the images. Raises UserError with all of them that cannot be used."""
        x = np.empty((len(rows), *self._shape()), np.float32)
        some = [paths[row] for row in rows]
        wrong = []
        decoded = image_files.decode_each(some, self.greyscale, self.size, crop=self.crop)
        for place, (_, image) in zip(x, decoded, strict=True):
            if isinstance(image, UserError):
                wrong.append(str(image))
            else:
                place[...] = image
        if wrong:
            more = [f"... and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
            counted = f"{self.path}: {len(wrong)} of {len(some)} images cannot be used; move them away"
            raise UserError("\n".join([counted, *wrong[:NAMED], *more]))
        return x


@dataclass(frozen=True)
class _Contents:
    """The usable images in the order of the CSV, their fractions (n, 37), and what is left out."""

    paths: tuple[Path, ...]
    fractions: np.ndarray
    notes: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, images: dict[int, Path], numbers: Sequence[int], fractions: np.ndarray) -> _Contents:
        """Raises UserError where more than 1 % of the galaxies cannot be used."""
        known = set(numbers)
        missing = [f"{number}.jpg" for number in numbers if number not in images]
        damaged = {number for number in numbers if number in images and not _is_whole(images[number])}
        without = [path.name for number, path in sorted(images.items()) if number not in known]
        named = [images[number].name for number in sorted(damaged)]
        problems = [
            _counted(folder, "missing images of the CSV", missing),
            _counted(folder, "damaged images, or no JPEG", named),
            _counted(folder, "images without votes in the CSV", without),
        ]
        notes = tuple(problem for problem in problems if problem)
        if max(map(len, (missing, damaged, without))) > MOST_UNUSABLE * len(numbers):
            limit = f"more than {MOST_UNUSABLE:.0%} of the {len(numbers)} galaxies in the CSV"
            remedy = "unpack the archive again, or name the CSV of these images as data.votes"
            raise UserError("\n".join([*notes, f"{folder}: {limit}; {remedy}"]))
        rows = [row for row, number in enumerate(numbers) if number in images and number not in damaged]
        return cls(tuple(images[numbers[row]] for row in rows), fractions[rows], notes)


def _counted(folder: Path, what: str, names: list[str]) -> str:
    """`images: damaged images: 2 (1.jpg, 2.jpg); left out`; empty where there are none."""
    return f"{folder.name}: {what}: {len(names)} ({csv_table.listed(names, NAMED)}); left out" if names else ""


def _is_whole(path: Path) -> bool:
    """Whether a file begins and ends as a JPEG does: one that was cut off, or is none, does not."""
    try:
        checksum.regular(path)
        return _has_both_ends(path, checksum.version(path))
    except (OSError, UserError):
        return False


@lru_cache(maxsize=500_000)  # Galaxy Zoo 2 has 304,122 galaxies
def _has_both_ends(path: Path, version: checksum.Version) -> bool:
    """Read once, as long as the file does not change: a config is described several times."""
    with path.open("rb") as file:
        begins = file.read(len(BEGIN)) == BEGIN
        file.seek(max(0, path.stat().st_size - TAIL))
        return begins and END in file.read()


def _images_by_number(folder: Path) -> dict[int, Path]:
    """The images of a folder by GalaxyID. Raises UserError for a folder without them, or with two of one number."""
    listed = image_files.listed(folder)
    paths: dict[int, Path] = {}
    for path in listed:
        if path.suffix.lower() in ENDINGS and _is_number(path.stem):
            if int(path.stem) in paths:
                raise UserError(f"{path}: galaxy {int(path.stem)} is {paths[int(path.stem)].name} too; leave one out")
            paths[int(path.stem)] = path
    if not paths:
        raise UserError(f"{folder}: no image is called by a GalaxyID, such as 100008.jpg; {_better(folder, listed)}")
    return paths


def _better(folder: Path, listed: Iterable[Path]) -> str:
    """Which folder may be meant."""
    for inner in (path for path in listed if path.is_dir()):
        if any(path.suffix.lower() in ENDINGS and _is_number(path.stem) for path in image_files.listed(inner)):
            return f"they are in {inner}"
    return "name the folder that Kaggle's archive images_training_rev1 was unpacked into"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _votes(path: Path) -> tuple[Sequence[int], np.ndarray]:
    """GalaxyIDs and fractions (n, 37) of a CSV, in its order. Raises UserError for what is no such table."""
    checksum.regular(path)
    return _parsed(path, checksum.version(path))


@lru_cache(maxsize=2)
def _parsed(path: Path, version: checksum.Version) -> tuple[Sequence[int], np.ndarray]:
    """`_votes`, read once as long as the file does not change."""
    numbers: list[int] = []
    values = array("d")
    with csvfile.opened(path) as rows:
        _, header = next(rows, (1, []))
        places = _places(path, header)
        for line, row in rows:
            if len(row) != len(header):
                raise UserError(f"{path}:{line}: {len(row)} cells, and {len(header)} columns have names")
            if not _is_number(row[places[0]]):
                raise UserError(f"{path}:{line}: GalaxyID: expected a whole number; received {row[places[0]][:40]!r}")
            numbers.append(int(row[places[0]]))
            values.extend(_fractions(path, line, [row[place] for place in places[1:]]))
    if not numbers:
        raise UserError(f"{path}: no galaxies: there is nothing below the names of the columns")
    if len(set(numbers)) < len(numbers):
        [(twice, _)] = Counter(numbers).most_common(1)
        raise UserError(f"{path}: galaxy {twice} is in it more than once; leave one line out")
    fractions = np.frombuffer(values, np.float64).reshape(len(numbers), len(tree.COLUMNS))
    fractions.setflags(write=False)
    return tuple(numbers), fractions


def _places(path: Path, header: Sequence[str]) -> list[int]:
    """The places of GalaxyID and of each fraction. Raises UserError where one is missing."""
    needed = ("GalaxyID", *tree.COLUMNS)
    if missing := [name for name in needed if name not in header]:
        raise UserError(
            f"{path}: {len(missing)} of the {len(needed)} columns are missing: {csv_table.listed(missing, NAMED)} "
            f"(columns: {csv_table.listed(header)}); name Kaggle's {VOTES} as data.votes"
        )
    return [header.index(name) for name in needed]


def _fractions(path: Path, line: int, cells: list[str]) -> list[float]:
    """The fractions of a line. Raises UserError for one that is no number from 0 to 1."""
    values = csvfile.plain_numbers(cells)
    if values is not None and min(values) >= -ROUNDING and max(values) <= 1 + ROUNDING:
        return values
    for name, cell in zip(tree.COLUMNS, cells, strict=True):
        try:
            value = csvfile.number(cell)
        except ValueError as error:
            raise UserError(f"{path}:{line}: {name}: {error}") from None
        if not -ROUNDING <= value <= 1 + ROUNDING:
            raise UserError(f"{path}:{line}: {name}: expected a fraction of the votes, from 0 to 1; received {cell}")
    raise AssertionError(line)
