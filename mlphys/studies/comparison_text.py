"""What a comparison says: sentences for people, plain data, and tables for a paper."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from mlphys.config.difference import differing_blocks
from mlphys.numerics.comparison import FEWEST_SEEDS, MOST_SIGMA, Difference, sigma
from mlphys.numerics.over_seeds import OverSeeds
from mlphys.numerics.uncertainty import rounded
from mlphys.studies.candidates import Candidate
from mlphys.studies.comparison import Comparison, Pair

SMALLEST_P = 1e-15  # smaller ones are printed as this one
FORMATS = ("text", "json", "csv", "latex", "markdown")


def sentences(comparison: Comparison) -> list[str]:
    """A sentence for each pair, and what holds for all of them."""
    lines = [_sentence(comparison, pair) for pair in comparison.pairs]
    if not comparison.candidates[0].of_study:
        lines.append("Another seed may differ: compare studies to compare the experiments.")
    counted = [pair for pair in comparison.pairs if pair.p is not None]
    if len(counted) > 1:
        lines.append(f"p are corrected for a family of {len(counted)} comparisons (Holm).")
    if any(candidate.chosen for candidate in comparison.candidates):
        lines.append(
            "These are points of a search on validation: the best of them was chosen, so its lead is partly luck."
        )
    return lines


def _sentence(comparison: Comparison, pair: Pair) -> str:
    if pair.mcnemar and comparison.metric == "accuracy":
        return _classifiers(pair)
    difference = pair.difference
    between = (
        f"{comparison.metric} of {pair.first.name} is {_amount(comparison.metric, difference.value, difference.stderr)}"
    )
    if not pair.first.of_study:
        return (
            f"these two trained nets: {between} than that of {pair.second.name} on the same "
            f"{comparison.samples} samples (error of the paired difference), "
            f"{significance(pair.corrected)} (paired t test)."
        )
    against = f"{between} than that of {pair.second.name} ({pair.first.count} against {pair.second.count})"
    if pair.first.in_folds:
        return f"{against}, {significance(pair.corrected)} (paired over folds that share training samples)."
    if difference.p is None or pair.new_samples is None:
        return f"{against}; fewer than {FEWEST_SEEDS} seeds: no verdict."
    return (
        f"{against}. Over seeds, these {comparison.samples} samples fixed: {significance(pair.corrected)} "
        f"(Welch, {_degrees(difference)}). "
        f"Over new samples too: +- {_error(comparison.metric, pair.new_samples.stderr)}, "
        f"{significance(pair.corrected_new)} (t, {_degrees(pair.new_samples)})."
    )


def _classifiers(pair: Pair) -> str:
    assert pair.mcnemar is not None
    more, fewer = pair.mcnemar.first_only, pair.mcnemar.second_only
    value, points = pair.difference.value, _points(abs(pair.difference.value), pair.difference.stderr)
    verdict = f"{pair.first.name} is {'better' if value > 0 else 'worse'} by" if value else "they are as good, to"
    return (
        f"these two trained nets: on {more} samples only {pair.first.name} is right, on {fewer} only "
        f"{pair.second.name}: {verdict} {points} (error of the paired difference), "
        f"{significance(pair.corrected)} (McNemar, exact)."
    )


def _degrees(difference: Difference) -> str:
    """Few of them make the tails of t long: a difference of many errors may be less significant than it seems."""
    if difference.degrees is None:
        return "degrees of freedom unknown"
    return f"{difference.degrees:.{1 if difference.degrees < 10 else 0}f} degrees of freedom"


def significance(p: float | None) -> str:
    """`p = 0.012, 2.5 sigma`; beyond what is meaningful, `p < 1e-15, > 8 sigma`."""
    if p is None:
        return "no verdict"
    deviations = sigma(p)
    return f"p {f'< {SMALLEST_P:g}' if p < SMALLEST_P else f'= {p:.2g}'}, {_sigma(deviations)}"


def _sigma(deviations: float) -> str:
    return f"> {MOST_SIGMA:g} sigma" if deviations > MOST_SIGMA else f"{deviations:.1f} sigma"


def _points(value: float, stderr: float | None) -> str:
    return f"{rounded(100 * value, None if stderr is None else 100 * stderr)} points"


def _amount(metric: str, value: float, stderr: float | None) -> str:
    amount = _points(abs(value), stderr) if metric == "accuracy" else rounded(abs(value), stderr)
    return f"{'higher' if value > 0 else 'lower'} by {amount}"


def _error(metric: str, stderr: float | None) -> str:
    if stderr is None:
        return "none"
    return f"{100 * stderr:.2g} points" if metric == "accuracy" else f"{stderr:.2g}"


def metrics_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """A row for each metric that all of them have, a column for each of them."""
    metrics = [name for name in comparison.candidates[0].config.model.MEASURED if _has(comparison, name)]
    rows = [
        [name, *(_value(candidate, comparison.split, name) for candidate in comparison.candidates)] for name in metrics
    ]
    return [comparison.split, *(candidate.name for candidate in comparison.candidates)], rows


def _has(comparison: Comparison, name: str) -> bool:
    return all(candidate.value(comparison.split, name) for candidate in comparison.candidates)


def _value(candidate: Candidate, split: str, name: str) -> str:
    value = candidate.value(split, name)
    assert value is not None
    return rounded(value.mean, value.stderr if candidate.of_study else value.sampling)


def errors(comparison: Comparison) -> str:
    """Which error the +- of the table is."""
    if not comparison.candidates[0].of_study:
        return f"+- is the sampling error, of the {comparison.samples} samples"
    what = "folds that share training samples" if comparison.candidates[0].in_folds else "seeds"
    return f"+- is the standard error of the mean over {what}: {', '.join(c.count for c in comparison.candidates)}"


def keys_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The keys in which their configs differ, with a layer or an optimizer that is another one in one row."""
    blocks = differing_blocks([candidate.config for candidate in comparison.candidates])
    rows = [[key, *(value or "-" for value in values)] for key, values in blocks.items()]
    return ["key", *(candidate.name for candidate in comparison.candidates)], rows


