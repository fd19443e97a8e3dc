"""The splits of a dataset: their samples, and what data.json says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlphys.data.split_sizes import fold_bounds, sizes
from mlphys.errors import UserError
from mlphys.numerics import chunked
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Dataset, Description
from mlphys.schema.samples import Samples, Split, Splits

NAMES = ("train", "validation", "test")


def split(spec: Dataset, description: Description, samples: Samples) -> Splits:
    """Split the samples: official sets in file order without a copy, others by `split_seed`, stratified by class.

    Validation and test samples of the user's file are used as such; missing splits are drawn from the training samples.

    Raises UserError if the samples are not as described, or a class has too few of them.
    """
    _check_description(spec, description, samples)
    count = sizes(spec, description)
    by_name: dict[str, Split] = {}
    if samples.x_validation is not None and samples.y_validation is not None:
        own = Split(samples.x_validation, samples.y_validation, samples.weights_validation)
        by_name["validation"] = _part(spec, description, own, count["validation"])
    if samples.x_test is not None and samples.y_test is not None:
        own = Split(samples.x_test, samples.y_test, samples.weights_test)
        by_name["test"] = _part(spec, description, own, count["test"])
    # Test samples are drawn first, so that the other sizes do not affect them.
    drawn = [name for name in ("test", "validation", "train") if name not in by_name]
    pool = Split(samples.x, samples.y, samples.weights)
    y = pool.y
    if spec.folds is not None:
        for name, rows in _fold_rows(spec, description, y, count, "test" in by_name).items():
            by_name[name] = pool.at(rows)
    elif spec.split_by() is not None:
        for name, rows in _whole_groups(spec, samples, {name: count[name] for name in drawn}).items():
            by_name[name] = pool.at(rows)
    elif spec.split == "in_order" or (by_name and not spec.OWN_FILES and spec.split is None):
        start = 0
        for name in reversed(drawn):
            by_name[name] = pool.at(slice(start, start + count[name]))
            start += count[name]
    else:
        _check_members(spec, description, y, sum(count[name] > 0 for name in drawn))
        ends = np.cumsum([count[name] for name in drawn])
        order = stratified(_groups(y, description), spec.split_seed)[: ends[-1]]
        for name, rows in zip(drawn, np.split(order, ends[:-1]), strict=True):
            by_name[name] = pool.at(rows)
    for name, split in by_name.items():
        _check_weights(spec, name, split)
    return _filled(by_name, samples)


def _whole_groups(spec: Dataset, samples: Samples, count: dict[str, int]) -> dict[str, np.ndarray]:
    """Indices of each split, in the file's order: whole groups in random order, as many as come nearest to the count.

    The last takes all that is left, if the counts are those of all samples.

    Raises UserError where a split that should have samples gets none.
    """
    assert samples.groups is not None
    sizes = np.bincount(samples.groups)
    order = rng(spec.split_seed, "groups").permutation(len(sizes))
    ends, start, indices = np.cumsum(sizes[order]), 0, {}
    for name, size in count.items():
        before = int(ends[start - 1]) if start else 0
        stop = start + int(np.abs(np.append(0, ends[start:] - before) - size).argmin())
        if name == list(count)[-1] and sum(count.values()) == len(samples.groups):
            stop = len(sizes)  # nothing is left over
        indices[name] = np.flatnonzero(np.isin(samples.groups, order[start:stop]))
        start = stop
    for name, rows in indices.items():
        if count[name] and not len(rows):
            raise UserError(
                f"{spec.name}: data.split: {spec.split_by()} has {len(sizes)} different values, too few to give "
                f"{name} {count[name]} samples; name a column of more, or set data.validation or data.test to 0"
            )
    return indices


def _check_weights(spec: Dataset, name: str, split: Split) -> None:
    """Raise UserError for weights that no metric can be computed with."""
    if split.weights is not None and len(split) and not split.weights.sum(dtype=np.float64) > 0:
        raise UserError(f"{spec.name}: the weights of {name} sum to {split.weights.sum():g}; they must sum above 0")


def _filled(splits: Mapping[str, Split], samples: Samples) -> Splits:
    """Missing values replaced by the mean of the training samples."""
    units, train = samples.units, splits["train"].x
    if units and isinstance(train, np.ndarray) and isinstance(samples.x, np.ndarray) and np.isnan(samples.x).any():
        known = np.isfinite(train)
        total = np.where(known, train, 0).sum(axis=0, dtype=np.float64)
        means = (total / np.maximum(1, known.sum(axis=0))).reshape(-1)
        units = replace(units, fill=tuple(float(mean) for mean in means.astype(np.float32)))
        splits = {name: replace(split, x=units.filled(chunked.read(split.x))) for name, split in splits.items()}
    return Splits(
        splits["train"], splits["validation"], splits["test"],
        samples.files, units, samples.target_units, samples.notes,
    )  # fmt: skip


def _part(spec: Dataset, description: Description, split: Split, count: int) -> Split:
    """A number of samples of a set that is a split already."""
    if not spec.OWN_FILES or count == len(split) or spec.split == "in_order":
        return split.at(slice(0, count))
    return split.at(stratified(_groups(split.y, description), spec.split_seed)[:count])


def _groups(y: np.ndarray, description: Description) -> np.ndarray:
    return y if description.classes else np.zeros(len(y), np.int32)


def check_classes(dataset: Splits, spec: Dataset, description: Description) -> None:
    """Raise UserError if a split of the user's samples has no sample of a class, which metrics would need."""
    if not spec.OWN_FILES:
        return
    counts = {name: class_counts(getattr(dataset, name).y, description) for name in NAMES}
    for name in NAMES:
        if not len(getattr(dataset, name)):
            continue
        for label in (label for label, members in counts[name].items() if not members):
            others = ", ".join(f"{other} {counts[other][label]}" for other in NAMES if other != name)
            key = "data.classes leaves the class out" if name == "train" else f"raise data.{name}, or set it to 0"
            raise UserError(f"{spec.name}: {name} has no sample of class {label} ({others}); {key}")


