"""The table of runs, and the bar while they are read."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlphys.numerics.uncertainty import rounded
from mlphys.schema.document import flow
from mlphys.show.table import table

FEW = 100  # runs that are read in a moment


def runs(found: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """A line for each run or study; of damaged ones the reason below."""
    if not found:
        return "no runs"
    usual = ["run", "kind", "dataset", "state", "epochs", "metric", "baseline", "seconds"]
    if columns:
        rows = [[_short_value(row.get(column)) for column in columns] for row in found]
    else:
        rows = [[_metric(row) if name == "metric" else _short_value(row.get(name)) for name in usual] for row in found]
    reasons = [f"{row['run']}: {row['reason']}" for row in found if row.get("reason")]
    return "\n".join([table(columns or usual, rows), *reasons])


def _metric(row: Mapping[str, Any]) -> str:
    return f"{row['metric']} {rounded(row['value'], row.get('stderr'))}" if row.get("value") is not None else ""


def _short_value(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is int:  # `flow` would take a second for some thousands
        return str(value)
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else flow(value)


@contextlib.contextmanager
def reading() -> Iterator[Any]:
    """A bar on a terminal while many runs are read for the first time."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading runs", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=total > FEW)
