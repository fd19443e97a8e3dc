"""Learning curves, phase by phase."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlphys.io import history
from mlphys.report import chart
from mlphys.report.chart import Chart, Line
from mlphys.report.html import Html, element, joined
from mlphys.report.page import Section
from mlphys.runs.run import Run

VALIDATION = "validation_"
MOST_CHARTS = 12


def section(run: Run) -> Section | None:
    rows = run.history
    if len(rows) < 2:
        return None
    shown = charts(rows)
    drawn: list[Html] = [chart.figure(each, f"curve{i}") for i, each in enumerate(shown)]
    seconds = sum(float(row.get("seconds") or 0) for row in rows)
    words = f"{len(rows):,} epochs in {seconds:.3g} s. {_ended(run.status)}"
    body = joined(element("p", words), element("div", drawn, class_="charts"))
    return Section("training", "Training", body, {f"curve{i}": each.data() for i, each in enumerate(shown)})


def charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """A chart for each quantity of each phase, training beside validation."""
    charts: list[Chart] = []
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    for phase in phases:
        own = [row for row in rows if row["phase"] == phase]
        own = [own[i] for i in chart.thinned(len(own))]
        names = [name for name in history.quantities(own[0]) if not name.startswith(VALIDATION)]
        for name in names:
            pairs = [(name, "training", 0), (VALIDATION + name, "validation", 1)]
            lines = [line for column, of, colour in pairs if (line := _line(own, column, of, colour))]
            if lines:
                title = name.replace("_", " ") + (f" in phase {phase}" if len(phases) > 1 else "")
                charts.append(Chart(title, "epoch", name, lines))
    return charts[:MOST_CHARTS]


def _line(rows: Sequence[Mapping[str, Any]], column: str, name: str, colour: int) -> Line | None:
    points = [(row["epoch"], row[column]) for row in rows if _is_number(row.get(column))]
    if not points:
        return None
    x, y = zip(*points, strict=True)
    return Line(name, x, y, colour=colour)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _ended(status: Mapping[str, Any]) -> str:
    best = f"; the weights are those of epoch {status['best_epoch']}" if status["best_epoch"] else ""
    ended = {
        "early_stopping": f"Training stopped early{best}.",
        "target": f"Training reached its target{best}.",
        "epochs": f"Training went to its last epoch{best}.",
    }
    return ended.get(status["stopped"], "")
