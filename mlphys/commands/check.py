"""Runs compared with what their config expects, and with published numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlphys.commands.hand_ins import Provenance
from mlphys.config.difference import differing
from mlphys.config.experiment import Experiment
from mlphys.errors import UserError
from mlphys.numerics.over_seeds import OverSeeds, over_seeds
from mlphys.numerics.published import Deviation, chi_squared, deviation, sampling_variance
from mlphys.runs.run import Run
from mlphys.schema.published import Published


@dataclass(frozen=True)
class Expected:
    """A metric of a run and the range in which it should lie; `value` is None where `why` it is not measured."""

    run: Run
    metric: str
    value: float | None
    low: float
    high: float
    why: str = ""
    stderr: float | None = None  # of the samples

    @property
    def inside(self) -> bool:
        return self.value is not None and self.low <= self.value <= self.high


@dataclass(frozen=True)
class Compared:
    """A metric of runs that differ only in the seed, and its deviation from a published number."""

    runs: tuple[Run, ...]
    metric: str
    found: OverSeeds
    published: Published
    deviation: Deviation


@dataclass(frozen=True)
class Checked:
    """All rows of a check.

    `differing` are, by the path of a run, the keys that another config than its own has otherwise; `provenance` what
    of its data and versions is not that of most, `unreadable` why there is no row for it.
    """

    expected: tuple[Expected, ...]
    published: tuple[Compared, ...]
    differing: dict[str, list[str]]
    provenance: dict[str, Provenance] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def outside(self) -> list[Expected]:
        return [row for row in self.expected if not row.inside]

    def chi_squared(self) -> tuple[float, float, int] | None:
        """chi^2, its p and its degrees of freedom, of the comparable rows with a pull.

        Rows that share runs or a source count once, the first of them.
        """
        pulls: list[float] = []
        seen: set[str] = set()
        for row in self.published:
            names = {row.published.source, *(str(run.path) for run in row.runs)}
            if row.published.comparable and row.deviation.pull is not None and not names & seen:
                pulls.append(row.deviation.pull)
                seen |= names
        return (*chi_squared(pulls), len(pulls)) if pulls else None


def check(runs: Sequence[Run], against: Experiment | None = None) -> Checked:
    """Compare runs with `expect` and `published` of their own configs, or of another one."""
    rows = [row for run in runs for row in _expected(run, (against or run.config).expect)]
    comparisons = [row for group in _differing_in_seed(runs) for row in _published(group, against or group[0].config)]
    differing = {str(run.path): _changed(run, against) for run in runs} if against else {}
    return Checked(tuple(rows), tuple(comparisons), differing)


def _expected(run: Run, expect: dict[str, list[float]]) -> Iterable[Expected]:
    for key, (low, high) in expect.items():
        value, why = _measured(run, key)
        yield Expected(run, key, value, low, high, why, _measured(run, f"{key}_stderr")[0])


def _measured(run: Run, key: str) -> tuple[float | None, str]:
    """The value of `test.accuracy` or `test.per_class.3.recall`, or why there is none, with the remedy."""
    split, _, name = key.partition(".")
    metrics = run.metrics
    if split not in metrics:
        return None, f"nothing is measured on {split} yet; `mlphys evaluate {run.path} --split {split}` does"
    values = by_name(metrics[split])
    if name not in values:
        of_all = [name for name, value in metrics[split].items() if isinstance(value, int | float)]
        return None, f"expect: {key}: no such metric; {split} has {', '.join(of_all)}"
    return values[name], "" if values[name] is not None else f"expect: {key}: it has no value on {split}"


def by_name(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of a split, those of classes and targets as `per_class.3.recall`."""
    values: dict[str, float | None] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            values |= {f"{name}.{part}.{key}": number for part, facts in value.items() for key, number in facts.items()}
        else:
            values[name] = value
    return values


