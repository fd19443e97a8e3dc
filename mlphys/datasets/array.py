"""The user's arrays, from an npz file or from npy files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from mlphys.errors import UserError
from mlphys.io import checksum, npz
from mlphys.io.npz import Header
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array, LazyArray
from mlphys.schema.data import Dataset, Description, Samples
from mlphys.schema.fields import Positive

ACCEPTED: list[list[tuple[str, str | None]]] = [
    [("x_train", "y_train"), ("x_test", "y_test")],
    [("x_train", "y_train")],
    [("x", "y")],
    [("x_train", None), ("x_test", None)],
    [("x_train", None)],
    [("x", None)],
]
NAMES = ("x", "y", "x_train", "y_train", "x_test", "y_test")


class Arrays(Dataset):
    """Your own samples: an npz file with x_train, y_train[, x_test, y_test] or x, y.

    Or a folder of npy files with these names, or one npy file, which is x. More than 1 GB of
    samples as float32 in an npy file stay on disk and are read when needed.

    x has shape (samples, features) or (samples, height, width[, channels]) and holds numbers, y
    labels 0, 1, ... or other numbers, one number or one array per sample; without y there are no
    targets, for autoencoders. Samples of x_test are an official test set. `class_names` names the labels;
    null names them by their numbers. `targets`: null treats one whole number per sample as a class.
    x is divided by `scale`; null is 255 for uint8, 1 for others.
    """

    name: Literal["array"]
    path: str
    class_names: Annotated[list[str], Field(min_length=1)] | None = None
    targets: Literal["classes", "numbers"] | None = None
    scale: Positive | None = None

    def files(self) -> tuple[Path, ...]:
        return tuple(_npy_files(Path(self.path)).values()) or (Path(self.path),)

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str) -> str:
        return str(Path(path).expanduser().absolute())

    @field_validator("class_names")
    @classmethod
    def _distinct(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError("two classes have the same name")
        return names

    @model_validator(mode="after")
    def _names_need_classes(self) -> Arrays:
        if self.class_names and self.targets == "numbers":
            raise ValueError("numbers have no class_names; leave them out, or write targets: classes")
        return self

    def describe(self) -> Description:
        """Shapes from the headers; only the targets are read."""
        path = Path(self.path)
        headers = _headers(path)
        pairs = _pairs(path, headers)
        targets = _targets(path, headers, pairs, self)
        classes: list[str] = []
        if targets[0].dtype == np.int32:
            classes = self.class_names or [str(k) for k in range(1 + max(int(y.max()) for y in targets))]
        sizes = [len(y) for y in targets]
        shape, target_shape = _with_channels(headers[pairs[0][0]].shape)[1:], targets[0].shape[1:]
        return Description(shape, tuple(classes), sizes[0], sizes[1] if len(sizes) > 1 else None, target_shape)

    def load(self) -> Samples:
        path = Path(self.path)
        headers = _headers(path)
        pairs = _pairs(path, headers)
        targets = _targets(path, headers, pairs, self)
        large = {x for x, _ in pairs if _npy_files(path) and math.prod(headers[x].shape) > chunked.LARGEST_RESIDENT}
        arrays = _read(path, {x: headers[x] for x, _ in pairs if x not in large})
        samples: list[Array] = [
            _on_disk(path, x, self.scale) if x in large else _samples(path, x, arrays.pop(x), self.scale)
            for x, _ in pairs
        ]
        x_test, y_test = (samples[1], targets[1]) if len(pairs) > 1 else (None, None)
        return Samples(samples[0], targets[0], x_test, y_test, files=tuple(map(checksum.record, self.files())))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        path = folder / "own.npz"
        np.savez(path, x=np.linspace(0, 1, 60).reshape(20, 3), y=np.arange(20) % 2)
        return {"name": "array", "path": str(path)}


def _npy_files(path: Path) -> dict[str, Path]:
    """The npy files by array name; empty for an npz file."""
    if os.path.isdir(path):  # unlike Path.is_dir, it accepts any path
        files = {name: path / f"{name}.npy" for name in NAMES}
        return {name: file for name, file in files.items() if os.path.exists(file)}
    return {"x": path} if path.suffix == ".npy" else {}


def _headers(path: Path) -> dict[str, Header]:
    files = _npy_files(path)
    if files or os.path.isdir(path):
        return {name: npz.npy_header(file) for name, file in files.items()}
    return npz.headers(path)


def _read(path: Path, headers: Mapping[str, Header]) -> dict[str, np.ndarray]:
    files = _npy_files(path)
    return {name: npz.read_npy(files[name]) for name in headers} if files else npz.read(path, headers)


def _pairs(path: Path, headers: Mapping[str, Header]) -> list[tuple[str, str | None]]:
    """The names of samples and targets (None: no targets), then those of an official test set."""
    known = headers.keys() & set(NAMES)
    for pairs in ACCEPTED:
        if known == {name for pair in pairs for name in pair if name}:
            break
    else:
        if (known >= {"x_train"} or known >= {"x", "y"}) and (alone := known & {"x_test", "y_test"}):
            raise UserError(
                f"{path}: has {' and '.join(sorted(alone))}, but not all of x_train, y_train, x_test, y_test; "
                "add the others, or leave the test set out"
            )
        what = "npy files of the arrays" if os.path.isdir(path) else "the arrays"
        raise UserError(
            f"{path}: needs {what} x_train and y_train (and x_test, y_test), or x and y, all without y for an "
            f"autoencoder; received {', '.join(sorted(headers)) or 'none'}"
        )
    for x, y in pairs:
        _check_pair(path, headers, x, y)
    for first, last in zip(pairs[0], pairs[-1], strict=True):
        if first and last and headers[first].shape[1:] != headers[last].shape[1:]:
            shapes = f"{first} has shape {headers[first].shape} and {last} {headers[last].shape}"
            raise UserError(f"{path}: {shapes}; they must be alike")
    return pairs


def _check_pair(path: Path, headers: Mapping[str, Header], x: str, y: str | None) -> None:
    for name in (x, y) if y else (x,):
        if headers[name].dtype.kind not in "buif":
            raise UserError(f"{path}: {name} holds {headers[name].dtype}; expected real numbers")
        if 0 in headers[name].shape:
            raise UserError(f"{path}: {name} has shape {headers[name].shape}: no samples in it")
    of_x = headers[x].shape
    if len(of_x) < 2:
        raise UserError(f"{path}: {x} has shape {of_x}; expected (samples, features) or images")
    of_y = headers[y].shape if y else of_x
    if not of_y:
        raise UserError(f"{path}: {y} has shape {of_y}; expected one value per sample")
    if of_x[0] != of_y[0]:
        raise UserError(f"{path}: {x} has {of_x[0]} samples and {y} {of_y[0]} targets; they must be as many")


def _targets(
    path: Path, headers: Mapping[str, Header], pairs: list[tuple[str, str | None]], dataset: Arrays
) -> list[np.ndarray]:
    """The targets of each pair: int32 labels (n,), or float32 (n, *target_shape)."""
    arrays = _read(path, {y: headers[y] for _, y in pairs if y})
    if not arrays:
        return [np.zeros((headers[x].shape[0], 0), np.float32) for x, _ in pairs]
    if dataset.targets == "classes" or dataset.class_names or (dataset.targets is None and _are_labels(path, arrays)):
        return _labels(path, arrays, dataset.class_names)
    return [_samples(path, name, y.reshape(len(y), -1) if y.ndim < 2 else y, scale=1) for name, y in arrays.items()]


def _are_labels(path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether all targets are whole numbers, one per sample."""
    for name, y in arrays.items():
        if y.ndim == 2 and y.shape[1] > 1 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            raise UserError(
                f"{path}: {name} has shape {y.shape} and is one-hot; save {name}.argmax(axis=1) for classes, "
                "or write data.targets: numbers"
            )
    return all(y.size == len(y) and (y == np.floor(y.astype(np.float64))).all() for y in arrays.values())