def pairs_table(comparison: Comparison) -> tuple[list[str], list[list[Any]]]:
    """A row for each pair, numbers with all their digits."""
    columns = [
        "first", "second", "split", "metric", "difference", "stderr", "p", "p_corrected", "sigma", "first_only",
        "second_only", "stderr_new_samples", "p_new_samples", "p_new_samples_corrected",
    ]  # fmt: skip
    return columns, [[_plain(comparison, pair)[column] for column in columns] for pair in comparison.pairs]


def _plain(comparison: Comparison, pair: Pair) -> dict[str, Any]:
    new, exact = pair.new_samples, pair.mcnemar
    return {
        "first": pair.first.name, "second": pair.second.name, "split": comparison.split, "metric": comparison.metric,
        "difference": pair.difference.value, "stderr": pair.difference.stderr, "p": pair.p,
        "p_corrected": pair.corrected, "sigma": None if pair.p is None else _finite(sigma(pair.p)),
        "first_only": exact.first_only if exact else None, "second_only": exact.second_only if exact else None,
        "stderr_new_samples": new.stderr if new else None, "p_new_samples": new.p if new else None,
        "p_new_samples_corrected": pair.corrected_new,
    }  # fmt: skip


def _finite(deviations: float) -> float | None:
    return deviations if math.isfinite(deviations) else None


def as_json(comparison: Comparison) -> dict[str, Any]:
    """All of it as plain data; `sigma` is null where p is 0."""
    metrics = [name for name in comparison.candidates[0].config.model.MEASURED if _has(comparison, name)]
    return {
        "split": comparison.split,
        "samples": comparison.samples,
        "metric": comparison.metric,
        "candidates": [
            {
                "name": candidate.name,
                "runs": [str(run.path) for run in candidate.runs],
                "values": {name: _numbers(candidate.value(comparison.split, name)) for name in metrics},
            }
            for candidate in comparison.candidates
        ],
        "differing": comparison.differing,
        "comparisons": [_plain(comparison, pair) for pair in comparison.pairs],
        "sentences": sentences(comparison),
    }


def _numbers(value: OverSeeds | None) -> dict[str, Any]:
    assert value is not None
    return {key: getattr(value, key) for key in ("n", "mean", "stdev", "stderr", "sampling")}


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def as_markdown(comparison: Comparison) -> str:
    """The table of metrics, then the sentences."""
    columns, rows = metrics_table(comparison)
    lines = [_row(columns), "|".join(["", *["---"] * len(columns), ""]), *(_row(row) for row in rows)]
    notes = [errors(comparison), "", *(f"- {sentence}" for sentence in sentences(comparison))]
    return "\n".join([*lines, "", *(note.replace("+-", "±") for note in notes)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('+-', '±') for cell in cells)} |"


LATEX = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$",
}  # fmt: skip


def as_latex(comparison: Comparison) -> str:
    """A tabular of the metrics, then the sentences as comments."""
    columns, rows = metrics_table(comparison)
    body = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in [columns, *rows]]
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", r"\hline", body[0], r"\hline", *body[1:], r"\hline"]
    comments = [f"% {line}" for line in [errors(comparison), *sentences(comparison)]]
    return "\n".join([*lines, r"\end{tabular}", *comments])


def _latex(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text).replace("+-", r"$\pm$")
