"""The members of a study and what they say together, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlphys.numerics.comparison import FEWEST_SEEDS
from mlphys.numerics.uncertainty import rounded
from mlphys.schema.document import flow
from mlphys.show.table import table
from mlphys.studies.members import Member
from mlphys.studies.points import LOWER_IS_BETTER, best, main_metric, points
from mlphys.studies.study_file import SearchFacts, StudyFile

STATES = ("done", "pruned", "diverged", "failed", "running", "interrupted", "waiting")
MOST_TRIALS = 10  # of a search, in the order of what they reach


def member_table(content: StudyFile | Sequence[Member]) -> str:
    """The members of a study and what each of them changes."""
    rows = content if isinstance(content, Sequence) else [record.member for record in content.members]
    keys = list(dict.fromkeys(key for member in rows for key in member.overrides))
    return table(
        ["member", *keys],
        [[member.number, *(_varied(member, key) for key in keys)] for member in rows],
    )


def search_table(search: SearchFacts) -> str:
    """What a search varies: the ranges, and the choices."""
    rows: list[list[Any]] = []
    for key, numbers in search.ranges.items():
        kind = "whole numbers" if numbers.whole else "numbers"
        scale = "equal ratios" if numbers.log else "equal steps"
        rows.append([key, f"{kind} from {flow(numbers.first)} to {flow(numbers.last)}, by {scale}"])
    rows += [[key, f"one of {', '.join(values)}"] for key, values in search.choices.items()]
    return f"{table(['key', 'values'], rows)}\n{search.trials} trials"


def _varied(member: Member, key: str) -> str:
    return member.labels[key] if key in member.labels else flow(member.overrides[key])


def studied(path: Any, content: StudyFile) -> str:
    """What a study's members say together: each point of its grid with its mean over seeds, and what is open."""
    lines = []
    metric = main_metric(content)
    if metric:
        lines.append(_trials(content, *metric) if content.search else _points(content, *metric))
    counts = {state: sum(record.state == state for record in content.members) for state in STATES}
    states = [f"{count} {state}" for state, count in counts.items() if count]
    trials = f" of {content.total}" if content.total > len(content.members) else ""
    counted = f"{len(content.members)}{trials} {'trials' if content.search else 'members'}"
    lines.append(f"study {path}: {', '.join([counted, *states])}; the numbers are in summary.csv")
    chosen = best(content) if content.chooses else None
    if chosen:
        named = ", ".join(f"{key}={label}" for key, label in chosen.labels.items())
        record = next(record for record in chosen.records if record.state == "done")
        lines.append(f"best on validation, where it was chosen: {named}")
        lines.append(f"next: mlphys evaluate {path}/{record.directory}   (test, for the chosen one alone)")
    if counts["failed"]:
        lines.append(f"failed members are tried again by mlphys resume {path} --retry")
    if content.search and content.search.prune and counts["done"] and not any(r.curve for r in content.members):
        lines.append("no trial was pruned: this kind of model records no validation curve of the metric")
    open_ = content.total - sum(record.ended for record in content.members)
    if open_:
        lines.append(f"next: mlphys resume {path} resumes {open_}")
    return "\n".join(lines)


def _points(content: StudyFile, split: str, name: str) -> str:
    """A row per point with its mean, and below it which error +- is."""
    several = len(content.members) > len(points(content))
    columns = [*_short(list(content.grid)), "n", f"{split} {name}", *(["s", "sampling"] if several else []), "lost"]
    rows = []
    for point in points(content):
        measured = point.metric(split, name)
        lost = sum(record.state in ("diverged", "failed") for record in point.records)
        row: list[Any] = [*(point.labels[key] for key in content.grid), measured.n if measured else 0]
        if measured is None:
            row += ["none"] * (3 if several else 1)
        elif several:
            row += [rounded(measured.mean, measured.stderr)]
            row += ["none" if value is None else f"{value:.2g}" for value in (measured.stdev, measured.sampling)]
        else:
            row += [rounded(measured.mean, measured.sampling)]
        rows.append([*row, lost])
    notes = [_errors(content) if several else "+- is the sampling error, of the finite number of samples"]
    if not content.folds and len(content.seeds) < 2:
        notes.append("one seed: another one may give other numbers")
    elif not content.folds and len(content.seeds) < FEWEST_SEEDS:
        notes.append(f"fewer than {FEWEST_SEEDS} seeds: no verdict")
    return "\n".join([table(columns, rows), *notes, "lost: members that diverged or failed"])


def _trials(content: StudyFile, split: str, name: str) -> str:
    """The best trials of a search, the best first."""
    assert content.search
    done = [(record, record.metrics.get(split, {})) for record in content.members if record.state == "done"]
    sign = 1.0 if name.endswith(LOWER_IS_BETTER) else -1.0
    ranked = sorted(
        ((sign * value, r, m) for r, m in done if (value := m.get(name)) is not None), key=lambda row: row[0]
    )
    keys = content.search.keys
    rows = [
        [record.number, *(record.labels[key] for key in keys), rounded(sign * value, metrics.get(f"{name}_stderr"))]
        for value, record, metrics in ranked[:MOST_TRIALS]
    ]
    notes = ["+- is the sampling error, of the finite number of samples; the best of many is too good by luck"]
    if len(ranked) > len(rows):
        notes.append(f"the best {len(rows)} of {len(ranked)}")
    return "\n".join([table(["trial", *_short(keys), f"{split} {name}"], rows), *notes])


def _errors(content: StudyFile) -> str:
    if content.folds:
        first = "after the mean over the seeds of each, " if content.seeds else ""
        return (
            f"n folds; {first}+- is s sqrt(1/n + 1/(n - 1)), the standard error of the mean over folds that share "
            "training samples (Nadeau and Bengio 2003), s the standard deviation over folds;\n"
            "sampling is the error that the finite number of samples leaves"
        )
    return (
        "n seeds; +- is s / sqrt(n), the standard error of the mean over seeds, s the standard deviation over seeds;\n"
        "sampling is the error that the finite number of samples leaves, which are the same for all seeds"
    )


def _short(keys: Sequence[str]) -> list[str]:
    """The last parts of dotted keys, where these differ."""
    last = [key.rpartition(".")[2] for key in keys]
    return last if len(set(last)) == len(last) and not any(part.isdecimal() for part in last) else list(keys)