def _labels(path: Path, arrays: Mapping[str, np.ndarray], names: list[str] | None) -> list[np.ndarray]:
    """Labels int32 (n,), validated to be whole numbers and known classes."""
    # Without names the largest label sets the number of classes; a wrong one would make millions.
    most = len(names) if names else len(next(iter(arrays.values())))
    known = f"the classes are 0 to {most - 1}" if names else f"more classes than the {most} samples"
    labels = []
    for name, y in arrays.items():
        if y.size != len(y):
            raise UserError(f"{path}: {name} has shape {y.shape}; expected one whole number per sample")
        y = y.reshape(-1)
        _refuse(path, name, y, y != np.floor(y.astype(np.float64)), "labels are whole numbers")
        _refuse(path, name, y, y < 0, "labels count from 0")
        _refuse(path, name, y, y >= most, known)
        labels.append(y.astype(np.int32))
    low, high = labels[0].min(), labels[0].max()
    if low > 0 and not names:
        raise UserError(f"{path}: labels are {low} to {high}: mlphys counts from 0; subtract {low}")
    return labels


def _refuse(path: Path, name: str, y: np.ndarray, wrong: np.ndarray, why: str) -> None:
    if wrong.any():
        first = int(wrong.argmax())
        raise UserError(f"{path}: {name}[{first}] is {y[first]}: {why}; {wrong.sum()} of {len(y)} are wrong")


