"""The user's data as a proposal sees them: the block `data` that reads them, and their samples."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlphys.config import own_table
from mlphys.config.commented import Because, plain
from mlphys.config.experiment import DATASETS
from mlphys.errors import Refusal, UserError
from mlphys.io import array_files, image_files
from mlphys.io.npz import Header
from mlphys.schema.data import DataRequirements, Description
from mlphys.schema.document import dotted
from mlphys.schema.samples import Split
from mlphys.schema.suggestions import suggestion

LOOKED_AT = 5000  # samples
LARGEST_SIDE = 64  # pixels of images of several sizes
FILES = 50  # images whose size and colours are looked at
MOST_CHANNELS = 12  # of a signal

Targets = Literal["classes", "numbers"] | None


@dataclass(frozen=True)
class OwnData:
    """`keys` are the block `data` with reasons; x and y are some of the samples, as the network would get them."""

    name: str
    keys: Mapping[str, Any]
    description: Description
    x: np.ndarray
    y: np.ndarray
    target_names: tuple[str, ...]

    @property
    def samples(self) -> int:
        return self.description.samples

    @property
    def classes(self) -> tuple[str, ...]:
        return self.description.classes

    @property
    def counts(self) -> np.ndarray:
        """Samples of each class among those that were looked at."""
        return np.bincount(self.y, minlength=len(self.classes))

    @property
    def has_numbers(self) -> bool:
        """Whether the targets are numbers."""
        return not self.classes and self.y.size > 0


def look(path: str | None, targets: Sequence[str], wanted: Targets, needs_target: bool) -> OwnData:
    """The data at a path, the digits without one; `wanted` is what targets shall be read as, None: as they look.

    Raises UserError for what is not there, is in a format that is not read, or has no target where one is needed.
    """
    if path is None:
        if targets:
            raise UserError(f"--target {targets[0]}: the digits have no columns; name your data with --data")
        keys: dict[str, Any] = {"name": Because("digits", "1 797 images that come along; data.path names yours")}
        name = "digits"
    else:
        name = Path(os.path.realpath(path)).stem or "mine"  # unlike Path.resolve, it accepts links in a circle
        keys = _keys(path, targets, wanted, needs_target)
    spec: Any = DATASETS[plain(keys["name"])].model_validate(plain(keys))
    try:
        spec = spec.for_model(DataRequirements(targets=wanted)).resolved()
    except Refusal as refusal:
        raise UserError(f"{path}: {dotted(refusal.path)}: {refusal.text}") from None
    loaded = spec.load()
    some = Split(loaded.x, loaded.y).some(LOOKED_AT)
    return OwnData(name, keys, spec.describe(), some.x, some.y, spec.target_names())


def _keys(path: str, targets: Sequence[str], target_type: Targets, needs_target: bool) -> dict[str, Any]:
    file = Path(path)
    if not os.path.exists(file):
        raise UserError(f"{path}: no such file or folder; a relative path starts at {Path.cwd()}")
    if file.is_dir() and not array_files.parts(file):
        return _images(path)
    if array_files.is_known(file) or file.is_dir():
        return _arrays(path, targets, needs_target)
    if file.suffix.lower() not in (".csv", ".tsv", ".txt", ".dat", ".tab", ""):
        array_files.headers(file)  # refuses a format that is not read, and says how it is converted
    keys = own_table.keys(path, targets, needs_target)
    return keys | _meaning(path, keys, target_type)


def _meaning(path: str, keys: Mapping[str, Any], target_type: Targets) -> dict[str, Any]:
    """Whether a column of numbers holds classes."""
    target = plain(keys.get("target"))
    if target_type or not isinstance(target, str):
        return {}
    column = own_table.column(path, target)
    if column.is_text or not column.is_label():
        return {}
    return {"target_is": Because("classes", f"{column.different} different whole numbers; numbers: a regression")}


def _arrays(path: str, targets: Sequence[str], needs_target: bool) -> dict[str, Any]:
    """Arrays x and y by these or other names, or the columns of a table."""
    headers = array_files.headers(Path(path))
    for name in targets:
        if name not in headers:
            raise UserError(f"{path}: no array {name}{suggestion(name, headers)} (arrays: {', '.join(headers)})")
    lower = {name.lower(): name for name in headers}
    keys: dict[str, Any] = {"name": "array", "path": path}
    if not {"x", "x_train"} & set(lower):
        samples = _samples(headers)
        if samples is None:
            return own_table.keys(path, targets, needs_target)
        keys["x"] = Because(samples, f"the largest array, {_shape(headers[samples])}")
    x = headers[plain(keys["x"])] if "x" in keys else headers[lower.get("x") or lower["x_train"]]
    target = targets[0] if targets else _target(headers, plain(keys.get("x", "x")), x)
    if target and needs_target and target.lower() not in ("y", "y_train"):
        keys["y"] = Because(
            target, "as you said" if targets else f"an array of as many values, {_shape(headers[target])}"
        )
    weights = [name for name in headers if name.lower() in own_table.WEIGHTS and headers[name].shape == x.shape[:1]]
    if weights and needs_target:
        keys["weights"] = Because(weights[0], "the array with the weight of each sample in loss and metrics")
    return keys


def _samples(headers: Mapping[str, Header]) -> str | None:
    """The array of samples: the largest one of several axes."""
    several = [name for name, header in headers.items() if len(header.shape) > 1 and header.dtype.kind in "buif"]
    return max(several, key=lambda name: int(np.prod(headers[name].shape)), default=None)


def _target(headers: Mapping[str, Header], x: str, samples: Header) -> str | None:
    """The array of targets: one called like a target, else the only other one of as many values."""
    fitting = [
        name
        for name, header in headers.items()
        if name != x and header.shape[:1] == samples.shape[:1] and name.lower() not in own_table.WEIGHTS
    ]
    named = [name for target in own_table.TARGETS for name in fitting if name.lower() == target]
    return named[0] if named else fitting[0] if len(fitting) == 1 else None


def _shape(header: Header) -> str:
    return " x ".join(str(side) for side in header.shape)


def _images(path: str) -> dict[str, Any]:
    """A folder of images: their size, and whether they have colours."""
    images, _ = image_files.below(Path(path))
    if not images:
        raise UserError(f"{path}: has no images, and no npy files; name a folder that has, or a file")
    some = [images[i] for i in np.unique(np.linspace(0, len(images) - 1, FILES).astype(int))]
    pixels = [image for _, image in image_files.decode_each(some, False) if isinstance(image, np.ndarray)]
    sizes = Counter(image.shape[:2] for image in pixels)
    grey = all(image.shape[-1] == 1 or np.ptp(image, axis=-1).max() < 1e-3 for image in pixels)
    folders = {image.parent for image in images} - {Path(path)}
    classes = "a folder is a class" if folders else "without classes"
    keys: dict[str, Any] = {"name": "image_folder", "path": Because(path, f"{len(images)} images; {classes}")}
    common = sizes.most_common(1)[0][0] if sizes else (LARGEST_SIDE, LARGEST_SIDE)
    if len(sizes) != 1 or max(common) > LARGEST_SIDE:
        sides = [min(LARGEST_SIDE, max(8, round(LARGEST_SIDE * side / max(common)))) for side in common]
        have = "several sizes" if len(sizes) > 1 else f"all are {common[0]} x {common[1]}"
        keys["size"] = Because(sides, f"{have}; larger ones learn more slowly")
    if grey:
        keys["greyscale"] = Because(True, "they have no colours")
    return keys
