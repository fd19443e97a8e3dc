"""Comparisons of trained nets, or of experiments over seeds or folds, each with its difference and significance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlphys.config.difference import differing
from mlphys.errors import UserError
from mlphys.numerics.comparison import (
    Difference,
    McNemar,
    holm,
    mcnemar,
    over_new_samples,
    over_same_folds,
    paired,
    welch,
)
from mlphys.studies.candidates import Candidate, shared_metric, shared_split


@dataclass(frozen=True)
class Pair:
    """Two candidates. `difference` is first minus second, of nets on these samples, of experiments over seeds or folds.

    `new_samples` is the difference over seeds and over new samples too; `corrected` and `corrected_new` are their p
    after Holm's correction, equal to p for a single comparison.
    """

    first: Candidate
    second: Candidate
    difference: Difference
    mcnemar: McNemar | None = None
    new_samples: Difference | None = None
    corrected: float | None = None
    corrected_new: float | None = None

    @property
    def p(self) -> float | None:
        """McNemar's where there is one."""
        return self.mcnemar.p if self.mcnemar else self.difference.p


@dataclass(frozen=True)
class Comparison:
    """All pairs of a call, on one split and metric."""

    candidates: tuple[Candidate, ...]
    split: str
    metric: str
    samples: int
    pairs: tuple[Pair, ...]
    differing: dict[str, list[Any]]


def compare(candidates: Sequence[Candidate], all_pairs: bool = False, metric: str | None = None) -> Comparison:
    """Each of the others with the first, or all pairs. Raises UserError where they cannot be compared."""
    if len({candidate.in_folds for candidate in candidates}) > 1:
        raise UserError(f"{candidates[0].name} and others: some are in folds, some not; compare folds with folds")
    if other := next((each for each in candidates if {*each.folds} != {*candidates[0].folds}), None):
        raise UserError(f"{candidates[0].name} and {other.name}: have other folds; resume the one that is not finished")
    split = shared_split(candidates)
    name = shared_metric(candidates, split, metric)
    scores = [candidate.scores(split, name) for candidate in candidates] if not candidates[0].in_folds else []
    numbers = range(len(candidates))
    chosen = list(itertools.combinations(numbers, 2)) if all_pairs else [(0, other) for other in numbers[1:]]
    if candidates[0].in_folds:
        pairs = [_folds(candidates[i], candidates[j], split, name) for i, j in chosen]
    elif candidates[0].of_study:
        pairs = [_experiments(candidates[i], candidates[j], scores[i], scores[j]) for i, j in chosen]
    else:
        pairs = [_nets(candidates[i], candidates[j], scores[i][0], scores[j][0], name) for i, j in chosen]
    samples = candidates[0].runs[0].data["splits"][split]["samples"]
    varied = differing([candidate.config for candidate in candidates])
    return Comparison(tuple(candidates), split, name, samples, tuple(_corrected(pairs)), varied)


def _nets(first: Candidate, second: Candidate, a: np.ndarray, b: np.ndarray, metric: str) -> Pair:
    counts = metric == "accuracy" and not first.config.data.weighted()  # weighted samples are not counted
    exact = mcnemar(a, b) if counts else None
    return Pair(first, second, paired(a, b), exact)


def _experiments(first: Candidate, second: Candidate, a: np.ndarray, b: np.ndarray) -> Pair:
    means = (list(a.mean(axis=1)), list(b.mean(axis=1)))
    return Pair(first, second, welch(*means), None, over_new_samples(a, b))


def _folds(first: Candidate, second: Candidate, split: str, metric: str) -> Pair:
    a, b = (_by_fold(candidate, split, metric) for candidate in (first, second))
    return Pair(first, second, over_same_folds([a[fold] for fold in a], [b[fold] for fold in a]))


def _by_fold(candidate: Candidate, split: str, metric: str) -> dict[Any, float]:
    """The mean over the seeds of each fold."""
    values: dict[Any, list[float]] = {}
    for fold, run in zip(candidate.folds, candidate.runs, strict=True):
        values.setdefault(fold, []).append(run.metrics[split][metric])
    return {fold: float(np.mean(each)) for fold, each in values.items()}


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """With Holm's correction for the number of comparisons, of each question by itself."""
    own = _holm([pair.p for pair in pairs])
    new = _holm([pair.new_samples.p if pair.new_samples else None for pair in pairs])
    return [replace(pair, corrected=p, corrected_new=p_new) for pair, p, p_new in zip(pairs, own, new, strict=True)]


def _holm(ps: Sequence[float | None]) -> list[float | None]:
    p_values = [p for p in ps if p is not None]
    corrected = iter(holm(p_values))
    return [None if p is None else next(corrected) for p in ps]
