"""The splits of a dataset: how many samples each has, which they are, and what they hold."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from mlphys.errors import Refusal, UserError
from mlphys.numerics import chunked
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Dataset, Description, Samples, Split, Splits

NAMES = ("train", "validation", "test")


def sizes(spec: Dataset, description: Description) -> dict[str, int]:
    """Each split's number of samples, fractions and defaults resolved as Dataset says.

    With folds, training and validation have as many together as without. Raises Refusal when they do not fit.
    """
    if spec.fold is not None and (spec.folds is None or spec.fold >= spec.folds):
        folds = "leave it out without folds" if spec.folds is None else f"the folds are 0 to {spec.folds - 1}"
        raise Refusal(("data", "fold"), f"{folds}; received {spec.fold}")
    counts = _sizes(spec, description)
    if spec.folds is None:
        return counts
    pool = counts["train"] + counts["validation"]
    if pool < spec.folds:
        raise Refusal(("data", "folds"), f"{pool} training and validation samples are fewer than {spec.folds} folds")
    start, stop = _fold(spec, pool)
    return {**counts, "train": pool - (stop - start), "validation": stop - start}


def _fold(spec: Dataset, pool: int) -> tuple[int, int]:
    """Where the fold that is validated on, the first where none is named, begins and ends in the pool."""
    assert spec.folds is not None
    fold = spec.fold or 0
    return fold * pool // spec.folds, (fold + 1) * pool // spec.folds


def _sizes(spec: Dataset, description: Description) -> dict[str, int]:
    total = description.samples
    test = _test_size(spec, description)
    others = {"validation": _count("validation", spec.validation, total)}
    if description.test_samples is None:
        others["test"] = test
    left = total - sum(others.values())
    named = " and ".join(f"{size} {name}" for name, size in others.items())
    if spec.train is None:
        if left < 1:
            raise Refusal(("data", "validation"), f"{named} samples leave none of {total} to train; lower them")
        return {"train": left, "validation": others["validation"], "test": test}
    train = _count("train", spec.train, total)
    if isinstance(spec.train, float) and train == left + 1:  # each fraction is rounded by itself
        train = left
    if train == 0:
        raise Refusal(("data", "train"), "without training samples nothing is learned; write at least 1")
    if train > left:
        remedy = f"train can be {left} at most" if left > 0 else "lower them"
        raise Refusal(("data", "train"), f"{train} training and {named} samples are more than {total}; {remedy}")
    return {"train": train, "validation": others["validation"], "test": test}


def _test_size(spec: Dataset, description: Description) -> int:
    official = description.test_samples
    if official is None:
        return _count("test", 0.2 if spec.test is None else spec.test, description.samples)
    test = official if spec.test is None else _count("test", spec.test, official)
    if test > official:
        raise Refusal(("data", "test"), f"{test} samples, but the official test set has {official}; lower it")
    return test


def _count(key: str, size: int | float, total: int) -> int:
    if isinstance(size, int):
        return size
    count = round(size * total)
    if count == 0:
        raise Refusal(("data", key), f"{size:g} of {total} samples is none; write a larger fraction, or a count")
    return count


def split(spec: Dataset, description: Description, samples: Samples) -> Splits:
    """Official sets in file order, without a copy; others by `split_seed`, stratified where there are classes.

    Raises UserError if the samples are not as described, or a class has too few of them.
    """
    _check_description(spec, description, samples)
    count = sizes(spec, description)
    train, validation, test = (count[name] for name in NAMES)
    x, y = samples.x, samples.y
    if spec.folds is not None:
        return _with_folds(spec, description, samples, count)
    if samples.x_test is not None and samples.y_test is not None:
        held = slice(train, train + validation)
        return Splits(
            Split(x[:train], y[:train]),
            Split(x[held], y[held]),
            Split(samples.x_test[:test], samples.y_test[:test]),
            samples.files,
        )
    _check_members(spec, description, y, sum(size > 0 for size in count.values()))
    # The test samples come first, so that no other size can change which they are.
    groups = y if description.classes else np.zeros(len(y), np.int32)
    order = stratified(groups, spec.split_seed)[: test + validation + train]
    tested, validated, trained = (Split(x[i], y[i]) for i in np.split(order, [test, test + validation]))
    return Splits(trained, validated, tested, samples.files)


def _with_folds(spec: Dataset, description: Description, samples: Samples, count: dict[str, int]) -> Splits:
    """One fold to validate on, the others to train on; test is what it is without folds."""
    assert spec.folds is not None
    x, y = samples.x, samples.y
    groups = y if description.classes else np.zeros(len(y), np.int32)
    pooled = count["train"] + count["validation"]
    if samples.x_test is not None and samples.y_test is not None:
        test = Split(samples.x_test[: count["test"]], samples.y_test[: count["test"]])
        pool = stratified(groups[:pooled], spec.split_seed)
    else:
        order = stratified(groups, spec.split_seed)
        test = Split(x[order[: count["test"]]], y[order[: count["test"]]])
        pool = order[count["test"] : count["test"] + pooled]
    for name, members in class_counts(y[pool], description).items():
        if 0 < members < spec.folds:
            raise UserError(
                f"{spec.name}: the class {name} has {members} training and validation samples, fewer than "
                f"{spec.folds} folds; lower data.folds, add samples, or leave the class out"
            )
    start, stop = _fold(spec, pooled)
    validated, trained = pool[start:stop], np.concatenate([pool[:start], pool[stop:]])
    return Splits(Split(x[trained], y[trained]), Split(x[validated], y[validated]), test, samples.files)


def _check_description(spec: Dataset, description: Description, samples: Samples) -> None:
    """Files may have changed since they were described, and a run's description may be a stranger's."""
    official = None if samples.x_test is None else len(samples.x_test)
    found = (len(samples.x), official, samples.x.shape[1:])
    if found != (description.samples, description.test_samples, description.shape):
        raise UserError(f"{spec.name}: not the data it was before: its shape has changed; start again")
    labels = [y for y in (samples.y, samples.y_test) if y is not None] if description.classes else []
    if labels and max(int(y.max()) for y in labels) >= len(description.classes):
        raise UserError(f"{spec.name}: not the data it was before: it has more classes; start again")


def _check_members(spec: Dataset, description: Description, y: np.ndarray, needed: int) -> None:
    for name, members in class_counts(y, description).items():
        if 0 < members < needed:
            raise UserError(
                f"{spec.name}: the class {name} has {members} of the {needed} samples it needs, one a split; "
                "add samples, leave the class out, or set data.validation or data.test to 0"
            )


def stratified(y: np.ndarray, seed: int) -> np.ndarray:
    """A random order of the samples of which every stretch holds the classes in their proportions.

    Systematic sampling (Madow & Madow 1944): of the n_k samples of class k, in random order, the
    one numbered j stands at (j + u_k) / n_k, with u_k uniform in [0, 1).
    """
    generator = rng(seed, "split")
    place = np.empty(len(y))
    groups = np.split(np.argsort(y, kind="stable"), np.cumsum(np.bincount(y))[:-1])
    for members in groups:
        start = generator.random()
        place[generator.permutation(members)] = (np.arange(len(members)) + start) / len(members)
    return np.argsort(place, kind="stable")


def fingerprint(split: Split) -> str:
    """The sha256 of the bytes of x and of y."""
    return _read_once(split)[0]


def _read_once(split: Split) -> tuple[str, list[float]]:
    """The sha256 of the bytes of x and of y, and the smallest and the largest value of x."""
    digest, low, high = hashlib.sha256(), np.inf, -np.inf
    for piece in chunked.pieces(split.x):
        digest.update(np.ascontiguousarray(piece).data)
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    digest.update(np.ascontiguousarray(split.y).data)
    return digest.hexdigest(), [low, high]


def summary(dataset: Splits, spec: Dataset, description: Description) -> dict[str, Any]:
    """What data.json holds."""
    return {
        "name": spec.name,
        "shape": list(description.shape),
        "classes": list(description.classes),
        "samples": description.samples,
        "test_samples": description.test_samples,
        "target_shape": list(description.target_shape),
        "splits": {
            "train": _facts(dataset.train, description, with_range=True),
            "validation": _facts(dataset.validation, description),
            "test": _facts(dataset.test, description),
        },
        "files": [dict(file) for file in dataset.files],
    }


def _facts(split: Split, description: Description, with_range: bool = False) -> dict[str, Any]:
    """With the range of values, what samples that are predicted later are held against."""
    sha256, values = _read_once(split)
    facts = {"samples": len(split), "class_counts": class_counts(split.y, description), "sha256": sha256}
    return {**facts, "range": values} if with_range else facts


def class_counts(y: np.ndarray, description: Description) -> dict[str, int]:
    """How many samples each class has; empty where there are no classes."""
    if not description.classes:
        return {}
    counts = np.bincount(y, minlength=len(description.classes))
    return {name: int(n) for name, n in zip(description.classes, counts, strict=True)}
