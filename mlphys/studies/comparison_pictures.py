"""Pictures of a comparison: learning curves overlaid, and the samples on which two nets disagree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlphys.data.preprocessing import display_shape
from mlphys.errors import NotApplicable, UserError
from mlphys.figures import image_grid, theme
from mlphys.figures.picture import Picture
from mlphys.numerics import chunked
from mlphys.runs.run import Run
from mlphys.schema.samples import Split
from mlphys.studies.candidates import Candidate
from mlphys.studies.comparison import Comparison

DISAGREED = 10  # samples on each side


def learning_curves(candidates: Sequence[Candidate]) -> Iterator[Picture]:
    """What all recorded on validation, or in training, against the epoch; over seeds the mean and its spread."""
    if len(candidates) > len(theme.LINES):
        raise NotApplicable(f"{len(candidates)} curves are more than {len(theme.LINES)} colours tell apart")
    histories = [[run.history for run in candidate.runs] for candidate in candidates]
    columns = [name for name in ("validation_accuracy", "validation_loss", "loss") if _recorded(histories, name)][:2]
    if not columns:
        raise NotApplicable("they recorded no common quantity in each epoch")
    several = any(len(each) > 1 for each in histories)
    band = "lines are means over seeds, as long as all of them trained; bands are one standard deviation"
    width = max(7.5, 6 * len(columns))
    figure, panels = theme.row(len(columns), width, 5.6, "learning curves", band if several else "")
    table: dict[str, list[Any]] = {"of": [], "quantity": [], "epoch": [], "mean": [], "stdev": []}
    for column, axes in zip(columns, panels, strict=True):
        for candidate, each, colour in zip(candidates, histories, theme.LINES, strict=False):
            epochs, mean, spread = _over_seeds(each, column)
            axes.plot(epochs, mean, color=colour, label=candidate.name)
            if len(each) > 1:
                axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
            table["of"] += [candidate.name] * len(epochs)
            table["quantity"] += [column] * len(epochs)
            table["epoch"] += list(epochs)
            table["mean"] += mean.tolist()
            table["stdev"] += spread.tolist()
        axes.set(xlabel="epoch", ylabel=column.replace("_", " "))
        axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
    panels[0].legend(loc="lower left", bbox_to_anchor=(-0.01, 1.01), fontsize=12.5, ncols=1)
    yield Picture("learning_curves", figure, table)


def disagreements(comparison: Comparison) -> Iterator[Picture]:
    """Samples that only one of the first two nets has right, those first of which the other is surest."""
    pair = comparison.pairs[0]
    if pair.mcnemar is None:
        raise NotApplicable("only two trained classifiers disagree on samples")
    first, second = pair.first.runs[0], pair.second.runs[0]
    shape = display_shape(first.config.data.preprocess, first.description.shape)
    if len(first.description.shape) != 3 or first.description.shape[-1] not in (1, 3) or len(shape) != 3:
        raise NotApplicable("the samples on which they disagree are no images")
    left, right = _wrongly(second, first, comparison.split), _wrongly(first, second, comparison.split)
    chosen = [rows for rows in (left, right) if len(rows[0])]
    if not chosen:
        raise NotApplicable("they disagree on no sample")
    try:
        split = getattr(first.dataset(), comparison.split)
    except UserError as error:  # the samples are gone, or others
        raise NotApplicable(str(error)) from None
    classes = first.data["classes"]
    names = [f"only {pair.first.name}"] * bool(len(left[0])) + [f"only {pair.second.name}"] * bool(len(right[0]))
    images = _rows_of_images(split, [indices for indices, _ in chosen])
    titles = [
        [f"{classes[guess]} ({classes[true]}!)" for guess, true in zip(guesses, split.y[rows], strict=True)]
        for rows, guesses in chosen
    ]
    figure = image_grid.page(
        images, np.concatenate(images), [f"{name}\nis right" for name in names],
        f"{comparison.split} samples on which two nets disagree",
        f"{pair.mcnemar.first_only} and {pair.mcnemar.second_only} in all; those of which the wrong net is surest, and "
        "above each what it takes it for (and what it is)", each=titles,
    )  # fmt: skip
    table: dict[str, list[Any]] = {
        "right": [name.removeprefix("only ") for name, (rows, _) in zip(names, chosen, strict=True) for _ in rows],
        "index": [int(i) for rows, _ in chosen for i in rows],
        "true": [classes[k] for rows, _ in chosen for k in split.y[rows]],
        "mistaken_for": [classes[k] for _, guesses in chosen for k in guesses],
    }
    yield Picture("disagreements", figure, table)


def _rows_of_images(split: Split, rows: Sequence[np.ndarray]) -> np.ndarray:
    """The images of a split with these indices, each row filled up with black ones to the length of the longest."""
    images = np.zeros((len(rows), max(map(len, rows)), *split.x.shape[1:]), np.float32)
    for row, indices in zip(images, rows, strict=True):
        row[: len(indices)] = chunked.read(split.x[np.sort(indices)])[np.argsort(np.argsort(indices))]
    return images


def _wrongly(wrong: Run, right: Run, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples that only `right` has right, and what `wrong` takes them for, the surest first."""
    theirs, ours = wrong.predictions(split) or {}, right.predictions(split) or {}
    labels, guesses = theirs["labels"], theirs["probabilities"].argmax(axis=1)
    indices = np.flatnonzero((guesses != labels) & (ours["probabilities"].argmax(axis=1) == labels))
    order = indices[np.argsort(-theirs["probabilities"][indices].max(axis=1), kind="stable")][:DISAGREED]
    return order, guesses[order]


def _recorded(histories: Sequence[Sequence[Any]], name: str) -> bool:
    return all(rows and rows[-1].get(name) is not None for each in histories for rows in each)


def _over_seeds(histories: Sequence[Any], name: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Epochs up to the last that all seeds have, the mean and the standard deviation."""
    last = min(len(rows) for rows in histories)
    values = np.array([[_number(row.get(name)) for row in rows[:last]] for rows in histories])
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(last)
    return list(range(1, last + 1)), values.mean(axis=0), spread


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
