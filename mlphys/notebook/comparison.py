"""Runs or studies compared, in a notebook."""

from __future__ import annotations

import os
from typing import Any

from mlphys.notebook.html import table
from mlphys.notebook.run import Run
from mlphys.notebook.study import Study
from mlphys.report.html import Html, element, joined
from mlphys.show.comparison import compared
from mlphys.studies import comparison as comparisons
from mlphys.studies import comparison_text
from mlphys.studies.candidates import candidates

FEW = 6  # keys, all of which are shown

Compared = Run | Study | str | os.PathLike[str]


def compare(*runs: Compared, all_pairs: bool = False, metric: str | None = None) -> Comparison:
    """Each run with the first one, or `all_pairs`, on the same samples; of studies the means over their seeds.

    Takes runs, studies, their paths and names. `metric` is another than the first that the kinds of models have.
    Raises UserError for fewer than two, and for those that cannot be compared: other samples, other units, runs with
    studies.
    """
    names = [str(run.path) if isinstance(run, Run | Study) else os.fspath(run) for run in runs]
    return Comparison(comparisons.compare(candidates(names), all_pairs, metric))


class Comparison:
    """What `mlphys compare` says: printed as text, shown as tables by a notebook."""

    def __init__(self, comparison: comparisons.Comparison):
        self._found = comparison

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """Of each pair `first`, `second`, `split`, `metric`, the `difference` first minus second with its `stderr`, its
        `p`, `sigma`, and more.
        """
        columns, rows = comparison_text.pairs_table(self._found)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    @property
    def differing(self) -> dict[str, list[Any]]:
        """The keys in which the configs differ, each with the value that it has in every one."""
        return dict(self._found.differing)

    @property
    def sentences(self) -> list[str]:
        """A sentence for each pair, and what holds for all of them."""
        return comparison_text.sentences(self._found)

    def to_latex(self) -> str:
        """The tables for a paper."""
        return comparison_text.as_latex(self._found)

    def __str__(self) -> str:
        return compared(self._found)

    def __repr__(self) -> str:
        return f"<comparison: {' '.join(self.sentences)}>"

    def _repr_html_(self) -> str:
        keys = self._keys() if self._found.differing else None
        metrics = table(*comparison_text.metrics_table(self._found))
        sentences = [element("p", sentence) for sentence in (comparison_text.errors(self._found), *self.sentences)]
        return joined(keys, metrics, sentences)

    def _keys(self) -> Html:
        """The keys in which the configs differ; many of them are folded up."""
        count, shown = len(self._found.differing), table(*comparison_text.keys_table(self._found))
        return shown if count <= FEW else element("details", element("summary", f"{count} keys differ"), shown)
