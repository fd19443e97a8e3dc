"""A comparison of runs or studies, as text."""

from __future__ import annotations

from mlphys.show.table import table
from mlphys.studies import comparison_text
from mlphys.studies.comparison import Comparison


def compared(comparison: Comparison) -> str:
    """The keys that differ, the metrics side by side, and what follows."""
    parts = (
        [table(*comparison_text.keys_table(comparison))]
        if comparison.differing
        else ["their configs differ in nothing"]
    )
    parts += [table(*comparison_text.metrics_table(comparison)), comparison_text.errors(comparison)]
    return "\n\n".join([*parts, *comparison_text.sentences(comparison)])
