"""Checks of the samples before the first step of training: refusals and warnings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data import preprocessing, splits
from mlphys.data.preprocessing import Preprocessing
from mlphys.errors import UserError
from mlphys.numerics import chunked
from mlphys.schema.losses import BinaryCrossentropy
from mlphys.schema.samples import Split, Splits

TOLERANCE = 1e-3  # how far rounding may take a probability out of [0, 1]
FAR = 1e3  # a root mean square beyond it, or below its inverse, is far from one
OFF = 10  # targets whose mean or spread is off by a larger factor are far from what a net begins with
REMOTE = 20  # times the range of the middle 90 %: values so far outside are outliers
FEW = 0.01  # the share of samples up to which remote values are outliers
LOOKED_AT = 5000  # samples from which the range of the middle is estimated
MOST_NAMED = 3  # features named in one warning


def require_learnable(loaded: ResolvedExperiment, dataset: Splits, fitted: Preprocessing) -> None:
    """Raise UserError for samples that the model or its cost cannot take."""
    experiment = loaded.experiment
    splits.check_classes(dataset, experiment.data, loaded.description)
    kind = experiment.model
    if isinstance(experiment.training.loss, BinaryCrossentropy) and kind.COMPARES_WITH:
        for name in splits.NAMES[:2]:
            _require_probabilities(loaded, fitted.split(getattr(dataset, name)), name)
    splits.weighted_for_training(experiment.data, dataset.train)
    kind.check_samples(fitted.split(dataset.train))


def _require_probabilities(loaded: ResolvedExperiment, split: Split, name: str) -> None:
    if not len(split):
        return
    of_x = loaded.experiment.model.COMPARES_WITH == "x"
    low, high = _extremes(split) if of_x else (float(split.y.min()), float(split.y.max()))
    if low >= -TOLERANCE and high <= 1 + TOLERANCE:
        return
    what = "samples" if of_x else "targets"
    if of_x and loaded.experiment.data.preprocess:
        remedy = "leave data.preprocess out"
    elif low < 0:
        remedy = "save spins as (x + 1) / 2" if (low, high) == (-1, 1) else "bring them into this range"
    else:
        white = 255 if 128 <= high <= 255 else high
        remedy = f"write data.scale: {white:g}" if of_x else f"save them divided by {white:g}"
    raise UserError(
        f"training.loss: BinaryCrossentropy compares probabilities, from 0 to 1; the {what} of {name} go from "
        f"{low:.4g} to {high:.4g}; {remedy}, or write loss: mean_squared_error"
    )


def _extremes(split: Split) -> tuple[float, float]:
    low, high = chunked.extremes(split.x)
    return float(low.min()), float(high.max())


def all_remarks(loaded: ResolvedExperiment, dataset: Splits) -> list[str]:
    """The warnings of `train` for these samples, refusals included."""
    fitted = preprocessing.fit_splits(loaded.experiment.data, dataset.train)
    try:
        require_learnable(loaded, dataset, fitted)
    except UserError as refusal:
        return [str(refusal), *remarks(loaded, dataset, fitted)]
    return remarks(loaded, dataset, fitted)


def remarks(loaded: ResolvedExperiment, dataset: Splits, fitted: Preprocessing) -> list[str]:
    """Warnings about the user's own samples, a sentence each: what makes training fail unless it is intended."""
    data = loaded.experiment.data
    if not data.OWN_FILES:
        return []
    problems = [*_outliers(dataset.train, data.feature_names()), *_sizes(fitted.split(dataset.train))]
    if not loaded.description.classes and dataset.train.y.size and data.target_scaling is None:
        problems += _target_sizes(dataset.train.y, data.target_names())
    return problems


def _sizes(train: Split) -> Iterator[str]:
    """Warn of inputs of the network far from one."""
    total = sum(float(np.square(piece, dtype=np.float64).sum()) for piece in chunked.pieces(train.x))
    size = math.sqrt(total / max(1, train.x.size))
    if size > FAR or 0 < size < 1 / FAR:
        side = "above" if size > FAR else "below"
        yield (
            f"the values of x are far {side} one (root mean square {size:.2g}); networks learn best from values "
            "near one: preprocess: [standardize] brings them there"
        )


def _target_sizes(y: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """Where the mean or the spread of targets is far from what a net begins with: 0 and 1."""
    flat = y.reshape(-1, y.shape[-1]).astype(np.float64)
    mean, spread = flat.mean(axis=0), flat.std(axis=0)
    off = (np.abs(mean) > OFF) | (spread > OFF) | ((spread < 1 / OFF) & (spread > 0))
    if not off.any():
        return
    named = [_size_of(k, mean[k], spread[k], names) for k in np.flatnonzero(off)[:MOST_NAMED].tolist()]
    more = f" and {int(off.sum()) - len(named)} more" if off.sum() > len(named) else ""
    yield (
        f"the targets are far from mean 0 and spread 1, near which a net begins: {', '.join(named)}{more}; "
        "write data.target_scaling: standardize"
    )


def _size_of(number: int, mean: float, spread: float, names: Sequence[str]) -> str:
    name = f"{names[number]} has " if names else ""
    return f"{name}mean {mean:.4g} and spread {spread:.2g}"


def _outliers(train: Split, names: Sequence[str]) -> Iterator[str]:
    """Features whose spread is due to a few values, such as -9999 and 1e20 for missing ones."""
    if len(train.x.shape) != 2:
        return
    some = train.some(LOOKED_AT).x
    below, middle, above = np.percentile(some, (5, 50, 95), axis=0)
    low, high = chunked.extremes(train.x)
    reach = REMOTE * (above - below)
    remote = (reach > 0) & ((low < middle - reach) | (high > middle + reach))
    for count, i in enumerate(np.flatnonzero(remote).tolist()):
        values = _column(train, i)
        far = np.abs(values - middle[i]) > reach[i]
        if not 0 < far.sum() <= max(1, FEW * len(values)):
            continue
        if count >= MOST_NAMED:
            yield f"{int(remote.sum()) - count} more features have values far outside of all others"
            return
        value = float(values[far][np.abs(values[far] - middle[i]).argmax()])
        name = names[i] if names else f"x[:, {i}]"
        remedy = "leave these samples out"
        if names:  # of a table
            remedy = f"write data.missing_values: [{value:g}] and data.missing: drop"
        yield (
            f"{name}: {int(far.sum())} of {len(values)} training samples lie far outside of all others "
            f"(such as {value:g}; the others are near {middle[i]:.3g}) and make its spread; if {value:g} stands for "
            f"missing values, {remedy}"
        )


def _column(train: Split, feature: int) -> np.ndarray:
    pieces: Iterable[np.ndarray] = chunked.pieces(train.x)
    return np.concatenate([piece[:, feature] for piece in pieces]).astype(np.float64)
