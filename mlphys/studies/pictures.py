"""Pictures of studies and comparisons: a metric against what varies, learning curves overlaid, samples that differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.data.preprocessing import display_shape
from mlphys.errors import NotApplicable, UserError
from mlphys.figures import image_grid, theme
from mlphys.figures.picture import Picture
from mlphys.figures.save import save
from mlphys.figures.style import Style
from mlphys.io import atomic
from mlphys.numerics import chunked
from mlphys.numerics.over_seeds import OverSeeds
from mlphys.runs.run import Run
from mlphys.schema.document import flow
from mlphys.schema.samples import Split
from mlphys.studies import search_pictures
from mlphys.studies.candidates import Candidate
from mlphys.studies.changed_samples import against_changes
from mlphys.studies.comparison import Comparison
from mlphys.studies.points import Point, measured_metric, points
from mlphys.studies.study_file import StudyFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DISAGREED = 10  # samples on each side
DECADES = 1.5  # a parameter over a larger range has a logarithmic axis
MOST_CURVES = len(theme.LINES)
MOST_LETTERS = 60  # of all labels of an axis side by side
MOST_LABELS = 20  # characters under an axis

Draw = Callable[[], Iterable[Picture]]


def draw(
    pictures: Sequence[Draw], folder: Path, formats: Sequence[str], style: Style | None = None
) -> tuple[list[Path], list[str]]:
    """Save what can be drawn into `folder`, which is made; the files, and why others are not drawn."""
    atomic.make(folder)
    paths: list[Path] = []
    skipped: list[str] = []
    with theme.applied(style):
        for pictured in pictures:
            try:
                for picture in pictured():
                    paths += save(picture, folder, formats)
            except NotApplicable as reason:
                skipped.append(str(reason))
    return paths, skipped


def of_study(title: str, content: StudyFile) -> list[Draw]:
    """The metric against one varied key or two, and a heat map for two; of a search against each key and each trial."""
    if content.search:
        return [
            lambda: search_pictures.against_keys(title, content),
            lambda: search_pictures.best_so_far(title, content),
        ]
    return [lambda: against_parameter(title, content), lambda: heat_map(title, content)]


def of_comparison(comparison: Comparison) -> list[Draw]:
    """Learning curves overlaid, samples on which two nets disagree, and what was measured of shifts and noise."""
    return [
        lambda: learning_curves(comparison.candidates),
        lambda: disagreements(comparison),
        lambda: against_changes(comparison.candidates),
    ]


def against_parameter(title: str, content: StudyFile) -> Iterator[Picture]:
    """The metric of each point of a grid with its error over seeds; a line for each value of the other keys."""
    split, name = measured_metric(content)
    keys = list(content.grid)
    if not keys:
        raise NotApplicable("no key varies: there is nothing to draw the metric against")
    along = max(keys, key=lambda key: (_numeric(content, key), len(content.grid[key])))
    lines: dict[str, list[tuple[Point, OverSeeds]]] = {}
    for point in points(content):
        if estimate := point.metric(split, name):
            others = ", ".join(_called(content, key, point.labels[key]) for key in keys if key != along)
            lines.setdefault(others, []).append((point, estimate))
    if len(lines) > MOST_CURVES:
        raise NotApplicable(f"{len(lines)} lines are more than {MOST_CURVES} colours tell apart")
    figure = theme.figure(8.5, 5.2, f"{title}: {split} {name}", _bars(content))
    axes = figure.subplots()
    table: dict[str, list[Any]] = {along: [], "of": [], "n": [], name: [], "stderr": [], "stdev": []}
    labels = list(content.grid[along])
    for (others, row), colour in zip(lines.items(), theme.LINES, strict=False):
        at = [_position(content, along, point, labels) for point, _ in row]
        values, errors = [estimate.mean for _, estimate in row], [_error(estimate) for _, estimate in row]
        joined = "-" if _numeric(content, along) else "none"  # there is nothing between two named values
        style: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 7, "capsize": 5, "linestyle": joined}
        axes.errorbar(at, values, errors, label=others, **style)
        for point, estimate in row:
            for column, value in zip(
                table,
                (point.labels[along], others, estimate.n, estimate.mean, _error(estimate), estimate.stdev),
                strict=True,
            ):
                table[column].append(value)
    _parameter_axis(axes, content, along, labels)
    axes.set(xlabel=_last(along).replace("_", " "), ylabel=f"{split} {name}".replace("_", " "))
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
    if len(lines) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.01), ncols=2, fontsize=12.5)
    yield Picture("metric_against_parameter", figure, table)


def heat_map(title: str, content: StudyFile) -> Iterator[Picture]:
    """The metric over two varied keys, with its value and error in every cell."""
    split, name = measured_metric(content)
    if len(content.grid) != 2:
        raise NotApplicable("a heat map needs two keys that vary")
    down, across = content.grid
    rows, columns = list(content.grid[down]), list(content.grid[across])
    cells = {(point.labels[down], point.labels[across]): point.metric(split, name) for point in points(content)}
    values = np.array([[cell.mean if (cell := cells[r, c]) else math.nan for c in columns] for r in rows])
    if np.isnan(values).all():
        raise NotApplicable("no member was measured")
    width, height = max(7.5, 2.6 + 1.5 * len(columns)), 2.2 + 0.75 * len(rows)
    figure = theme.figure(width, height, f"{title}: {split} {name}", _bars(content).replace("bars are", "+- is"))
    axes = figure.subplots()
    image = axes.imshow(values, cmap="viridis", aspect="auto")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            cell = cells[r, c]
            text = theme.measured(cell.mean, _error(cell)).replace(" ±", "\n±") if cell else "none"
            colour = theme.INK if cell and cell.mean > middle else "white"
            axes.text(j, i, text, ha="center", va="center", fontsize=11, color=colour if cell else theme.INK)
    axes.set_xticks(range(len(columns)), _ticks(content, across))
    axes.set_yticks(range(len(rows)), _ticks(content, down))
    axes.set(xlabel=_last(across).replace("_", " "), ylabel=_last(down).replace("_", " "))
    figure.colorbar(image, ax=axes, label=name.replace("_", " "))
    table: dict[str, list[Any]] = {
        down: [r for r in rows for _ in columns],
        across: [c for _ in rows for c in columns],
        name: [cell.mean if (cell := cells[r, c]) else None for r in rows for c in columns],
        "stderr": [_error(cell) if (cell := cells[r, c]) else None for r in rows for c in columns],
    }
    yield Picture("heat_map", figure, table)


def learning_curves(candidates: Sequence[Candidate]) -> Iterator[Picture]:
    """What all recorded on validation, or in training, against the epoch; over seeds the mean and its spread."""
    if len(candidates) > MOST_CURVES:
        raise NotApplicable(f"{len(candidates)} curves are more than {MOST_CURVES} colours tell apart")
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


def _error(estimate: OverSeeds) -> float:
    """Over seeds where there are several, else of the finite number of samples; 0 where neither is known."""
    return (estimate.stderr if estimate.stderr is not None else estimate.sampling) or 0.0


def _bars(content: StudyFile) -> str:
    if content.folds:
        return "bars are the standard error of the mean over folds that share training samples"
    if len(content.seeds) > 1:
        return f"bars are the standard error of the mean over {len(content.seeds)} seeds"
    return "one seed; bars are the sampling error"


def _values(content: StudyFile, key: str) -> list[Any]:
    return list(content.grid[key].values())


def _numeric(content: StudyFile, key: str) -> bool:
    """Whether the values of a key are numbers without names: they have places on an axis."""
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and label == flow(value)
        for label, value in content.grid[key].items()
    )


def _position(content: StudyFile, key: str, point: Point, labels: Sequence[str]) -> float:
    label = point.labels[key]
    return content.grid[key][label] if _numeric(content, key) else labels.index(label)


def _parameter_axis(axes: Axes, content: StudyFile, key: str, labels: Sequence[str]) -> None:
    if not _numeric(content, key):
        ticks = _ticks(content, key)
        axes.set_xticks(range(len(labels)), ticks)
        if sum(map(len, ticks)) > MOST_LETTERS:
            axes.tick_params(axis="x", labelrotation=25)
            for tick in axes.get_xticklabels():
                tick.set(horizontalalignment="right", rotation_mode="anchor")
        axes.margins(x=0.1)
        return
    values = [float(value) for value in _values(content, key)]
    if min(values) > 0 and max(values) / min(values) >= 10**DECADES:
        axes.set_xscale("log")
        if len(values) <= 10:
            axes.set_xticks(values, _ticks(content, key))
            axes.minorticks_off()


def _ticks(content: StudyFile, key: str) -> list[str]:
    """The values of a key: numbers with three digits, or with all where these do not tell them apart."""
    if _numeric(content, key):
        short = [_digits(value) for value in _values(content, key)]
        return short if len(set(short)) == len(short) else [f"{value:g}" for value in _values(content, key)]
    return [theme.short(label, MOST_LABELS) for label in content.grid[key]]


def _digits(value: float) -> str:
    """A number with three digits; a whole one of up to six is written out."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e6 else f"{value:.3g}"


def _called(content: StudyFile, key: str, label: str) -> str:
    """A value as a line is called by it: its name if it has one, else the key and the value."""
    return f"{_last(key)} {label}" if label == flow(content.grid[key][label]) else label


def _last(key: str) -> str:
    return key.rpartition(".")[2] if not key.rpartition(".")[2].isdecimal() else key


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
