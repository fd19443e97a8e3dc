"""Pictures of studies, a metric against what varies, and which pictures studies and comparisons have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.figures.save import save
from mlphys.figures.style import Style
from mlphys.io import atomic
from mlphys.numerics.over_seeds import OverSeeds
from mlphys.schema.document import flow
from mlphys.studies import comparison_pictures, search_pictures
from mlphys.studies.changed_samples import against_changes
from mlphys.studies.comparison import Comparison
from mlphys.studies.points import Point, measured_metric, points
from mlphys.studies.study_file import StudyFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        lambda: comparison_pictures.learning_curves(comparison.candidates),
        lambda: comparison_pictures.disagreements(comparison),
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
