"""The points of a study's grid: members that differ in seed and fold only, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlphys.numerics.over_seeds import OverSeeds, over_seeds
from mlphys.studies.study_file import MemberRecord, StudyFile

LOWER_IS_BETTER = ("loss", "mse")


@dataclass(frozen=True)
class Point:
    """Members of the same values of the grid, by the labels of those."""

    labels: Mapping[str, str]
    records: tuple[MemberRecord, ...]

    def metric(self, split: str, name: str) -> OverSeeds | None:
        """Of the members that have it; None where none has."""
        measured = [record.metrics.get(split, {}) for record in self.records if record.state == "done"]
        pairs = [(metrics[name], metrics.get(f"{name}_stderr")) for metrics in measured if name in metrics]
        values = [(value, error) for value, error in pairs if value is not None]
        return over_seeds([value for value, _ in values], [error for _, error in values]) if values else None


def points(content: StudyFile) -> list[Point]:
    """In the order of the grid."""
    found: dict[tuple[tuple[str, str], ...], list[MemberRecord]] = {}
    for record in content.members:
        found.setdefault(tuple(record.labels.items()), []).append(record)
    return [Point(dict(labels), tuple(records)) for labels, records in found.items()]


def main_metric(content: StudyFile) -> tuple[str, str] | None:
    """The split and the name of the number that members are compared by; None where nothing is measured."""
    for split in dict.fromkeys((content.evaluated, "validation", "train")):
        for record in content.members:
            metrics = record.metrics.get(split, {}) if record.state == "done" else {}
            name = next((name for name in metrics if f"{name}_stderr" in metrics), None)
            if name:
                return split, name
    return None


def best(content: StudyFile) -> Point | None:
    """The point with the best mean on validation; None where fewer than two were measured."""
    metric = main_metric(content)
    if metric is None:
        return None
    _, name = metric
    measured = [(point, found) for point in points(content) if (found := point.metric("validation", name))]
    if len(measured) < 2:
        return None
    sign = -1.0 if name.endswith(LOWER_IS_BETTER) else 1.0
    return max(measured, key=lambda pair: sign * pair[1].mean)[0]
