"""How many samples each split of a dataset has."""

from __future__ import annotations

from mlphys.errors import Refusal
from mlphys.schema.data import Dataset, Description


def sizes(spec: Dataset, description: Description) -> dict[str, int]:
    """The number of samples of each split, with fractions and defaults resolved as in Dataset.

    With folds, training and validation have as many together as without. Raises Refusal when they do not fit.
    """
    if spec.fold is not None and (spec.folds is None or spec.fold >= spec.folds):
        folds = "leave it out without folds" if spec.folds is None else f"the folds are 0 to {spec.folds - 1}"
        raise Refusal(("data", "fold"), f"{folds}; received {spec.fold}")
    if spec.split_by() is not None and not spec.HAS_COLUMNS:
        raise Refusal(("data", "split"), f"{spec.name} has no columns; write stratified or in_order")
    if spec.split not in (None, "stratified") and spec.folds is not None:
        raise Refusal(("data", "folds"), "folds are stratified, at random; leave folds out, or data.split")
    counts = _sizes(spec, description)
    if spec.folds is None:
        return counts
    if description.validation_samples is not None:
        raise Refusal(("data", "folds"), "this dataset has a validation set of its own; leave folds out")
    pool = counts["train"] + counts["validation"]
    if pool < spec.folds:
        raise Refusal(("data", "folds"), f"{pool} training and validation samples, fewer than {spec.folds} folds")
    start, stop = fold_bounds(spec, pool)
    return {**counts, "train": pool - (stop - start), "validation": stop - start}


def fold_bounds(spec: Dataset, pool: int) -> tuple[int, int]:
    """Where the fold that is validated on, the first where none is named, begins and ends in the pool."""
    assert spec.folds is not None
    fold = spec.fold or 0
    return fold * pool // spec.folds, (fold + 1) * pool // spec.folds


def _sizes(spec: Dataset, description: Description) -> dict[str, int]:
    total = description.samples
    validation, test = _validation_size(spec, description), _test_size(spec, description)
    others = {} if description.validation_samples is not None else {"validation": validation}
    if description.test_samples is None:
        others["test"] = test
    left = total - sum(others.values())
    named = " and ".join(f"{size} {name}" for name, size in others.items()) or "no other"
    if spec.train is None:
        if left < 1:
            raise Refusal(("data", "validation"), f"{named} samples leave none of {total} to train; lower them")
        return {"train": left, "validation": validation, "test": test}
    train = _count("train", spec.train, total)
    if isinstance(spec.train, float) and train == left + 1:  # fractions are rounded separately
        train = left
    if train == 0:
        raise Refusal(("data", "train"), "without training samples nothing is learned; write at least 1")
    if train > left:
        remedy = f"train can be {left} at most" if left > 0 else "lower them"
        raise Refusal(("data", "train"), f"{train} training and {named} samples are more than {total}; {remedy}")
    return {"train": train, "validation": validation, "test": test}


def _test_size(spec: Dataset, description: Description) -> int:
    official = description.test_samples
    if official is None:
        return _count("test", 0.2 if spec.test is None else spec.test, description.samples)
    test = official if spec.test is None else _count("test", spec.test, official)
    if test > official:
        raise Refusal(("data", "test"), f"{test} samples, but the official test set has {official}; lower it")
    return test


def _validation_size(spec: Dataset, description: Description) -> int:
    """The number of validation samples: all of the file's own, unless the key gives a number."""
    own = description.validation_samples
    if own is None:
        return _count("validation", spec.validation, description.samples)
    size = _count("validation", spec.validation, own) if "validation" in spec.model_fields_set else own
    if size > own:
        raise Refusal(("data", "validation"), f"{size} samples, but the file has {own} of validation; lower it")
    return size


def _count(key: str, size: int | float, total: int) -> int:
    if isinstance(size, int):
        return size
    count = round(size * total)
    if count == 0:
        raise Refusal(("data", key), f"{size:g} of {total} samples is none; write a larger fraction, or a count")
    return count
