"""The points of a study's grid: members that differ in seed and fold only, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlphys.errors import NotApplicable
from mlphys.numerics.over_seeds import OverSeeds, over_folds, over_seeds
from mlphys.studies.study_file import MemberRecord, StudyFile

LOWER_IS_BETTER = ("loss", "mse")


@dataclass(frozen=True)
class Point:
    """Members of the same values of the grid, by the labels of those."""

    labels: Mapping[str, str]
    records: tuple[MemberRecord, ...]

    def metric(self, split: str, name: str) -> OverSeeds | None:
        """Of the members that have it; None where none has. Of folds, after the mean over the seeds of each."""
        by_fold: dict[Any, list[tuple[float, float | None]]] = {}
        for record in self.records:
            metrics = record.metrics.get(split, {}) if record.state == "done" else {}
            if (value := metrics.get(name)) is not None:
                fold = record.overrides.get("data.fold")
                by_fold.setdefault(fold, []).append((value, metrics.get(f"{name}_stderr")))
        estimates = [over_seeds(*zip(*pairs, strict=True)) for pairs in by_fold.values()]
        if not estimates:
            return None
        if None in by_fold:
            return estimates[0]
        return over_folds([fold.mean for fold in estimates], [fold.sampling for fold in estimates])


def points(content: StudyFile) -> list[Point]:
    """In the order of the grid."""
    groups: dict[tuple[tuple[str, str], ...], list[MemberRecord]] = {}
    for record in content.members:
        groups.setdefault(tuple(record.labels.items()), []).append(record)
    return [Point(dict(labels), tuple(records)) for labels, records in groups.items()]


def main_metric(content: StudyFile) -> tuple[str, str] | None:
    """The split and the name of the number that members are compared by; None where nothing is measured."""
    for split in dict.fromkeys((content.evaluated, "validation", "train")):
        for record in content.members:
            metrics = record.metrics.get(split, {}) if record.state == "done" else {}
            name = next((name for name in metrics if f"{name}_stderr" in metrics), None)
            if name:
                return split, name
    return None


def measured_metric(content: StudyFile) -> tuple[str, str]:
    """The `main_metric`. Raises NotApplicable where nothing is measured."""
    metric = main_metric(content)
    if metric is None:
        raise NotApplicable("no member was measured")
    return metric


def best(content: StudyFile) -> Point | None:
    """The point with the best mean on validation; None where fewer than two were measured."""
    metric = main_metric(content)
    if metric is None:
        return None
    _, name = metric
    measured = [(point, estimate) for point in points(content) if (estimate := point.metric("validation", name))]
    if len(measured) < 2:
        return None
    sign = -1.0 if name.endswith(LOWER_IS_BETTER) else 1.0
    return max(measured, key=lambda pair: sign * pair[1].mean)[0]
