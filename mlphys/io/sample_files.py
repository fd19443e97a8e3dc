"""The user's samples for prediction: images, arrays, tables."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from mlphys.errors import UserError
from mlphys.io import array_files, column_files, csv_table, csvfile, handwriting, image_files
from mlphys.io.csv_layout import Layout
from mlphys.io.csv_table import Cells
from mlphys.io.csvfile import Row
from mlphys.schema.data import Frame
from mlphys.schema.fields import Shape
from mlphys.schema.layers import text
from mlphys.schema.suggestions import suggestion
from mlphys.schema.units import Units

LARGEST_IMAGE = 25_000_000  # values: 5,000 x 5,000 pixels
ENDINGS = (*image_files.SUFFIXES, *array_files.ENDINGS, ".csv")


@dataclass(frozen=True)
class Expected:
    """The samples that a network expects.

    `low` and `high` are the smallest and the largest value of its training samples, None where a
    run has not kept them; `cells` are how the columns of its table are read and `targets` those that are
    no features, where they are known. `units` are what the numbers of its file meant, None where it had
    no file of its own; `array` is the name of the samples in it; `frame` is how photographs become samples.
    `crop` are the height and width of the middle of an image that becomes a sample, None where all of it does.
    """

    shape: Shape
    low: float | None = None
    high: float | None = None
    cells: Cells | None = None
    targets: tuple[str, ...] = ()
    units: Units | None = None
    array: str = "x"
    frame: Frame | None = None
    crop: tuple[int, int] | None = None

    @property
    def meant(self) -> Units:
        """The units of another file: bytes of images are pixels if the network was trained on 0 to 1."""
        if self.units:
            return self.units
        return Units("uint8", 255.0) if self.is_image and self.white == 1 else Units("float32")

    @property
    def fills_gaps(self) -> bool:
        return bool(self.units and self.units.fill)

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3 and self.shape[2] in (1, 3)

    @property
    def white(self) -> float | None:
        """The value of a white pixel, 1 or 255; None if unknown."""
        low, high = (0.0, 1.0) if self.low is None or self.high is None else (self.low, self.high)
        if low >= 0 and high <= 1:
            return 1.0
        return 255.0 if low >= 0 and 128 <= high <= 255 else None


def members(path: Path) -> tuple[list[Path], str]:
    """A file itself; of a folder the images in it and in its folders, sorted, and what else is left out.

    Raises UserError for a folder without images.
    """
    if not path.is_dir():
        return [path], ""
    images, others = image_files.below(path)
    if not images:
        raise UserError(f"{path}: a folder without images ({', '.join(image_files.SUFFIXES)}); name the files in it")
    return images, image_files.left_out(path, others)


def read(path: Path, expected: Expected, resize: bool = False, invert: bool = False) -> np.ndarray:
    """Read samples from a file in the form of the training data: float32 (n, *shape).

    Image files are prepared as the `frame` says; where there is none, or `resize` or `invert` say how, they are taken
    as they are. With `resize` an image is resized to the size of the training images; with `invert` black
    becomes white. Raises UserError for unreadable files, other shapes, values that are not finite,
    and values far outside of the training range.
    """
    ending = path.suffix.lower()
    if ending in image_files.SUFFIXES:
        prepared = expected.frame is not None and not resize and not invert
        x = (_photograph(path, expected) if prepared else _image(path, expected, resize))[None]
    elif expected.cells and column_files.is_table(path) and _has_columns(path, expected.cells):
        header, rows = column_files.rows(path)
        x = _numbers(path, _table(path, Layout(), chain([(0, header)], rows), expected), expected)
    elif array_files.is_known(path):
        x = _numbers(path, array_files.one(path, expected.array), expected)
    elif ending == ".csv":
        layout = csvfile.find_layout(path)
        with csvfile.opened(path, layout) as rows:
            x = _numbers(path, _table(path, layout, rows, expected), expected)
    else:
        raise UserError(f"{path}: unknown file extension; allowed {', '.join(ENDINGS)}")
    _check_values(path, x, expected)
    return _inverted(path, x, expected) if invert else x


def _photograph(path: Path, expected: Expected) -> np.ndarray:
    """A photographed character, prepared as the training images were."""
    assert expected.frame is not None
    grey = image_files.decode(path, greyscale=True)[..., 0]
    try:
        x = handwriting.prepared(grey, expected.frame)
    except ValueError as error:
        raise UserError(f"{path}: {error}; photograph it nearer, or give a sample with --as-is") from None
    return x[..., None] * np.float32(expected.white or 1)


def _image(path: Path, expected: Expected, resize: bool) -> np.ndarray:
    if not expected.is_image:
        raise UserError(
            f"{path}: is an image, and the network was trained on samples of {text(expected.shape)} numbers; "
            "give those as npy, npz or csv"
        )
    if expected.white is None:
        raise UserError(
            f"{path}: an image's pixels go from 0 to 1, and the network was trained on values from "
            f"{expected.low:g} to {expected.high:g}; give pixels on that scale as npy"
        )
    height, width, channels = expected.shape
    if math.prod(expected.shape) > LARGEST_IMAGE:
        raise UserError(f"{path}: {height} x {width} pixels are more than {LARGEST_IMAGE:,} values; give them as npy")
    size = image_files.header(path)
    if size != (height, width) and not resize:
        part = "scales its middle as those of training were" if expected.crop else "scales it"
        raise UserError(f"{path}: expected {height} x {width} pixels; received {size[0]} x {size[1]}; --resize {part}")
    deep = {"white_of_16_bits": expected.units.scale} if expected.units and expected.units.dtype == "uint16" else {}
    small = expected.crop is not None and (size[0] < expected.crop[0] or size[1] < expected.crop[1])
    crop = None if not resize or (small and size == (height, width)) else expected.crop
    x = image_files.decode(path, channels == 1, (height, width) if resize else None, crop=crop, **deep)
    return x * np.float32(expected.white)


def _has_columns(path: Path, cells: Cells) -> bool:
    """Whether arrays of a file are columns of the training table, and not samples of all its features."""
    return any(name in array_files.headers(path) for name in cells.names)


def _table(path: Path, layout: Layout, rows: Iterator[Row], expected: Expected) -> np.ndarray:
    """The numbers of a table, float64 (rows, features), with a line of names above them or without."""
    values = array("d")
    line, first = next(rows, (1, []))
    if not first:
        raise UserError(f"{path}: no samples: the file is empty")
    cells = replace(expected.cells or Cells(()), layout=layout)
    named = set(cells.names) <= set(first) if cells.names else False
    named = named or all(csvfile.parsed(layout.number(cell)) is None for cell in first)
    if not named and len(first) != len(cells.names):
        cells = replace(cells, names=tuple(f"column {i + 1}" for i in range(len(first))))
    places = _places(path, first, cells, expected) if named else range(len(first))
    if not cells.names:
        cells = replace(cells, names=tuple(first[place] for place in places))
    for number, row in rows if named else chain([(line, first)], rows):
        if len(row) != len(first):
            raise UserError(f"{path}:{number}: {len(row)} cells, but the first line has {len(first)}")
        features, wrong = cells.features(row, places)
        for name, reason in wrong.items():
            raise UserError(f"{path}:{number}: {name if named else _place(cells, name)}: {reason}")
        if not expected.fills_gaps:
            _refuse_gaps(f"{path}:{number}", cells, row, places, named)
        values.extend(features)
    return np.array(values).reshape(-1, len(cells.feature_names()))


def _place(cells: Cells, name: str) -> str:
    return f"column {cells.names.index(name) + 1}"


def _refuse_gaps(where: str, cells: Cells, row: Sequence[str], places: Sequence[int], named: bool) -> None:
    for name, place in zip(cells.names, places, strict=True):
        if cells.is_missing(row[place]) and row[place] not in cells.categories.get(name, ()):
            raise UserError(f"{where}: {name if named else _place(cells, name)}: {csvfile.refusal(row[place])}")


def _places(path: Path, header: Sequence[str], cells: Cells, expected: Expected) -> Sequence[int]:
    """The positions of the features in a row: those of the training table, else all columns but the targets."""
    counts, places = Counter(header), {name: i for i, name in enumerate(header)}
    for name in cells.names:
        if name not in places:
            columns = f"(columns: {csv_table.listed(header)})"
            raise UserError(f"{path}: no column {name}, a feature of the run{suggestion(name, header)} {columns}")
        if counts[name] > 1:
            raise UserError(f"{path}: {counts[name]} columns are called {name}; rename one")
    if cells.names:
        return [places[name] for name in cells.names]
    return [place for place, name in enumerate(header) if name not in expected.targets]


def _numbers(path: Path, values: np.ndarray, expected: Expected) -> np.ndarray:
    if values.dtype.kind not in "buif":
        raise UserError(f"{path}: holds {values.dtype}; expected real numbers")
    x = _samples(path, values, expected.shape)
    meant = expected.meant
    return np.ascontiguousarray(meant.filled(meant.of_another_file(str(path), x)))


def _samples(path: Path, values: np.ndarray, shape: Shape) -> np.ndarray:
    """Reshape to (n, *shape): accepts a single sample, images without channel axis, and flat samples."""
    layouts = {shape, (math.prod(shape),)}
    if shape[-1] == 1:
        layouts.add(shape[:-1])
    if values.shape not in layouts and values.shape[1:] not in layouts:
        flat = "" if len(shape) == 1 else f", or (samples, {math.prod(shape)})"
        raise UserError(
            f"{path}: has the shape ({', '.join(map(str, values.shape))}); expected "
            f"(samples, {', '.join(map(str, shape))}){flat}"
        )
    if values.size == 0:
        raise UserError(f"{path}: no samples in it")
    return values.reshape(-1, *shape)


def _check_values(path: Path, x: np.ndarray, expected: Expected) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        sample, *place = (int(i) for i in np.unravel_index(finite.argmin(), x.shape))
        raise UserError(
            f"{path}: {x.size - finite.sum()} values are NaN, infinite or beyond float32, the first in sample {sample} "
            f"at [{', '.join(map(str, place))}]; replace them, or leave these samples out"
        )
    if expected.low is None or expected.high is None or expected.low == expected.high:
        return
    low, high, width = float(x.min()), float(x.max()), expected.high - expected.low
    if low >= expected.low - width and high <= expected.high + width:
        return
    bytes_for_fractions = expected.white == 1 and low >= 0 and high <= 255
    remedy = "divide them by 255" if bytes_for_fractions else "bring them to the scale of the training samples"
    raise UserError(
        f"{path}: values from {low:g} to {high:g}; the network was trained on values from {expected.low:g} to "
        f"{expected.high:g}; {remedy}"
    )


def _inverted(path: Path, x: np.ndarray, expected: Expected) -> np.ndarray:
    if not expected.is_image or expected.white is None:
        what = "values that are no pixels" if expected.is_image else "samples that are no images"
        raise UserError(f"{path}: --invert turns black into white, and the network was trained on {what}; leave it out")
    return np.float32(expected.white) - x