def reading_notes(dataset: Splits) -> list[str]:
    """Units of the user's files, and arrays that are not used, one line each."""
    lines = [f"x: {dataset.units}"] if dataset.units else []
    if dataset.target_units and dataset.target_units.scale != 1:
        lines.append(f"y: {dataset.target_units}")
    return [*lines, *dataset.notes]


def _fold_rows(
    spec: Dataset, description: Description, y: np.ndarray, count: dict[str, int], official_test: bool
) -> dict[str, np.ndarray]:
    """The samples of one fold for validation and of the others for training; test is what it is without folds.

    Raises UserError for a class with fewer samples than folds.
    """
    assert spec.folds is not None
    pooled = count["train"] + count["validation"]
    groups = _groups(y, description)
    rows: dict[str, np.ndarray] = {}
    if official_test and not spec.OWN_FILES:
        pool = stratified(groups[:pooled], spec.split_seed)
    else:
        order = stratified(groups, spec.split_seed)
        tested = 0 if official_test else count["test"]
        pool = order[tested : tested + pooled]
        if not official_test:
            rows["test"] = order[:tested]
    for name, members in class_counts(y[pool], description).items():
        if 0 < members < spec.folds:
            raise UserError(
                f"{spec.name}: the class {name} has {members} training and validation samples, fewer than "
                f"{spec.folds} folds; lower data.folds, add samples, or leave the class out"
            )
    start, stop = fold_bounds(spec, pooled)
    return {**rows, "validation": pool[start:stop], "train": np.concatenate([pool[:start], pool[stop:]])}


def _check_description(spec: Dataset, description: Description, samples: Samples) -> None:
    """Raise UserError for files that changed after `describe`, or untrusted descriptions that differ."""
    official, own = (None if x is None else len(x) for x in (samples.x_test, samples.x_validation))
    actual = (len(samples.x), official, own, samples.x.shape[1:])
    if actual != (description.samples, description.test_samples, description.validation_samples, description.shape):
        raise UserError(f"{spec.name}: not the data it was before: its shape has changed; start again")
    parts = (samples.y, samples.y_validation, samples.y_test)
    labels = [y for y in parts if y is not None] if description.classes else []
    if labels and max(int(y.max()) for y in labels) >= len(description.classes):
        raise UserError(f"{spec.name}: not the data it was before: it has more classes; start again")


