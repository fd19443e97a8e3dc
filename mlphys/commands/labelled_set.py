"""A labelled set that is not part of the data of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.commands.predict import expected_samples
from mlphys.errors import UserError
from mlphys.io import image_files, sample_files
from mlphys.numerics import chunked
from mlphys.runs.provenance import OtherData
from mlphys.runs.run import Run
from mlphys.schema.data import Dataset
from mlphys.schema.layers import text
from mlphys.schema.samples import Split
from mlphys.schema.suggestions import suggestion
from mlphys.schema.units import Units


@dataclass(frozen=True)
class LabelledSet:
    """Samples in the units of the run's data, and labels of the run's classes or targets."""

    path: Path
    split: Split
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its numbers are filed under: never the name of a split."""
        return "evaluation_" + re.sub(r"[^A-Za-z0-9.]+", "_", str(self.path)).strip("_.")[-80:]


def unless_own(run: Run, path: Path) -> LabelledSet | None:
    """The set at `path`, None where that is the data the run was trained with."""
    try:
        run.dataset(str(path))
    except OtherData:
        return read(run, path)
    return None


def read(run: Run, path: Path) -> LabelledSet:
    """All samples at `path`, of every split that it holds; classes are matched by their names.

    What the run's own data could be read from is read in the same way; for other data a folder with a folder of
    images for each class. Raises UserError where classes or shapes are not those of the run.
    """
    data = run.config.data
    if data.PATH_KEYS:
        return _of_dataset(run, data, path)
    if path.is_dir():
        return _of_images(run, path)
    raise UserError(
        f"{path}: {data.name} is located by its name; another set is a folder with a folder of images for each class"
    )


def _of_dataset(run: Run, data: Dataset, path: Path) -> LabelledSet:
    all_of_it: dict[str, Any] = {
        "path": str(path.expanduser().absolute()),
        "classes": None,
        "imbalance": {},
        "split": None,
    }
    spec = data.model_copy(update=all_of_it)
    description, samples = spec.describe(), spec.load()
    if description.shape != run.description.shape:
        raise UserError(
            f"{path}: samples of {text(description.shape)}; the network was trained on {text(run.description.shape)}"
        )
    pairs = [
        (x, y)
        for x, y in (
            (samples.x, samples.y), (samples.x_validation, samples.y_validation), (samples.x_test, samples.y_test)
        )
        if x is not None and y is not None
    ]  # fmt: skip
    x = np.concatenate([in_units(run.data["units"], path, samples.units, chunked.read(x)) for x, _ in pairs])
    y = np.concatenate([y for _, y in pairs])
    if run.description.classes:
        if not description.classes:
            raise UserError(f"{path}: has no labels to compare the predictions with")
        y = _numbers(run, path, description.classes)[y]
    elif y.shape[1:] != run.description.target_shape:
        raise UserError(
            f"{path}: targets of {text(y.shape[1:]) or 'one class'}; "
            f"the network was trained on {text(run.description.target_shape)}"
        )
    of_parts = [
        some for some in (samples.weights, samples.weights_validation, samples.weights_test) if some is not None
    ]
    weights = np.concatenate(of_parts) if of_parts else None
    return LabelledSet(path, Split(x, y, weights), samples.notes)


def _of_images(run: Run, path: Path) -> LabelledSet:
    """Image files that are read as `predict` reads them."""
    if not run.description.classes:
        raise UserError(f"{path}: folders of images are classes, and the network was trained without; leave --data out")
    folders = [member for member in image_files.listed(path) if member.is_dir()]
    if not folders:
        raise UserError(f"{path}: has no folders; expected one of images for each class")
    numbers = _numbers(run, path, tuple(folder.name for folder in folders))
    expected = expected_samples(run)
    x, y, others = [], [], []
    for number, folder in zip(numbers, folders, strict=True):
        images, left_out = image_files.below(folder)
        others += left_out
        x += [sample_files.read(image, expected) for image in images]
        y += [number] * len(images)
    if not x:
        raise UserError(f"{path}: has no images in its folders")
    note = image_files.left_out(path, others)
    return LabelledSet(path, Split(np.concatenate(x), np.array(y, np.int32)), (note,) if note else ())


def _numbers(run: Run, path: Path, names: tuple[str, ...]) -> np.ndarray:
    """The run's number of each class, int32."""
    classes = run.description.classes
    for name in names:
        if name not in classes:
            known = ", ".join(classes[:20])
            raise UserError(f"{path}: {name} is no class of the run{suggestion(name, classes)} (classes: {known})")
    return np.array([classes.index(name) for name in names], np.int32)


def in_units(facts: dict[str, Any] | None, path: Path, own: Units | None, x: np.ndarray) -> np.ndarray:
    """Samples read in their `own` units, in those of a run's training file, which are in its data.json."""
    if not facts or own is None:
        return x
    meant = Units.from_json(facts)
    if replace(meant, dtype=own.dtype) == own:
        return x
    offset = np.asarray(own.offset if len(own.offset) != 1 else own.offset[0], np.float64) if own.offset else 0.0
    raw = x.astype(np.float64) * own.scale + offset
    dtype = np.dtype(own.dtype)
    return meant.of_another_file(str(path), raw.round().astype(dtype) if dtype.kind in "ui" else raw)
