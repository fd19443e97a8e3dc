"""Which arrays of a file are samples, targets, weights and groups of which split, and whether they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlphys.errors import UserError
from mlphys.io import array_files
from mlphys.io.npz import Header
from mlphys.schema.fields import Shape
from mlphys.schema.suggestions import suggestion

ENDINGS = {"train": ("", "_train"), "validation": ("_val", "_validation", "_valid"), "test": ("_test",)}

Parts = dict[str, tuple[str, str | None]]  # for each split in the file: the names of samples and of targets


@dataclass(frozen=True)
class Names:
    """The file, and what a config calls its arrays; None: the usual name, no weights, no groups."""

    path: Path
    x: str | None
    y: str | None
    weights: str | None
    groups: str | None
    signals: bool  # x is (samples, steps) or (samples, steps, channels)


def parts_of(names: Sequence[str], x: str | None, y: str | None) -> Parts:
    """The names of samples and targets of each split; empty without any."""
    lower = {name.lower(): name for name in names}

    def found(base: str, ending: str) -> str | None:
        name = base + ending
        return name if name in names else lower.get(name.lower())

    parts: Parts = {}
    for part, endings in ENDINGS.items():
        for ending in endings:
            if part not in parts and (samples := found(x or "x", ending)):
                parts[part] = samples, found(y or "y", ending)
    return parts if "train" in parts else {}


def of_part(names: Sequence[str], base: str, part: str) -> str | None:
    """The name of the array `base` of a split: weights, or weights_test."""
    return next((base + ending for ending in ENDINGS[part] if base + ending in names), None)


def beside(names: Sequence[str], parts: Parts, config: Names) -> list[str]:
    """The names of the arrays of weights and of groups that are there."""
    weights = [of_part(names, config.weights, part) for part in parts] if config.weights else []
    by = config.groups
    return [name for name in (*weights, of_part(names, by, "train") if by else None) if name]


def check_beside(config: Names, headers: Mapping[str, Header], parts: Parts) -> None:
    """Raise UserError if weights or groups are missing, or not one for each sample."""
    needed = [("weights", config.weights, part) for part in parts] if config.weights else []
    if (by := config.groups) is not None:
        needed.append(("split", by, "train"))
    for key, base, part in needed:
        assert base is not None
        name, samples = of_part(list(headers), base, part), headers[parts[part][0]].shape[0]
        if name is None:
            name = base if part == "train" else base + ENDINGS[part][0]
            have = ", ".join(list(headers)[:20])
            raise UserError(f"{config.path}: no array {name}, which data.{key} names (arrays: {have})")
        shape, kind = headers[name].shape, headers[name].dtype.kind
        if shape not in ((samples,), (samples, 1)) or kind not in ("buif" if key == "weights" else "buifUS"):
            what = "number" if key == "weights" else "value"
            raise UserError(
                f"{config.path}: {name} is {headers[name].dtype} of shape {shape}; data.{key} needs one {what} for "
                f"each of {samples} samples"
            )


def check_parts(config: Names, headers: Mapping[str, Header], parts: Parts) -> None:
    """Raise UserError if arrays are missing or inconsistent."""
    path = config.path
    have = ", ".join(list(headers)[:20]) or "none"
    for key, name, place in (("x", config.x, 0), ("y", config.y, 1)):
        if name and not any(part[place] for part in parts.values()) and (key == "x" or parts):
            near = suggestion(name, headers)
            if why := array_files.unread(path).get(name):
                raise UserError(f"{path}: {name} {why}")
            raise UserError(f"{path}: no array {name}, which data.{key} names{near} (arrays: {have})")
    x, y = config.x or "x", config.y or "y"
    used = {name for part in parts.values() for name in part}
    if not parts or any(name in headers and name not in used for base in (x, y) for name in (base, f"{base}_train")):
        what = "npy files of the arrays" if path.is_dir() else "the arrays"
        raise UserError(
            f"{path}: needs {what} {x}_train and {y}_train (and {x}_test, {y}_test), or {x} and {y}, all without {y} "
            f"for an autoencoder; received {have}; data.x and data.y name others{_as_columns(headers)}"
        )
    for part, ending in (("validation", "_val"), ("test", "_test")):
        here = [base + end for end in ENDINGS[part] for base in (x, y) if base + end in headers]
        pair = parts.get(part, (None, None))
        if here and (set(here) != {name for name in pair if name} or bool(pair[1]) != bool(parts["train"][1])):
            raise UserError(
                f"{path}: has {' and '.join(here)}, but not all of {x}_train, {y}_train, {x}{ending}, {y}{ending}; "
                f"add the others, or leave the {part} set out"
            )
    for of_x, of_y in parts.values():
        _check_pair(path, headers, of_x, of_y, config.signals)
    for others in list(parts.values())[1:]:
        for first, last in zip(parts["train"], others, strict=True):
            if first and last and headers[first].shape[1:] != headers[last].shape[1:]:
                shapes = f"{first} has shape {headers[first].shape} and {last} {headers[last].shape}"
                raise UserError(f"{path}: {shapes}; they must be alike")


def _as_columns(headers: Mapping[str, Header]) -> str:
    """A hint for files whose arrays are the columns of a table."""
    columns = [name for name, header in headers.items() if len(header.shape) == 1]
    return "; data: {name: table} reads arrays of one number a row as columns" if len(columns) > 2 else ""


def _check_pair(path: Path, headers: Mapping[str, Header], x: str, y: str | None, signals: bool) -> None:
    kinds = {x: "buif"} | ({y: "buifUS"} if y else {})
    for name, kind in kinds.items():
        if headers[name].dtype.kind not in kind:
            raise UserError(f"{path}: {name} holds {headers[name].dtype}; expected real numbers")
        if 0 in headers[name].shape:
            raise UserError(f"{path}: {name} has shape {headers[name].shape}: no samples in it")
    of_x = headers[x].shape
    if len(of_x) < 2:
        raise UserError(f"{path}: {x} has shape {of_x}; expected (samples, features) or images")
    if signals and len(of_x) > 3:
        raise UserError(
            f"{path}: {x} has shape {of_x}; signals are (samples, steps) or (samples, steps, channels); "
            "begin with a layer for images, or write data.signals: false"
        )
    of_y = headers[y].shape if y else of_x
    if not of_y:
        raise UserError(f"{path}: {y} has shape {of_y}; expected one value per sample")
    if of_x[0] != of_y[0]:
        turned = f"; np.moveaxis({x}, -1, 0) puts its last axis first" if of_x[-1] == of_y[0] else ""
        raise UserError(f"{path}: {x} has {of_x[0]} samples and {y} {of_y[0]} targets; they must be as many{turned}")


def shape_of_sample(stored: tuple[int, ...], axes: int) -> Shape:
    """The shape of a sample, with a last axis of channels that images, of two `axes`, and signals, of one, may lack."""
    return (*stored[1:], 1) if len(stored) == axes + 1 else stored[1:]
