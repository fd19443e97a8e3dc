"""Arrays of the user's own, from a file that holds them by name or from npy files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from mlphys.data import labels
from mlphys.errors import Refusal, UserError
from mlphys.io import array_files, checksum, memory, npz
from mlphys.io.npz import Header
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array, LazyArray
from mlphys.schema import units
from mlphys.schema.data import DataRequirements, Dataset, Description, Samples
from mlphys.schema.fields import Positive, Shape
from mlphys.schema.messages import suggestion
from mlphys.schema.paths import absolute
from mlphys.schema.units import Loss, Units

ENDINGS = {"train": ("", "_train"), "validation": ("_val", "_validation", "_valid"), "test": ("_test",)}


class Arrays(Dataset):
    """Your own samples: an npz file with x and y, or x_train, y_train and optionally _val and _test.

    Or a folder of npy files with these names, or one npy file, which is x. HDF5 (.h5), MATLAB's
    (.mat), FITS and IDX files are read too, with the paths of datasets as names. More than 1 GB of
    samples as float32 in an npy file stay on disk and are read when needed. Arrays of other
    names are read as `x: spins, y: temperature`, which also means spins_train and so on.

    x has shape (samples, features) or (samples, height, width[, channels]) and holds numbers, y
    labels or numbers, one number or one array per sample; without y there are no targets, for autoencoders.
    Samples of x_val are the validation split, those of x_test the test split; missing splits
    are drawn from the training samples, stratified. Labels are text, whole numbers or
    one-hot. `class_names` names them in their order; null uses the labels as written.
    `targets`: null treats labels as classes, or as the kind of model needs. `signals`: x is
    (samples, steps[, channels]); null: as the first layer needs it. x is divided by `scale`; null
    is 255 for uint8, the white of the camera's bits for images of uint16, 1 for others.
    """

    HAS_COLUMNS: ClassVar[bool] = True
    OWN_FILES: ClassVar[bool] = True

    name: Literal["array"]
    path: str
    """The npz file, the npy file, or the folder of npy files. Example: mine.npz"""
    x: str | None = None
    """The name of the array of samples; null is x. Example: spins"""
    y: str | None = None
    """The name of the array of labels or targets; null is y. Example: temperature"""
    class_names: Annotated[list[str], Field(min_length=1)] | None = None
    """The names of the classes, in the order of their labels; null uses the labels as written. Example: [electron,
    muon]
    """
    targets: Literal["classes", "numbers"] | None = None
    """Whether y holds class labels or numbers; null is what the kind of model needs."""
    signals: bool | None = None
    """Whether x is (samples, steps) or (samples, steps, channels) of signals; null is what the first layer needs."""
    scale: Positive | None = None
    """The number by which x is divided; null is 255 for uint8, the largest value of the camera for uint16, otherwise
    1.
    """

    weights: str | None = None
    """The array with the weight of each sample in the loss and in every metric, such as that of simulated
    events; null: all count alike. Example: weight
    """
    negative_weights: Literal["absolute"] | None = None
    """absolute: the loss takes |w| of negative weights, and metrics keep their sign; null refuses negative weights in
    training, whose loss has no lower bound. Example: absolute
    """

    def files(self) -> tuple[Path, ...]:
        apart = array_files.parts(Path(self.path))
        parts = _parts(list(apart), self.x, self.y)
        used = [name for part in parts.values() for name in part if name]
        used += [name for name in _beside(list(apart), parts, self) if name in apart]
        return tuple(apart[name] for name in used) or tuple(apart.values()) or (Path(self.path),)

    def weighted(self) -> bool:
        return self.weights is not None

    def takes_absolute_weights(self) -> bool:
        return self.negative_weights is not None

    def for_model(self, requirements: DataRequirements) -> Self:
        if requirements.targets == "numbers" and self.class_names:
            raise Refusal(("data", "class_names"), "this kind of model takes y as numbers; leave class_names out")
        targets = "classes" if self.class_names else self.targets or requirements.targets
        signals = requirements.signals if self.signals is None else self.signals
        return self.model_copy(update={"targets": targets, "signals": signals})

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str) -> str:
        return absolute(path)

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
        found = _Contents.of(self)
        targets = found.targets()
        sizes = {name: len(y) for name, y in targets.by_part.items()}
        return Description(
            found.shape, targets.classes, sizes["train"], sizes.get("test"),
            targets.by_part["train"].shape[1:], sizes.get("validation"),
        )  # fmt: skip

    def load(self) -> Samples:
        found = _Contents.of(self)
        targets, (x, meant, losses) = found.targets(), found.samples()
        y = targets.by_part
        weights, groups = found.weights(), found.groups()
        return Samples(
            x["train"], y["train"], x.get("test"), y.get("test"),
            files=tuple(map(checksum.record, self.files())), units=meant, target_units=targets.units,
            x_validation=x.get("validation"), y_validation=y.get("validation"), notes=(*found.notes(), *losses),
            weights=weights.get("train"), weights_test=weights.get("test"),
            weights_validation=weights.get("validation"), groups=groups,
        )  # fmt: skip

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        path = folder / "own.npz"
        np.savez(path, x=np.linspace(0, 1, 60).reshape(20, 3), y=np.arange(20) % 2)
        return {"name": "array", "path": str(path)}


Parts = dict[str, tuple[str, str | None]]  # for each split in the file: the names of samples and of targets


@dataclass(frozen=True)
class _Targets:
    """int32 labels (n,) of the classes, or float32 (n, *target_shape)."""

    by_part: dict[str, np.ndarray]
    classes: tuple[str, ...] = ()
    units: Units | None = None


@dataclass(frozen=True)
class _Contents:
    """The arrays of the file, known by their headers."""

    spec: Arrays
    path: Path
    headers: Mapping[str, Header]
    parts: Parts

    @classmethod
    def of(cls, spec: Arrays) -> _Contents:
        path = Path(spec.path)
        headers = array_files.headers(path)
        parts = _parts(list(headers), spec.x, spec.y)
        _check_parts(spec, headers, parts)
        _check_beside(spec, headers, parts)
        return cls(spec, path, headers, parts)

    @property
    def shape(self) -> Shape:
        return _shape(self.headers[self.parts["train"][0]].shape, bool(self.spec.signals))

    def notes(self) -> tuple[str, ...]:
        used = {name for part in self.parts.values() for name in part}
        used |= set(_beside(list(self.headers), self.parts, self.spec))
        others = [name for name in self.headers if name not in used]
        refused = [f"{name} ({why.partition(';')[0]})" for name, why in array_files.unread(self.path).items()]
        groups = [("are not used", others), ("cannot be read", refused)]
        return tuple(
            f"{self.path.name}: {len(names)} arrays {what}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
            for what, names in groups
            if names
        )

    def targets(self) -> _Targets:
        names = {part: y for part, (_, y) in self.parts.items() if y}
        if not names:
            lengths = {part: self.headers[x].shape[0] for part, (x, _) in self.parts.items()}
            return _Targets({part: np.zeros((length, 0), np.float32) for part, length in lengths.items()})
        arrays = array_files.read(self.path, {y: self.headers[y] for y in names.values()})
        where, kind = str(self.path), self.spec.targets
        if kind == "classes" or self.spec.class_names or (kind is None and labels.look_like_labels(arrays)):
            classes, codes = labels.classes(where, arrays, self.spec.class_names)
            return _Targets(dict(zip(names, codes, strict=True)), classes)
        for name, y in arrays.items():
            if y.dtype.kind not in "buif":
                remedy = "kind: classifier takes it as classes"
                raise UserError(f"{where}: {name} holds {y.dtype}, which is no number; {remedy}")
        columns = {part: _column(arrays[y]) for part, y in names.items()}
        for part, y in columns.items():
            units.require_resolved(where, [names[part]], y)
        meant = _image_units(columns["train"])
        return _Targets(
            {part: _finite(self.path, names[part], meant.converted(y)) for part, y in columns.items()}, (), meant
        )

    def weights(self) -> dict[str, np.ndarray]:
        """The weights of each split, float32 (n,); empty without."""
        if not self.spec.weights:
            return {}
        names = {part: _of_part(list(self.headers), self.spec.weights, part) or "" for part in self.parts}
        arrays = array_files.read(self.path, {name: self.headers[name] for name in names.values()})
        return {
            part: _finite(self.path, name, np.ascontiguousarray(arrays[name].reshape(-1), np.float32))
            for part, name in names.items()
        }

    def groups(self) -> np.ndarray | None:
        """The number of the group of each sample of the training part, int64 (n,)."""
        if (by := self.spec.split_by()) is None:
            return None
        name = _of_part(list(self.headers), by, "train") or ""
        values = array_files.read(self.path, {name: self.headers[name]})[name].reshape(-1)
        return np.unique(values, return_inverse=True)[1].astype(np.int64)

    def samples(self) -> tuple[dict[str, Array], Units, list[str]]:
        """The samples of each split, float32 (n, *shape), in memory or lazy; their units, and what float32 loses."""
        apart = array_files.apart(self.path)
        names = {part: x for part, (x, _) in self.parts.items()}
        large = {x for x in names.values() if apart and math.prod(self.headers[x].shape) > chunked.LARGEST_RESIDENT}
        resident = {x: self.headers[x] for x in names.values() if x not in large}
        # the file's numbers, the same as float32, and those again in the order of the splits
        needed = sum(header.nbytes + 8 * math.prod(header.shape) for header in resident.values())
        memory.require(str(self.path), needed, npz.FEWER)
        arrays = array_files.read(self.path, resident)
        raw = {part: npz.mapped_npy(apart[x]) if x in large else arrays.pop(x) for part, x in names.items()}
        train = raw["train"]
        meant, losses = units.decide_with_losses(train.dtype, len(self.shape), partial(_pieces, train), self.spec.scale)
        converted = {
            part: _on_disk(self.path, names[part], x, (len(x), *self.shape), meant)
            if names[part] in large
            else _finite(self.path, names[part], meant.converted(x).reshape(len(x), *self.shape))
            for part, x in raw.items()
        }
        return converted, meant, _losses(self.path.name, names["train"], losses)


def _losses(file: str, x: str, losses: Sequence[Loss]) -> list[str]:
    """What float32 loses of the samples `x`, in at most one sentence."""
    if not losses:
        return []
    feature = ", ".join(str(i) for i in losses[0].feature)
    more = f", and so in {len(losses) - 1} more features" if len(losses) > 1 else ""
    return [f"{file}: {x}[:, {feature}] has {losses[0]}{more}"]


def _parts(names: Sequence[str], x: str | None, y: str | None) -> Parts:
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


def _of_part(names: Sequence[str], base: str, part: str) -> str | None:
    """The name of the array `base` of a split: weights, or weights_test."""
    return next((base + ending for ending in ENDINGS[part] if base + ending in names), None)


def _beside(names: Sequence[str], parts: Parts, spec: Arrays) -> list[str]:
    """The names of the arrays of weights and of groups that are there."""
    weights = [_of_part(names, spec.weights, part) for part in parts] if spec.weights else []
    by = spec.split_by()
    return [name for name in (*weights, _of_part(names, by, "train") if by else None) if name]


def _check_beside(spec: Arrays, headers: Mapping[str, Header], parts: Parts) -> None:
    """Raise UserError if weights or groups are missing, or not one for each sample."""
    needed = [("weights", spec.weights, part) for part in parts] if spec.weights else []
    if (by := spec.split_by()) is not None:
        needed.append(("split", by, "train"))
    for key, base, part in needed:
        assert base is not None
        name, samples = _of_part(list(headers), base, part), headers[parts[part][0]].shape[0]
        if name is None:
            name = base if part == "train" else base + ENDINGS[part][0]
            have = ", ".join(list(headers)[:20])
            raise UserError(f"{spec.path}: no array {name}, which data.{key} names (arrays: {have})")
        shape, kind = headers[name].shape, headers[name].dtype.kind
        if shape not in ((samples,), (samples, 1)) or kind not in ("buif" if key == "weights" else "buifUS"):
            what = "number" if key == "weights" else "value"
            raise UserError(
                f"{spec.path}: {name} is {headers[name].dtype} of shape {shape}; data.{key} needs one {what} for each "
                f"of {samples} samples"
            )


def _check_parts(spec: Arrays, headers: Mapping[str, Header], parts: Parts) -> None:
    """Raise UserError if arrays are missing or inconsistent."""
    path = Path(spec.path)
    have = ", ".join(list(headers)[:20]) or "none"
    for key, name, place in (("x", spec.x, 0), ("y", spec.y, 1)):
        if name and not any(part[place] for part in parts.values()) and (key == "x" or parts):
            near = suggestion(name, headers)
            if why := array_files.unread(path).get(name):
                raise UserError(f"{path}: {name} {why}")
            raise UserError(f"{path}: no array {name}, which data.{key} names{near} (arrays: {have})")
    x, y = spec.x or "x", spec.y or "y"
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
        _check_pair(path, headers, of_x, of_y, bool(spec.signals))
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


def _shape(stored: tuple[int, ...], signals: bool) -> Shape:
    """The shape of a sample, with a last axis of channels for images and signals."""
    axes = 2 if signals else 3
    return (*stored[1:], 1) if len(stored) == axes else stored[1:]


def _column(y: np.ndarray) -> np.ndarray:
    """Single values as a column, images with a last axis of channels."""
    return y.reshape(len(y), -1) if y.ndim < 2 else y.reshape(len(y), *_shape(y.shape, signals=False))


def _image_units(y: np.ndarray) -> Units:
    """The units of targets: images of bytes or of a camera like samples, other numbers unchanged."""
    if y.ndim > 2 and y.dtype in (np.uint8, np.uint16):
        return units.decide(y.dtype, 3, partial(_pieces, y))
    return Units(str(y.dtype))


def _pieces(x: np.ndarray) -> Iterator[np.ndarray]:
    step = chunked.at_once(x, chunked.AT_ONCE, chunked.LARGEST_PIECE)
    return (np.asarray(x[start : start + step]) for start in range(0, len(x), step))


def _on_disk(path: Path, name: str, x: np.ndarray, shape: tuple[int, ...], meant: Units) -> LazyArray:
    """Samples (n, ...) of `shape`, lazily read from their npy file and converted."""

    def fetch(rows: np.ndarray) -> np.ndarray:
        found = meant.converted(_rows(x, rows)).reshape(len(rows), *shape[1:])
        if not np.isfinite(found).all():
            _check_finite(path, name, (meant.converted(piece).reshape(-1, *shape[1:]) for piece in _pieces(x)))
        return found

    return chunked.lazy_array(len(x), shape[1:], fetch)


def _rows(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Samples of a file with the indices `rows`, read in file order."""
    if len(rows) and (np.diff(rows) == 1).all():
        return np.array(x[rows[0] : rows[-1] + 1])
    order = np.argsort(rows, kind="stable")
    found = np.empty((len(rows), *x.shape[1:]), x.dtype)
    found[order] = x[rows[order]]
    return found


def _finite(path: Path, name: str | None, x: np.ndarray) -> np.ndarray:
    _check_finite(path, str(name), [x])
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
