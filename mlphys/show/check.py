"""Runs beside what is expected of them, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mlphys.numerics.uncertainty import rounded
from mlphys.show.table import table

MOST_KEYS = 4  # in which a config differs


def check_table(found: Any) -> str:
    """The metrics of runs beside what is expected of them, and beside published numbers."""
    parts = [
        table(
            ["run", "metric", "measured", "expected", ""],
            [
                [
                    str(row.run.path), row.metric, _measured(row),
                    f"{row.low:g} to {row.high:g}", "ok" if row.inside else row.why or "OUT OF RANGE",
                ]
                for row in found.expected
            ],
        )
    ] if found.expected else []  # fmt: skip
    if found.published:
        parts.append(_beside_published(found))
    if found.differing:
        parts.append("\n".join(_differs(path, keys) for path, keys in found.differing.items()))
    if others := [line for path, origin in found.provenance.items() for line in _others(path, origin)]:
        parts.append("\n".join(others))
    if found.unreadable:
        parts.append("\n".join(f"{path}: cannot be measured: {why}" for path, why in found.unreadable.items()))
    return "\n\n".join(parts) or "nothing is expected; add expect: {test.accuracy: [0.98, 0.99]} to the config"


def _measured(row: Any) -> str:
    if row.value is None:
        return "none"
    return f"{row.value:.4f}" if row.stderr is None else f"{row.value:.4f} +- {row.stderr:.4f}"


def _others(path: str, provenance: Any) -> Iterator[str]:
    """What of a run's data and versions is not as it should be, a line each."""
    if provenance.splits:
        yield f"{path}: OTHER DATA: its samples of {', '.join(provenance.splits)} differ (sha256)"
    if provenance.versions:
        versions = ", ".join(f"{name} {theirs}, here {ours}" for name, (theirs, ours) in provenance.versions.items())
        yield f"{path}: other versions: {versions}"


def _differs(path: str, keys: Sequence[str]) -> str:
    if not keys:
        return f"{path}: its config is the same"
    more = f" and {len(keys) - MOST_KEYS} more keys" if len(keys) > MOST_KEYS else ""
    return f"{path}: its config differs in {', '.join(keys[:MOST_KEYS])}{more}"


def _beside_published(checked: Any) -> str:
    rows = [
        [
            str(row.runs[0].path) if len(row.runs) == 1 else f"{row.runs[0].config.name}, {row.found.n} seeds",
            row.metric, rounded(row.found.mean, row.found.stderr), row.published.text(), _pull(row),
            "; ".join(text for text in (row.published.source, row.published.remark) if text),
        ]
        for row in checked.published
    ]  # fmt: skip
    lines = [table(["run", "metric", "measured", "published", "pull", "source"], rows)]
    lines.append(
        "measured: mean over seeds +- s / sqrt(n); pull: the deviation in standard deviations, from 3 seeds on"
    )
    if total := checked.chi_squared():
        lines.append(f"chi^2 of the pulls {total[0]:.2f} with {total[2]} degrees of freedom: p = {total[1]:.2g}")
    return "\n".join(lines)


def _pull(row: Any) -> str:
    if not row.published.comparable:
        return "not comparable"
    if row.deviation.pull is not None:
        return f"{row.deviation.pull:+.1f}"
    return "equal within rounding" if row.deviation.within_rounding else "differs by more than rounding"
