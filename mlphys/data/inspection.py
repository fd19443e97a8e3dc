"""Inspection of a dataset before training: statistics, warnings and a sheet of samples."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlphys import machine
from mlphys.data import feature_histograms
from mlphys.data.feature_histograms import MOST_NAMED
from mlphys.data.splits import NAMES, class_counts, reading_notes
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.numerics import chunked
from mlphys.schema.data import Description
from mlphys.schema.samples import Split, Splits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 10
MOST_ROWS = 20
MOST_TARGETS = 20  # with a line each
MOST_LINES = 8  # classes in a histogram
MOST_COUNTED = 100_000  # samples in a histogram
ROWS_WITHOUT_CLASSES = 4
ENDINGS = ("png", "pdf", "svg")


@dataclass(frozen=True)
class SplitFacts:
    """Statistics of a split. `smallest` and `largest` are extreme values, None without samples."""

    samples: int
    class_counts: dict[str, int]
    smallest: float | None
    largest: float | None
    not_finite: int
    duplicates: int  # samples that equal an earlier one of the split


@dataclass(frozen=True)
class Inspection:
    """The result of `check`. `shared` counts the samples of the second split that are also in the first."""

    splits: dict[str, SplitFacts]
    shared: dict[tuple[str, str], int]
    features: int
    constant_features: int  # with the same value in all training samples
    notes: tuple[str, ...]  # how the numbers of files were read, what is not used, and the range of the targets
    balance: float  # samples of the smallest class / of the largest, in training; 1 without classes

    def warnings(self) -> list[str]:
        """Warnings, one sentence each."""
        train = self.splits["train"]
        messages = [
            f"{name}: {facts.not_finite} values are NaN or infinite"
            for name, facts in self.splits.items()
            if facts.not_finite
        ]
        messages += [
            f"{count} {second} samples are also in {first}: metrics on {second} are too good"
            for (first, second), count in self.shared.items()
            if count
        ]
        absent = {
            split: [name for name, count in facts.class_counts.items() if count == 0]
            for split, facts in self.splits.items()
            if facts.samples
        }
        messages += [f"{split}: no samples of {', '.join(names)}" for split, names in absent.items() if names]
        if not absent.get("train") and self.balance < 0.5:
            messages.append(
                f"train: the smallest class has {self.balance:.2g} times the samples of the largest: "
                "look at balanced_accuracy"
            )
        low, high = train.smallest, train.largest
        if low is not None and high is not None and (low < -10 or high > 10):
            messages.append(f"train: values from {low:g} to {high:g}; networks learn best from values near 1")
        return messages


def check(dataset: Splits, description: Description, target_names: tuple[str, ...] = ()) -> Inspection:
    """Count, measure and compare the samples of all splits."""
    summaries = {name: _seen(getattr(dataset, name)) for name in NAMES}
    facts = {name: _facts(getattr(dataset, name), summaries[name], description) for name in NAMES}
    shared = {}
    for first, second in combinations(NAMES, 2):
        known = set(summaries[first].hashes)
        shared[first, second] = sum(value in known for value in summaries[second].hashes)
    counts = facts["train"].class_counts.values() or [1]
    return Inspection(
        splits=facts,
        shared=shared,
        features=math.prod(description.shape),
        constant_features=int((summaries["train"].low == summaries["train"].high).sum()),
        notes=(*reading_notes(dataset), *_target_range(dataset, description, target_names)),
        balance=min(counts) / max(counts),
    )


def _target_range(dataset: Splits, description: Description, names: tuple[str, ...]) -> list[str]:
    y = dataset.train.y
    if description.classes or not y.size:
        return []
    if y.ndim != 2 or y.shape[1] > MOST_TARGETS:
        return [f"targets of train: from {y.min():g} to {y.max():g}"]
    of = names if len(names) == y.shape[1] else tuple(f"y_{k}" for k in range(y.shape[1]))
    return [
        f"target {name} of train: from {column.min():g} to {column.max():g}, mean {column.mean(dtype=np.float64):.4g}, "
        f"spread {column.std(dtype=np.float64):.3g}"
        for name, column in zip(of, y.T, strict=True)
    ]


@dataclass(frozen=True)
class _Seen:
    """Result of one pass over a split: a hash of each sample, and the minimum and maximum of each feature."""

    hashes: list[bytes]
    not_finite: int
    low: np.ndarray
    high: np.ndarray


def _seen(split: Split) -> _Seen:
    hashes: list[bytes] = []
    not_finite = 0
    low, high = np.full(split.x.shape[1:], np.inf), np.full(split.x.shape[1:], -np.inf)
    for piece in chunked.pieces(split.x):
        hashes += [hashlib.blake2b(sample.tobytes(), digest_size=16).digest() for sample in piece]
        not_finite += piece.size - int(np.isfinite(piece).sum())
        low, high = np.minimum(low, piece.min(axis=0)), np.maximum(high, piece.max(axis=0))
    return _Seen(hashes, not_finite, low, high)


def _facts(split: Split, summary: _Seen, description: Description) -> SplitFacts:
    return SplitFacts(
        samples=len(split),
        class_counts=class_counts(split.y, description),
        smallest=float(summary.low.min()) if len(split) else None,
        largest=float(summary.high.max()) if len(split) else None,
        not_finite=summary.not_finite,
        duplicates=len(summary.hashes) - len(set(summary.hashes)),
    )


def sheet(dataset: Splits, description: Description, path: Path, names: Sequence[str] = ()) -> None:
    """Draw the first ten training samples of each class: images, or curves for other samples.

    Without classes the first forty are drawn. Features with `names` of their own, up to `MOST_NAMED`, are no curve:
    each has a histogram.

    Raises UserError when `path` is no png, pdf or svg, or cannot be written.
    """
    machine.require_matplotlib()
    ending = path.suffix.lower().removeprefix(".")
    if ending not in ENDINGS:
        raise UserError(f"{path}: the extension selects the format; allowed {', '.join(ENDINGS)}")
    named = 0 < len(names) <= MOST_NAMED and len(dataset.train)
    figure = _histograms(dataset.train, description, names) if named else _samples(dataset.train, description)
    content = io.BytesIO()
    figure.savefig(content, format=ending, dpi=150, bbox_inches="tight")
    atomic.write(path, content.getvalue())


def _histograms(train: Split, description: Description, names: Sequence[str]) -> Figure:
    x = chunked.read(train.x[:MOST_COUNTED])
    y = train.y[: len(x)]
    shown = description.classes[:MOST_LINES]
    classes = {name: x[y == k] for k, name in enumerate(shown)} if shown else {"training samples": x}
    figure = feature_histograms.figure({name: some for name, some in classes.items() if len(some)}, names)
    left_out = len(description.classes) - len(shown)
    more = f", the first {len(shown)} of {len(description.classes)} classes" if left_out else ""
    figure.suptitle(f"{len(x):,} training samples{more}: each feature on its own axis", x=0.01, ha="left", fontsize=14)
    return figure


def _samples(train: Split, description: Description) -> Figure:
    from matplotlib.figure import Figure

    rows = _first_of_each_class(train, description)
    shape = description.shape
    is_image = len(shape) == 3 and shape[2] in (1, 3)
    cell = min(max(shape[0] / shape[1], 0.3), 3) if is_image else 0.8
    figure = Figure(figsize=(COLUMNS, cell * len(rows)))
    axes = figure.add_axes((0, 0, 1, 1))
    draw = _images if is_image else _curves
    first = f"first {COLUMNS} of each class" if description.classes else "the first"
    caption = f"training samples, {first}; {draw(axes, list(rows.values()))}"
    if len(rows) < len(description.classes):
        caption += f"; {len(description.classes) - len(rows)} more classes are not shown"
    axes.set_title(caption, fontsize=14, loc="left")
    # escape dollar signs in class names, which would start a formula
    centres = [row + 0.5 for row in range(len(rows))]
    if description.classes:
        axes.set_yticks(centres, list(rows), fontsize=15, parse_math=False)
    else:
        axes.set_yticks([])
    axes.set(xlim=(0, COLUMNS), ylim=(len(rows), 0), aspect=cell, xticks=[])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _first_of_each_class(split: Split, description: Description) -> dict[str, np.ndarray]:
    if description.classes:
        names = description.classes[:MOST_ROWS]
        rows = {name: np.flatnonzero(split.y == k)[:COLUMNS] for k, name in enumerate(names)}
    else:
        first = np.arange(min(ROWS_WITHOUT_CLASSES * COLUMNS, len(split)))
        rows = {str(row): first[row * COLUMNS : (row + 1) * COLUMNS] for row in range(ROWS_WITHOUT_CLASSES)}
    return {name: chunked.read(split.x[numbers]) for name, numbers in rows.items()}


def _images(axes: Axes, rows: list[np.ndarray]) -> str:
    """Each image in a unit cell, all with the same gray or color scale."""
    low, high = _range(rows)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            scaled = np.clip((image - low) / (high - low), 0, 1)
            axes.imshow(
                scaled if image.shape[2] == 3 else scaled[..., 0],
                cmap="gray",
                vmin=0,
                vmax=1,
                interpolation="nearest",
                extent=(column + 0.04, column + 0.96, row + 0.96, row + 0.04),
            )
    return f"black is {low:.3g}, white {high:.3g}"


def _curves(axes: Axes, rows: list[np.ndarray]) -> str:
    """The values of each sample over their index in a unit cell, all on the same scale."""
    low, high = _range(rows)
    for row, samples in enumerate(rows):
        for column, sample in enumerate(samples.reshape(len(samples), math.prod(samples.shape[1:]))):
            across = column + 0.08 + 0.84 * (np.arange(len(sample)) + 0.5) / len(sample)
            down = row + 0.9 - 0.8 * (sample - low) / (high - low)
            axes.plot(across, down, color="C0", lw=1.2, marker="o" if len(sample) <= 20 else None, ms=3)
    axes.hlines(range(1, len(rows)), 0, COLUMNS, color="0.85", lw=0.8)
    axes.vlines(range(1, COLUMNS), 0, len(rows), color="0.85", lw=0.8)
    return f"feature values from {low:.3g} (bottom) to {high:.3g} (top)"


def _range(rows: list[np.ndarray]) -> tuple[float, float]:
    """(0, 1) if all values are inside, else their minimum and maximum."""
    shown = np.concatenate([row.ravel() for row in rows])
    low, high = float(shown.min(initial=np.inf)), float(shown.max(initial=-np.inf))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1
