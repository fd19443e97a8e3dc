"""Pictures of a search: the metric of its trials against each key, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.picture import Picture
from mlphys.studies.points import LOWER_IS_BETTER, measured_metric
from mlphys.studies.study_file import MemberRecord, SearchFacts, StudyFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_KEYS = 12
ACROSS = 3
MARGIN = 0.08  # above and below the points
MOST_LABELS = 14  # characters under an axis
FAR = 3  # distances between the quartiles: a trial that is so much worse than most is drawn at the edge
LOST = ("pruned", "diverged", "failed")


def against_keys(title: str, content: StudyFile) -> Iterator[Picture]:
    """A panel for each key: the metric of each trial against its value; the chosen trial stands out."""
    split, name, facts = *measured_metric(content), _facts(content)
    done = _done(content, split, name)
    if len(facts.keys) > MOST_KEYS:
        raise NotApplicable(f"{len(facts.keys)} keys are more than {MOST_KEYS} panels")
    best = (min if name.endswith(LOWER_IS_BETTER) else max)(done, key=lambda row: row[1])
    columns = min(ACROSS, len(facts.keys))
    rows = math.ceil(len(facts.keys) / columns)
    near = _near([value for _, value, _ in done], name)
    note = "a point for each trial that was trained to its end; filled: the best" + _beyond(near)
    figure = theme.figure(max(7.5, 4.6 * columns), 4.6 * rows, f"{title}: {split} {name}", note)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for key, axes in zip(facts.keys, panels.ravel(), strict=False):
        at = [_position(facts, key, record) for record, _, _ in done]
        _points(axes, at, done, near, name, {"mfc": "white", "capsize": 3})
        axes.plot(_position(facts, key, best[0]), best[1], color=theme.LINES[1], marker="o", markersize=9, zorder=3)
        _axis(axes, facts, key)
    for axes in panels.ravel()[len(facts.keys) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel(f"{split} {name}".replace("_", " "))
    table: dict[str, list[Any]] = {"trial": [record.number for record, _, _ in done]}
    table |= {key: [record.labels[key] for record, _, _ in done] for key in facts.keys}
    table |= {name: [value for _, value, _ in done], "stderr": [error for _, _, error in done]}
    yield Picture("metric_against_keys", figure, table)


def best_so_far(title: str, content: StudyFile) -> Iterator[Picture]:
    """The metric of each trial in its order, the best up to each, and those that ended early."""
    split, name = measured_metric(content)
    done = _done(content, split, name)
    at, values = [record.number for record, _, _ in done], [value for _, value, _ in done]
    near, last = _near(values, name), max(record.number for record in content.members if record.ended)
    running = (np.minimum if name.endswith(LOWER_IS_BETTER) else np.maximum).accumulate(values)
    lost = {state: [record.number for record in content.members if record.state == state] for state in LOST}
    figure = theme.figure(8.5, 5.2, f"{title}: {split} {name}", "bars are the sampling error" + _beyond(near))
    axes = figure.subplots()
    _points(axes, at, done, near, name, {"label": "trial", "capsize": 4})
    until, best = [*at, last], [*running, running[-1]]
    axes.step(until, best, where="post", color=theme.LINES[1], label="best so far")
    for (state, numbers), mark in zip(lost.items(), "vxx", strict=True):
        if numbers:
            axes.plot(
                numbers, [-0.03] * len(numbers), mark, color=theme.GREY, label=f"{state} (no value)", clip_on=False,
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
    axes.tick_params(axis="x", pad=12)
    axes.locator_params(axis="x", integer=True)
    axes.set(xlabel="trial", ylabel=f"{split} {name}".replace("_", " "))
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.01), ncols=4, fontsize=12.5)
    ended = [record for record in content.members if record.ended]
    measured = {record.number: (value, float(best)) for (record, value, _), best in zip(done, running, strict=True)}
    table: dict[str, list[Any]] = {
        "trial": [record.number for record in ended],
        "state": [record.state for record in ended],
        name: [measured.get(record.number, (math.nan, math.nan))[0] for record in ended],
        "best": [measured.get(record.number, (math.nan, math.nan))[1] for record in ended],
    }
    yield Picture("best_so_far", figure, table)


def _near(values: Sequence[float], name: str) -> np.ndarray:
    """Which trials are not much worse than most: one that did not learn would leave no room for the others."""
    first, third = np.quantile(values, (0.25, 0.75))
    room = FAR * (third - first)
    if not room:
        return np.ones(len(values), bool)
    lower_is_better = name.endswith(LOWER_IS_BETTER)
    return np.array([value <= third + room if lower_is_better else value >= first - room for value in values])


def _beyond(near: np.ndarray) -> str:
    return "" if near.all() else f"; blue triangles: {(~near).sum()} of {len(near)} trials, beyond the edge"


def _points(
    axes: Axes, at: Sequence[float], done: Sequence[tuple[MemberRecord, float, float]], near: np.ndarray, name: str,
    more: dict[str, Any],
) -> None:  # fmt: skip
    """The trials with their errors, those far from most as triangles at the edge."""
    drawn = [(x, value, error) for x, (_, value, error), is_near in zip(at, done, near, strict=True) if is_near]
    style = {"color": theme.LINES[0], "marker": "o", "linestyle": "none", **more}
    axes.errorbar([x for x, _, _ in drawn], [value for _, value, _ in drawn], [error for _, _, error in drawn], **style)
    low, high = min(value - error for _, value, error in drawn), max(value + error for _, value, error in drawn)
    margin = MARGIN * (high - low or 1.0)
    axes.set_ylim(low - margin, high + margin)
    place, mark = (0.97, "^") if name.endswith(LOWER_IS_BETTER) else (0.03, "v")
    far = [x for x, is_near in zip(at, near, strict=True) if not is_near]
    axes.plot(far, [place] * len(far), mark, color=theme.LINES[0], markersize=8, transform=axes.get_xaxis_transform())


def _done(content: StudyFile, split: str, name: str) -> list[tuple[MemberRecord, float, float]]:
    """The trials that were measured, each with the metric and its sampling error."""
    trials = [(record, record.metrics.get(split, {})) for record in content.members if record.state == "done"]
    return [
        (record, float(value), float(metrics.get(f"{name}_stderr") or 0.0))
        for record, metrics in trials
        if (value := metrics.get(name)) is not None
    ]


def _position(facts: SearchFacts, key: str, record: MemberRecord) -> float:
    if key in facts.ranges:
        return float(record.overrides[key])
    return list(facts.choices[key]).index(record.labels[key])


def _axis(axes: Axes, facts: SearchFacts, key: str) -> None:
    last = key.rpartition(".")[2]
    axes.set_xlabel((key if last.isdecimal() else last).replace("_", " "))
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
    if key in facts.choices:
        labels = list(facts.choices[key])
        axes.set_xticks(range(len(labels)), [theme.short(label, MOST_LABELS) for label in labels])
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif facts.ranges[key].log:
        axes.set_xscale("log")
        axes.set_xlim(axes.get_xlim())
        log_axis.label(axes.xaxis)
    else:
        axes.locator_params(axis="x", integer=facts.ranges[key].whole)


def _facts(content: StudyFile) -> SearchFacts:
    assert content.search
    return content.search
