"""Selection of classes, and subsampling of classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlphys.errors import Refusal
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Dataset, Description
from mlphys.schema.samples import Samples
from mlphys.schema.suggestions import choice


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
    y = new_label[samples.y]
    rows = _kept(spec, classes, y, "train")
    subset = replace(
        samples, x=samples.x[rows], y=y[rows], weights=_at(samples.weights, rows), groups=_at(samples.groups, rows)
    )
    if samples.x_test is not None and samples.y_test is not None:
        y = new_label[samples.y_test]
        rows = _kept(spec, classes, y, "test")
        weights = _at(samples.weights_test, rows)
        subset = replace(subset, x_test=samples.x_test[rows], y_test=y[rows], weights_test=weights)
    if samples.x_validation is not None and samples.y_validation is not None:
        y = new_label[samples.y_validation]
        rows = _kept(spec, classes, y, "validation")
        weights = _at(samples.weights_validation, rows)
        subset = replace(
            subset, x_validation=samples.x_validation[rows], y_validation=y[rows], weights_validation=weights
        )
    official, own = (None if part is None else len(part) for part in (subset.x_test, subset.x_validation))
    selected = replace(
        description, classes=classes, samples=len(subset.x), test_samples=official, validation_samples=own
    )
    return selected, subset


def _at(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[rows]


def _kept(spec: Dataset, classes: tuple[str, ...], y: np.ndarray, part: str) -> np.ndarray:
    """Whether each sample of new labels y (n,) stays."""
    keep = y >= 0
    for name, share in spec.imbalance.items():
        members = np.flatnonzero(y == classes.index(name))
        left = max(1, round(share * len(members)))
        out = rng(spec.split_seed, f"imbalance/{part}/{name}").permutation(members)[left:]
        keep[out] = False
    return keep
