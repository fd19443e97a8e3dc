"""Pages that only a server has: the list of runs, comparisons, trainings that go on, messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlphys.errors import UserError
from mlphys.io import history
from mlphys.report import chart, curves
from mlphys.report.html import Html, element, joined, table
from mlphys.report.numbers import headline, measured
from mlphys.report.page import ITS_SERVER, Section, page
from mlphys.runs.run import Run
from mlphys.studies import comparison_text
from mlphys.studies.comparison import Comparison
from mlphys.studies.run_table import Row

Rows = Sequence[Mapping[str, Any]]  # of history.csv

COLUMNS = ["run", "compare", "kind", "dataset", "state", "epochs", "main metric", "baseline", "seconds"]
HOME = element("p", element("a", "All runs", href="/"))
LATEST = 3  # quantities of the newest epoch that are shown


def runs(folder: str, rows: Sequence[Row]) -> str:
    """The list of runs with a link to the page of each, and a form that compares some."""
    if not rows:
        return message("No runs", f"{folder} has no runs; `mlphys train CONFIG` makes one.")
    form = element(
        "form",
        table(
            COLUMNS, [_row(each) for each in rows], caption="the newest first; ± is the standard error", class_="runs"
        ),
        element("p", element("button", "Compare the chosen ones", type="submit")),
        action="/compare",
        method="get",
    )
    reasons = [element("p", f"{row['title']}: {row['reason']}", class_="note") for row in rows if row.get("reason")]
    head = headline("Runs", [f"{len(rows)} runs and studies in {folder}"], None, [])
    return page("Runs", head, [Section("runs", "Runs and studies", joined(form, reasons))], ITS_SERVER)


def _row(row: Row) -> list[Any]:
    title, identifier = row["title"], row["id"]
    named = "" if row.get("value") is None else f"{row['metric']} {measured(row['value'], row.get('stderr'))}"
    chosen = element("input", type="checkbox", name="run", value=identifier, aria_label=f"compare {title}")
    baseline, seconds = row.get("baseline"), row.get("seconds")
    return [
        element("a", title, href=f"/run/{identifier}"), chosen, row.get("kind") or "", row.get("dataset") or "",
        row["state"], row.get("epochs"), named, "" if baseline is None else f"{baseline:.4g}",
        "" if seconds is None else f"{seconds:.4g}",
    ]  # fmt: skip


def comparison(comparison: Comparison) -> str:
    """The keys that differ, the metrics side by side, and what follows."""
    keys = (
        table(*comparison_text.keys_table(comparison))
        if comparison.differing
        else element("p", "Their configs are the same.")
    )
    columns, rows = comparison_text.metrics_table(comparison)
    metrics = joined(
        table(columns, [[str(cell).replace("+-", "±") for cell in row] for row in rows]),
        element("p", comparison_text.errors(comparison).replace("+-", "±"), class_="note"),
    )
    paragraphs = [element("p", each.replace("+-", "±")) for each in comparison_text.sentences(comparison)]
    names = " and ".join(candidate.name for candidate in comparison.candidates[:2])
    head = headline("Comparison", [names], None, [HOME])
    sections = [
        Section("result", "What follows", joined(paragraphs)),
        Section("metrics", "Metrics", metrics),
        Section("keys", "What differs", keys),
    ]
    return page(f"Comparison: {names}", head, sections, ITS_SERVER)


def training(run: Run, title: str, identifier: str) -> str:
    """A training that goes on: curves that grow with the events of `/events/IDENTIFIER`."""
    rows = _rows(run)
    charts = _charts(rows)
    drawn = [chart.figure(each, key) for key, each in charts.items()]
    status = element("p", _said(rows), id="watched", role="status")
    body = joined(status, element("div", drawn, class_="charts") if drawn else None)
    head = headline(run.config.name, [f"{title} is being trained"], None, [HOME])
    data = {**_data(charts), "events": f"/events/{identifier}"}
    return page(title, head, [Section("training", "Training", body, data)], ITS_SERVER)


def progress(run: Run) -> dict[str, Any]:
    """What a training that goes on has reached: `said` in words, and the data of its charts."""
    rows = _rows(run)
    return {"said": _said(rows), "charts": _data(_charts(rows))}


def _rows(run: Run) -> Rows:
    try:
        return run.history
    except UserError:  # no epoch has ended
        return []


def _said(rows: Rows) -> str:
    if not rows:
        return "The first epoch has not ended yet."
    last = rows[-1]
    values = [(name, last[name]) for name in history.quantities(last) if isinstance(last[name], float)]
    numbers = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in values[:LATEST]]
    return f"Epoch {last['epoch']} of phase {last['phase']}: {', '.join(numbers)}"


def _charts(rows: Rows) -> dict[str, chart.Chart]:
    return {f"curve{i}": each for i, each in enumerate(curves.charts(rows))} if len(rows) > 1 else {}


def _data(charts: Mapping[str, chart.Chart]) -> dict[str, Any]:
    return {key: each.data() for key, each in charts.items()}


def message(title: str, text: str) -> str:
    body: Html = joined(element("p", text), HOME)
    return page(title, headline(title, [], None, []), [Section("message", "What happened", body)], ITS_SERVER)
