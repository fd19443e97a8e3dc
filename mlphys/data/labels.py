"""Classes from labels in common forms: text, whole numbers with gaps or signs, booleans, one-hot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlphys.errors import UserError
from mlphys.schema.suggestions import quoted

FEW = 20  # distinct whole numbers that always count as labels; more may be a quantity
MOST_CLASSES = 10_000
LONGEST_NAME = 100

Arrays = Mapping[str, np.ndarray]  # targets by name, one per sample


def look_like_labels(arrays: Arrays) -> bool:
    """Whether targets are labels unless the config decides: text, or few distinct whole numbers, one per sample."""
    if all(y.dtype.kind in "US" or is_one_hot(y) for y in arrays.values()):
        return True
    if not all(y.size == len(y) and y.dtype.kind in "buif" and _whole(y).all() for y in arrays.values()):
        return False
    together = np.concatenate([y.reshape(-1) for y in arrays.values()])
    return len(np.unique(together)) <= max(FEW, len(together) // 2)


def is_one_hot(y: np.ndarray) -> bool:
    if y.ndim != 2 or y.shape[1] < 2 or y.dtype.kind not in "buif":
        return False
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def classes(where: str, arrays: Arrays, names: Sequence[str] | None) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The names of the classes, and for each array the class indices, int32 (n,).

    Without `names` every distinct label is a class, in numeric or alphabetic order. With `names` labels are indices
    into them, the names themselves, or as many distinct labels as names. `where` begins messages. Raises UserError
    for invalid labels.
    """
    columns = {name: _column(where, name, y) for name, y in arrays.items()}
    if len({y.dtype.kind == "U" for y in columns.values()}) > 1:
        raise UserError(f"{where}: {' and '.join(columns)} hold text and numbers; write all labels alike")
    values = np.unique(np.concatenate(list(columns.values())))
    if names is None:
        return _by_label(where, columns, values)
    return tuple(names), _by_name(where, columns, values, names)


def _column(where: str, name: str, y: np.ndarray) -> np.ndarray:
    """One label per sample: text, or a whole float64."""
    if y.dtype.kind == "S":
        y = np.char.decode(y, "latin-1")
    if y.dtype.kind == "U":
        if y.size != len(y):
            raise UserError(f"{where}: {name} has shape {y.shape}; expected one label per sample")
        y = np.char.strip(y.reshape(-1))
        numbers = _numbers(y)
        return y if numbers is None else numbers
    if is_one_hot(y):
        return y.argmax(axis=1).astype(np.float64)
    if y.size != len(y):
        raise UserError(f"{where}: {name} has shape {y.shape}; expected one whole number per sample, or one-hot")
    y = y.reshape(-1)
    _refuse(where, name, y, ~_whole(y), "labels are text or whole numbers; kind: regressor takes numbers")
    return y.astype(np.float64)


def _numbers(y: np.ndarray) -> np.ndarray | None:
    """Whole numbers written as text, as float64; None for other text."""
    if not all(cell.lstrip("-").isdecimal() and len(cell) < 16 for cell in np.unique(y).tolist()):
        return None
    return y.astype(np.float64)


def _whole(y: np.ndarray) -> np.ndarray:
    values = y.astype(np.float64)
    return np.asarray(np.isfinite(values) & (values == np.floor(values)))


def _by_label(where: str, columns: Arrays, values: np.ndarray) -> tuple[tuple[str, ...], list[np.ndarray]]:
    require_few(where, " and ".join(columns), len(values), sum(map(len, columns.values())))
    names = [str(value) if values.dtype.kind == "U" else str(int(value)) for value in values.tolist()]
    check_names(where, names)
    return tuple(names), [np.searchsorted(values, y).astype(np.int32) for y in columns.values()]


def require_few(where: str, column: str, different: int, samples: int) -> None:
    """Raise UserError for so many different values that they can only be numbers."""
    if different > min(MOST_CLASSES, max(FEW, samples // 2)):
        raise UserError(
            f"{where}: {column} has {different} different values in {samples} samples, too many to be classes; "
            "kind: regressor takes them as numbers"
        )


def check_names(where: str, names: Sequence[str]) -> None:
    """Raise UserError for a name that other commands cannot print or read."""
    for name in names:
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise UserError(
                f"{where}: {quoted(name)} cannot name a class: names have 1 to {LONGEST_NAME} printable characters; "
                "correct the labels"
            )


def _by_name(where: str, columns: Arrays, values: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
    if values.dtype.kind != "U":
        if len(values) == len(names) and (values[0] != 0 or values[-1] != len(names) - 1):
            return [np.searchsorted(values, y).astype(np.int32) for y in columns.values()]
        for name, y in columns.items():
            known = f"the classes are 0 to {len(names) - 1}"
            _refuse(where, name, y, (y < 0) | (y >= len(names)), known)
        return [y.astype(np.int32) for y in columns.values()]
    if unknown := sorted(set(values.tolist()) - set(names)):
        raise UserError(f"{where}: {quoted(unknown[0])} is none of class_names ({', '.join(names)}); add it there")
    place = np.array([names.index(label) for label in values.tolist()], np.int32)
    return [place[np.searchsorted(values, y)] for y in columns.values()]


def _refuse(where: str, name: str, y: np.ndarray, wrong: np.ndarray, why: str) -> None:
    if wrong.any():
        first = int(wrong.argmax())
        raise UserError(f"{where}: {name}[{first}] is {y[first]:g}: {why}; {wrong.sum()} of {len(y)} are wrong")
