"""Selection of classes, and subsampling of classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlphys.errors import Refusal
from mlphys.numerics.chunked import Array
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Dataset, Description, Samples
from mlphys.schema.messages import choice


def leaves_out(spec: Dataset) -> bool:
    """Whether `classes` or `imbalance` drop samples."""
    return spec.classes is not None or bool(spec.imbalance)


def select(spec: Dataset, description: Description, samples: Samples) -> tuple[Description, Samples]:
    """Apply `classes` and `imbalance` to all samples, official test set included, keeping their order.

    Raises Refusal for an unknown class.
    """
    classes = description.classes if spec.classes is None else spec.classes
    for path, names in ((("data", "classes"), spec.classes or ()), (("data", "imbalance"), tuple(spec.imbalance))):
        for i, name in enumerate(names):
            if name not in description.classes:
                where = (*path, i if path[-1] == "classes" else name)
                none = "; this dataset has none" if not description.classes else choice(name, description.classes)
                raise Refusal(where, f"no such class{none}")
            if name in names[:i]:
                raise Refusal((*path, i), f"{name} is named twice")
            if name not in classes:
                raise Refusal((*path, name), "is left out by data.classes; leave one of them out")
    new_label = np.full(len(description.classes), -1, np.int32)
    new_label[[description.classes.index(name) for name in classes]] = np.arange(len(classes))
    x, y = _kept(spec, classes, samples.x, new_label[samples.y], "train")
    kept = replace(samples, x=x, y=y)
    if samples.x_test is not None and samples.y_test is not None:
        x_test, y_test = _kept(spec, classes, samples.x_test, new_label[samples.y_test], "test")
        kept = replace(kept, x_test=x_test, y_test=y_test)
    if samples.x_validation is not None and samples.y_validation is not None:
        labels = new_label[samples.y_validation]
        x_validation, y_validation = _kept(spec, classes, samples.x_validation, labels, "validation")
        kept = replace(kept, x_validation=x_validation, y_validation=y_validation)
    official, own = (None if part is None else len(part) for part in (kept.x_test, kept.x_validation))
    selected = replace(description, classes=classes, samples=len(x), test_samples=official, validation_samples=own)
    return selected, kept


def _kept(spec: Dataset, classes: tuple[str, ...], x: Array, y: np.ndarray, part: str) -> tuple[Array, np.ndarray]:
    keep = y >= 0
    for name, share in spec.imbalance.items():
        members = np.flatnonzero(y == classes.index(name))
        left = max(1, round(share * len(members)))
        out = rng(spec.split_seed, f"imbalance/{part}/{name}").permutation(members)[left:]
        keep[out] = False
    return x[keep], y[keep]
