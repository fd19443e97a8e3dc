"""A picture of several runs or studies on shifted and noisy samples: the metric of each against the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.numerics.over_seeds import over_seeds
from mlphys.plots.accuracy_against import AMOUNTS, CHANGES, how_changed
from mlphys.studies.candidates import Candidate


def against_changes(candidates: Sequence[Candidate]) -> Iterator[Picture]:
    """The curves of `mlphys evaluate --shift --noise`, one for each candidate; of several seeds their mean.

    Nothing where no run was measured so. Raises NotApplicable where some were, and others were not or differently.
    """
    measured = {name: [[run.robustness(name) for run in one.runs] for one in candidates] for name in CHANGES}
    by_change = {name: curves for name, each in measured.items() if (curves := _of_all(name, each, candidates))}
    if not by_change:
        return
    if len(candidates) > len(theme.LINES):
        raise NotApplicable(f"{len(candidates)} curves are more than {len(theme.LINES)} colours tell apart")
    metric, several = next(iter(by_change.values()))[0][0]["metric"], any(len(one.runs) > 1 for one in candidates)
    splits = _named({name: curves[0][0]["split"] for name, curves in by_change.items()})
    caption = f"{splits}; {how_changed(by_change)}; bands are "
    caption += "the standard error of the mean over seeds" if several else "one standard error"
    width = max(6 * len(by_change), 7.5)
    figure, panels = theme.row(len(by_change), width, 5.6, f"{metric} of changed samples", caption, sharey=True)
    table: dict[str, list[Any]] = {"of": [], "changed_by": [], "amount": [], "n": [], metric: [], "stderr": []}
    for (name, of_each), axes in zip(by_change.items(), panels, strict=True):
        for candidate, own, colour in zip(candidates, of_each, theme.LINES, strict=False):
            means, errors = _over_seeds(own, metric)
            axes.plot(own[0][name], means, color=colour, marker="o", markersize=5, label=candidate.name)
            axes.fill_between(own[0][name], means - errors, means + errors, color=colour, alpha=0.25, linewidth=0)
            for row in zip(own[0][name], means.tolist(), errors.tolist(), strict=True):
                for column, value in zip(table, (candidate.name, name, row[0], len(own), *row[1:]), strict=True):
                    table[column].append(value)
        axes.set(xlabel=AMOUNTS[name], ylim=(0, 1.02) if metric == "accuracy" else (0, None))
        axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
    panels[0].set_ylabel(metric)
    panels[0].legend(loc="lower left", bbox_to_anchor=(-0.01, 1.01), fontsize=12.5, ncols=1)
    yield Picture("accuracy_against", figure, table)


def _named(splits: Mapping[str, str]) -> str:
    """`test samples`, or `shift: test samples, noise: validation samples`."""
    if len(set(splits.values())) == 1:
        return f"{next(iter(splits.values()))} samples"
    return ", ".join(f"{name}: {split} samples" for name, split in splits.items())


def _of_all(
    name: str, measured: Sequence[Sequence[Mapping[str, Any] | None]], candidates: Sequence[Candidate]
) -> list[list[Mapping[str, Any]]]:
    """The curves of all runs of each candidate; empty where no run has one."""
    runs = [run for one in candidates for run in one.runs]
    curves = [curve for each in measured for curve in each]
    if all(curve is None for curve in curves):
        return []
    for run, curve in zip(runs, curves, strict=True):
        if curve is None or any(curve[key] != (curves[0] or {}).get(key) for key in ("split", "metric", name)):
            raise NotApplicable(
                f"{run.path} was not measured with the same {name} as the others; "
                f"`mlphys evaluate {run.path} --{name} ...` does"
            )
    return [[curve for curve in each if curve is not None] for each in measured]


def _over_seeds(curves: Sequence[Mapping[str, Any]], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean at each amount, and its standard error over seeds; of one run that of the finite number of samples."""
    points = [
        over_seeds([curve[metric][i] for curve in curves], [curve[f"{metric}_stderr"][i] for curve in curves])
        for i in range(len(curves[0][metric]))
    ]
    errors = [point.stderr if point.stderr is not None else point.sampling or 0.0 for point in points]
    return np.array([point.mean for point in points]), np.array(errors)
