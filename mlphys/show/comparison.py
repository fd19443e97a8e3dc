"""A comparison of runs or studies, as text."""

from __future__ import annotations

from mlphys.show.table import table
from mlphys.studies import comparison_text
from mlphys.studies.comparison import Comparison


def compared(found: Comparison) -> str:
    """The keys that differ, the metrics side by side, and what follows."""
    parts = [table(*comparison_text.keys_table(found))] if found.differing else ["their configs differ in nothing"]
    parts += [table(*comparison_text.metrics_table(found)), comparison_text.errors(found)]
    return "\n\n".join([*parts, *comparison_text.sentences(found)])