def _samples(path: Path, name: str, x: np.ndarray, scale: float | None) -> np.ndarray:
    """float32 with a last axis of channels, divided by the scale."""
    converted = _converted(x, scale)
    _check_finite(path, name, [converted])
    return converted


def _on_disk(path: Path, name: str, scale: float | None) -> LazyArray:
    """The samples as `_samples` returns them, lazily read from the npy file."""
    x = npz.mapped_npy(_npy_files(path)[name])
    sample = _with_channels(x.shape)[1:]

    def fetch(rows: np.ndarray) -> np.ndarray:
        found = _converted(_rows(x, rows), scale)
        if not np.isfinite(found).all():
            step = chunked.at_once(x, chunked.AT_ONCE, chunked.LARGEST_PIECE)
            _check_finite(path, name, (_converted(np.array(x[i : i + step]), scale) for i in range(0, len(x), step)))
        return found

    return chunked.lazy_array(len(x), sample, fetch)


def _rows(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Samples of a file with the indices `rows`, read in file order."""
    if len(rows) and (np.diff(rows) == 1).all():
        return np.array(x[rows[0] : rows[-1] + 1])
    order = np.argsort(rows, kind="stable")
    found = np.empty((len(rows), *x.shape[1:]), x.dtype)
    found[order] = x[rows[order]]
    return found


def _converted(x: np.ndarray, scale: float | None) -> np.ndarray:
    divisor = scale or (255 if x.dtype == np.uint8 else 1)
    with np.errstate(over="ignore"):  # reported as not finite
        x = np.ascontiguousarray(x.reshape(_with_channels(x.shape)), dtype=np.float32)
        x /= np.float32(divisor)
    return x


def _check_finite(path: Path, name: str, pieces: Iterable[np.ndarray]) -> None:
    """Raise UserError with the count of values that are not finite, over all chunks."""
    wrong, before, first = 0, 0, ""
    for x in pieces:
        finite = np.isfinite(x)
        if not finite.all():
            if not wrong:
                sample, *place = np.unravel_index(finite.argmin(), x.shape)
                first = ", ".join(str(i) for i in (before + sample, *place))
            wrong += int(x.size - finite.sum())
        before += len(x)
    if wrong:
        raise UserError(
            f"{path}: {name} has {wrong} values that are NaN, infinite or beyond float32, "
            f"the first at [{first}]; replace them, or leave these samples out"
        )


def _with_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 1) if len(shape) == 3 else shape
