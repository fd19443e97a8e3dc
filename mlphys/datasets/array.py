"""Arrays of the user's own, from a file that holds them by name or from npy files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from mlphys.data import labels
from mlphys.datasets._array_names import (
    Names,
    Parts,
    beside,
    check_beside,
    check_parts,
    of_part,
    parts_of,
    shape_of_sample,
)
from mlphys.datasets._array_values import column, finite, image_units, on_disk, pieces
from mlphys.errors import Refusal, UserError
from mlphys.io import array_files, checksum, memory, npz
from mlphys.io.npz import Header
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema import units
from mlphys.schema.data import DataRequirements, Dataset, Description
from mlphys.schema.fields import Positive, Shape
from mlphys.schema.paths import absolute
from mlphys.schema.samples import Samples
from mlphys.schema.units import Loss, Units


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
    PATH_KEYS: ClassVar[tuple[str, ...]] = ("path",)

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
        parts = parts_of(list(apart), self.x, self.y)
        used = [name for part in parts.values() for name in part if name]
        used += [name for name in beside(list(apart), parts, self.array_names()) if name in apart]
        return tuple(apart[name] for name in used) or tuple(apart.values()) or (Path(self.path),)

    def array_names(self) -> Names:
        return Names(Path(self.path), self.x, self.y, self.weights, self.split_by(), bool(self.signals))

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
        contents = _Contents.of(self)
        targets = contents.targets()
        sizes = {name: len(y) for name, y in targets.by_part.items()}
        return Description(
            contents.shape, targets.classes, sizes["train"], sizes.get("test"),
            targets.by_part["train"].shape[1:], sizes.get("validation"),
        )  # fmt: skip

    def load(self) -> Samples:
        contents = _Contents.of(self)
        targets, (x, x_units, losses) = contents.targets(), contents.samples()
        y = targets.by_part
        weights, groups = contents.weights(), contents.groups()
        return Samples(
            x["train"], y["train"], x.get("test"), y.get("test"),
            files=tuple(map(checksum.record, self.files())), units=x_units, target_units=targets.units,
            x_validation=x.get("validation"), y_validation=y.get("validation"), notes=(*contents.notes(), *losses),
            weights=weights.get("train"), weights_test=weights.get("test"),
            weights_validation=weights.get("validation"), groups=groups,
        )  # fmt: skip

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        path = folder / "own.npz"
        np.savez(path, x=np.linspace(0, 1, 60).reshape(20, 3), y=np.arange(20) % 2)
        return {"name": "array", "path": str(path)}


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
        parts = parts_of(list(headers), spec.x, spec.y)
        names = spec.array_names()
        check_parts(names, headers, parts)
        check_beside(names, headers, parts)
        return cls(spec, path, headers, parts)

    @property
    def shape(self) -> Shape:
        return shape_of_sample(self.headers[self.parts["train"][0]].shape, 1 if self.spec.signals else 2)

    def notes(self) -> tuple[str, ...]:
        used = {name for part in self.parts.values() for name in part}
        used |= set(beside(list(self.headers), self.parts, self.spec.array_names()))
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
        columns = {part: column(arrays[y]) for part, y in names.items()}
        for part, y in columns.items():
            units.require_resolved(where, [names[part]], y)
        y_units = image_units(columns["train"])
        return _Targets(
            {part: finite(self.path, names[part], y_units.converted(y)) for part, y in columns.items()}, (), y_units
        )

    def weights(self) -> dict[str, np.ndarray]:
        """The weights of each split, float32 (n,); empty without."""
        if not self.spec.weights:
            return {}
        names = {part: of_part(list(self.headers), self.spec.weights, part) or "" for part in self.parts}
        arrays = array_files.read(self.path, {name: self.headers[name] for name in names.values()})
        return {
            part: finite(self.path, name, np.ascontiguousarray(arrays[name].reshape(-1), np.float32))
            for part, name in names.items()
        }

    def groups(self) -> np.ndarray | None:
        """The number of the group of each sample of the training part, int64 (n,)."""
        if (by := self.spec.split_by()) is None:
            return None
        name = of_part(list(self.headers), by, "train") or ""
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
        x_units, losses = units.decide_with_losses(
            train.dtype, len(self.shape), partial(pieces, train), self.spec.scale
        )
        converted = {
            part: on_disk(self.path, names[part], x, (len(x), *self.shape), x_units)
            if names[part] in large
            else finite(self.path, names[part], x_units.converted(x).reshape(len(x), *self.shape))
            for part, x in raw.items()
        }
        return converted, x_units, _losses(self.path.name, names["train"], losses)


def _losses(file: str, x: str, losses: Sequence[Loss]) -> list[str]:
    """What float32 loses of the samples `x`, in at most one sentence."""
    if not losses:
        return []
    feature = ", ".join(str(i) for i in losses[0].feature)
    more = f", and so in {len(losses) - 1} more features" if len(losses) > 1 else ""
    return [f"{file}: {x}[:, {feature}] has {losses[0]}{more}"]
