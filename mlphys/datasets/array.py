"""Arrays of the user's own, from an npz file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from mlphys import checksum, npz
from mlphys.errors import UserError
from mlphys.npz import Header
from mlphys.schema.data import DataSpec, Description, Samples
from mlphys.schema.fields import Positive


class Spec(DataSpec):
    """Your own samples: an npz file with x_train, y_train[, x_test, y_test] or x, y.

    x has shape (samples, features) or (samples, height, width[, channels]) and holds numbers, y
    the labels 0, 1, ... Samples of x_test are an official test set. `classes` names the labels;
    null names them by their numbers. x is divided by `scale`; null is 255 for uint8, 1 for others.
    """

    name: Literal["array"]
    path: str
    classes: Annotated[list[str], Field(min_length=1)] | None = None
    scale: Positive | None = None

    def files(self) -> tuple[Path, ...]:
        return (Path(self.path),)

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str) -> str:
        return str(Path(path).expanduser().absolute())

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: list[str] | None) -> list[str] | None:
        if classes is not None and len(set(classes)) < len(classes):
            raise ValueError("two classes have the same name")
        return classes


def describe(spec: Spec) -> Description:
    """Shapes from the file's headers; of the data, the labels alone are read."""
    (path,) = spec.files()
    headers = npz.headers(path)
    pairs = _pairs(path, headers)
    labels = _labels(path, headers, pairs, spec.classes)
    classes = spec.classes or [str(k) for k in range(1 + max(int(y.max()) for y in labels))]
    sizes = [len(y) for y in labels]
    shape = _with_channels(headers[pairs[0][0]].shape)[1:]
    return Description(shape, tuple(classes), sizes[0], sizes[1] if len(sizes) > 1 else None)


def load(spec: Spec) -> Samples:
    (path,) = spec.files()
    headers = npz.headers(path)
    pairs = _pairs(path, headers)
    labels = _labels(path, headers, pairs, spec.classes)
    arrays = npz.read(path, {x: headers[x] for x, _ in pairs})
    samples = [_samples(path, x, arrays.pop(x), spec.scale) for x, _ in pairs]
    x_test, y_test = (samples[1], labels[1]) if len(pairs) > 1 else (None, None)
    return Samples(samples[0], labels[0], x_test, y_test, files=(checksum.record(path),))


def _pairs(path: Path, headers: Mapping[str, Header]) -> list[tuple[str, str]]:
    """The names of samples and labels that fit each other, those of an official test set behind."""
    for names in (("x_train", "y_train", "x_test", "y_test"), ("x_train", "y_train"), ("x", "y")):
        if set(names) <= headers.keys():
            break
    else:
        raise UserError(
            f"{path}: needs the arrays x_train and y_train (and x_test, y_test), or x and y; "
            f"received {', '.join(sorted(headers)) or 'none'}"
        )
    if len(names) == 2 and (alone := headers.keys() & {"x_test", "y_test"}):
        raise UserError(
            f"{path}: has {' and '.join(sorted(alone))}, but not all of x_train, y_train, x_test, y_test; "
            "add the others, or leave the test set out"
        )
    pairs = list(zip(names[::2], names[1::2], strict=True))
    for x, y in pairs:
        _check_pair(path, headers, x, y)
    shapes = [headers[x].shape for x, _ in pairs]
    if shapes[0][1:] != shapes[-1][1:]:
        raise UserError(f"{path}: x_train has shape {shapes[0]} and x_test {shapes[-1]}; they must be alike")
    return pairs


def _check_pair(path: Path, headers: Mapping[str, Header], x: str, y: str) -> None:
    for name in (x, y):
        if headers[name].dtype.kind not in "buif":
            raise UserError(f"{path}: {name} holds {headers[name].dtype}; expected real numbers")
        if 0 in headers[name].shape:
            raise UserError(f"{path}: {name} has shape {headers[name].shape}: no samples in it")
    of_x, of_y = headers[x].shape, headers[y].shape
    if len(of_x) < 2:
        raise UserError(f"{path}: {x} has shape {of_x}; expected (samples, features) or images")
    if len(of_y) != 1 and of_y[1:] != (1,):
        raise UserError(f"{path}: {y} has shape {of_y}; expected one whole number a sample")
    if of_x[0] != of_y[0]:
        raise UserError(f"{path}: {x} has {of_x[0]} samples and {y} {of_y[0]} labels; they must be as many")


def _labels(
    path: Path, headers: Mapping[str, Header], pairs: list[tuple[str, str]], classes: list[str] | None
) -> list[np.ndarray]:
    """The labels of each pair: int32, (n,), whole, and one of the classes."""
    arrays = npz.read(path, {y: headers[y] for _, y in pairs})
    # Without names any label makes a class, and a stray one would make millions of empty ones.
    most = len(classes) if classes else len(arrays[pairs[0][1]])
    known = f"the classes are 0 to {most - 1}" if classes else f"more classes than the {most} samples"
    for name, y in arrays.items():
        y = y.reshape(-1)
        _refuse(path, name, y, y != np.floor(y.astype(np.float64)), "labels are whole numbers")
        _refuse(path, name, y, y < 0, "labels count from 0")
        _refuse(path, name, y, y >= most, known)
    return [arrays[y].reshape(-1).astype(np.int32) for _, y in pairs]


def _refuse(path: Path, name: str, y: np.ndarray, wrong: np.ndarray, why: str) -> None:
    if wrong.any():
        first = int(wrong.argmax())
        raise UserError(f"{path}: {name}[{first}] is {y[first]}: {why}; {wrong.sum()} of {len(y)} are wrong")


def _samples(path: Path, name: str, x: np.ndarray, scale: float | None) -> np.ndarray:
    """float32 with a last axis of channels, divided by the scale."""
    divisor = scale or (255 if x.dtype == np.uint8 else 1)
    with np.errstate(over="ignore"):  # reported below
        x = np.ascontiguousarray(x.reshape(_with_channels(x.shape)), dtype=np.float32)
        x /= np.float32(divisor)
    finite = np.isfinite(x)
    if not finite.all():
        first = ", ".join(str(i) for i in np.unravel_index(finite.argmin(), x.shape))
        raise UserError(
            f"{path}: {name} has {x.size - finite.sum()} values that are NaN, infinite or beyond float32, "
            f"the first at [{first}]; replace them, or leave these samples out"
        )
    return x


def _with_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 1) if len(shape) == 3 else shape