def _check_members(spec: Dataset, description: Description, y: np.ndarray, needed: int) -> None:
    for name, members in class_counts(y, description).items():
        if 0 < members < needed:
            raise UserError(
                f"{spec.name}: the class {name} has {members} of the {needed} samples it needs, one per split; "
                "add samples, leave the class out, or set data.validation or data.test to 0"
            )


def stratified(y: np.ndarray, seed: int) -> np.ndarray:
    """A random order of the samples in which every section has the classes in proportion.

    Systematic sampling (Madow & Madow 1944): of the n_k samples of class k, in random order, the
    one numbered j is placed at (j + u_k) / n_k, with u_k uniform in [0, 1).
    """
    generator = rng(seed, "split")
    place = np.empty(len(y))
    groups = np.split(np.argsort(y, kind="stable"), np.cumsum(np.bincount(y))[:-1])
    for members in groups:
        start = generator.random()
        place[generator.permutation(members)] = (np.arange(len(members)) + start) / len(members)
    return np.argsort(place, kind="stable")


def weighted_for_training(spec: Dataset, train: Split) -> Split:
    """The training split with weights of mean 1, which leave the learning rate its meaning.

    Raises UserError for a negative one, unless the dataset says what it means in the loss.
    """
    if train.weights is None:
        return train
    weights = train.weights.astype(np.float64)
    if weights.min() < 0 and not spec.takes_absolute_weights():
        negative = int((weights < 0).sum())
        raise UserError(
            f"{spec.name}: data.weights: {negative} of {len(weights)} training samples have negative weights, and "
            "their loss falls without bound; write data.negative_weights: absolute to train with |w| (metrics keep "
            "the sign), or leave these samples out"
        )
    weights = np.abs(weights)
    return replace(train, weights=(weights / weights.mean()).astype(np.float32))


def fingerprint(split: Split) -> str:
    """SHA-256 of the bytes of x and of y."""
    return _read_once(split)[0]


def _read_once(split: Split) -> tuple[str, list[float]]:
    """SHA-256 of the bytes of x and of y, and minimum and maximum of x."""
    digest, low, high = hashlib.sha256(), np.inf, -np.inf
    for piece in chunked.pieces(split.x):
        digest.update(np.ascontiguousarray(piece).data)
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    digest.update(np.ascontiguousarray(split.y).data)
    if split.weights is not None:
        digest.update(np.ascontiguousarray(split.weights).data)
    return digest.hexdigest(), [low, high]


def summary(dataset: Splits, spec: Dataset, description: Description) -> dict[str, Any]:
    """The content of data.json."""
    return {
        "name": spec.name,
        "shape": list(description.shape),
        "classes": list(description.classes),
        "samples": description.samples,
        "test_samples": description.test_samples,
        "target_shape": list(description.target_shape),
        "splits": {
            "train": _facts(dataset.train, description),
            "validation": _without_range(dataset.validation, description),
            "test": _without_range(dataset.test, description),
        },
        "files": [dict(file) for file in dataset.files],
    } | {
        key: value
        for key, value in (
            ("validation_samples", description.validation_samples),
            ("units", dataset.units and dataset.units.as_json()),
            ("target_units", dataset.target_units and dataset.target_units.as_json()),
        )
        if value is not None
    }


def _facts(split: Split, description: Description) -> dict[str, Any]:
    """Facts of a split; with the range of values of the training samples `mlphys predict` compares others."""
    sha256, values = _read_once(split)
    counts = class_counts(split.y, description)
    return {"samples": len(split), "class_counts": counts, "sha256": sha256, "range": values}


def _without_range(split: Split, description: Description) -> dict[str, Any]:
    return {key: value for key, value in _facts(split, description).items() if key != "range"}


def class_counts(y: np.ndarray, description: Description) -> dict[str, int]:
    """The number of samples of each class; empty without classes."""
    if not description.classes:
        return {}
    counts = np.bincount(y, minlength=len(description.classes))
    return {name: int(n) for name, n in zip(description.classes, counts, strict=True)}