def _published(runs: Sequence[Run], config: Experiment) -> Iterable[Compared]:
    for key, published in config.published.items():
        split, _, name = key.partition(".")
        values = [(run, value) for run in runs if (value := _measured(run, key)[0]) is not None]
        if not values:
            continue
        measured = [run for run, _ in values]
        errors = [by_name(run.metrics[split]).get(f"{name}_stderr") for run in measured]
        stats = over_seeds([value for _, value in values], errors)
        theirs = None if isinstance(published.samples, str) else published.samples
        sampling = sampling_variance(stats.sampling, _samples(measured[0], split), theirs)
        away = deviation(stats, published.value, published.last_digit(), published.error, published.runs, sampling)
        yield Compared(tuple(measured), key, stats, published, away)


def _samples(run: Run, split: str) -> int:
    count = run.metrics[split].get("samples")
    if count is None:
        raise UserError(
            f"{run.path / 'metrics.json'}: damaged: {split} has no samples; "
            f"`mlphys evaluate {run.path} --split {split}` writes it again"
        )
    return int(count)


def _differing_in_seed(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups that differ in the seed and in nothing else; equal ones are in groups of their own."""
    groups: list[list[Run]] = []
    for run in runs:
        joined = (group for group in groups if run.config.seed not in [other.config.seed for other in group])
        group = next((group for group in joined if set(_changed(run, group[0].config)) <= {"seed"}), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    return groups


def _changed(run: Run, other: Experiment) -> list[str]:
    """The keys of a run's config that another one has otherwise, without remarks."""
    return list(differing([other, run.config]))


def require_any(checked: Checked, runs: Sequence[Run]) -> None:
    """Raise UserError for a single run that was not measured where its config expects something."""
    if len(runs) == 1 and (missing := [row for row in checked.expected if row.why]):
        raise UserError(f"{runs[0].path}: {missing[0].why}")


def as_json(checked: Checked) -> dict[str, Any]:
    """The rows as plain data."""
    total = checked.chi_squared()
    return {
        "expected": [
            {
                "run": str(row.run.path), "metric": row.metric, "value": row.value, "low": row.low, "high": row.high,
                "inside": row.inside, "stderr": row.stderr,
            }
            for row in checked.expected
        ],
        "published": [
            {
                "runs": [str(run.path) for run in row.runs], "metric": row.metric, "n": row.found.n,
                "mean": row.found.mean, "stdev": row.found.stdev, "published": row.published.value,
                "source": row.published.source, "comparable": row.published.comparable,
                "difference": row.deviation.difference, "stderr": row.deviation.stderr,
                "pull": row.deviation.pull, "equal_within_rounding": row.deviation.within_rounding,
            }
            for row in checked.published
        ],
        "chi_squared": dict(zip(("value", "p", "degrees"), total, strict=True)) if total else None,
        "differing": checked.differing,
        "other_data": {path: list(origin.splits) for path, origin in checked.provenance.items() if origin.splits},
        "other_versions": {path: origin.versions for path, origin in checked.provenance.items() if origin.versions},
        "unreadable": checked.unreadable,
    }  # fmt: skip


CSV_COLUMNS = (
    "run", "metric", "value", "stderr", "low", "high", "ok", "why", "differing", "other_data", "other_versions",
)  # fmt: skip


def as_csv(checked: Checked) -> str:
    """A line for each run and metric, and for each run that cannot be graded; lists are separated by spaces."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in checked.expected:
        path = str(row.run.path)
        origin = checked.provenance.get(path, Provenance())
        writer.writerow(
            {
                "run": path, "metric": row.metric, "value": row.value, "stderr": row.stderr, "low": row.low,
                "high": row.high, "ok": "yes" if row.inside else "no", "why": row.why,
                "differing": " ".join(checked.differing.get(path, [])), "other_data": " ".join(origin.splits),
                "other_versions": " ".join(f"{name}={theirs}" for name, (theirs, _) in origin.versions.items()),
            }
        )  # fmt: skip
    for path, why in checked.unreadable.items():
        writer.writerow({"run": path, "ok": "no", "why": why})
    return text.getvalue().rstrip("\n")
