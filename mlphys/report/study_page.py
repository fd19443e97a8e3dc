"""The page of a study: its members together, each point of its grid, curves with bands."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlphys.errors import UserError
from mlphys.numerics.comparison import FEWEST_SEEDS
from mlphys.numerics.over_seeds import OverSeeds
from mlphys.report import chart
from mlphys.report.chart import Chart, Line
from mlphys.report.html import Html, element, joined, table
from mlphys.report.numbers import headline, measured
from mlphys.report.page import Section, page
from mlphys.report.provenance import with_code
from mlphys.runs.run import Run
from mlphys.schema.document import dump, flow
from mlphys.studies.points import Point, best, main_metric, points
from mlphys.studies.study_file import Study, StudyFile

MOST_LINES = 12
CURVES = ("validation_accuracy", "validation_loss", "loss")


def written(study: Study) -> str:
    """Raises UserError where study.json cannot be read."""
    content, missing = study.read(), []

    def attempt(make: Callable[[], Section | None]) -> Section | None:
        try:
            return make()
        except UserError as error:
            missing.append(str(error))
            return None

    metric = main_metric(content)
    makers: list[Callable[[], Section | None]] = [
        lambda: _points(content, metric) if metric else None,
        lambda: _against(content, metric) if metric else None,
        lambda: _searched(content, metric) if metric else None,
        lambda: _curves(study, content),
        lambda: _members(content),
        lambda: Section("experiment", "The experiment", _config(content)),
        lambda: _environment(study, content),
        lambda: _unsure(study, content),
    ]
    sections = [section for make in makers if (section := attempt(make))]
    if missing:
        body = element("ul", [element("li", with_code(each)) for each in missing])
        sections.append(Section("missing", "What is missing", body))
    title = f"{study.path.resolve().parent.name}/{study.path.resolve().name}"
    done = sum(record.state == "done" for record in content.members)
    subtitle = [f"study of {content.total} runs, {done} of them done"]
    return page(title, headline(content.name, subtitle, None, _head(content, metric)), sections)


def _head(content: StudyFile, metric: tuple[str, str] | None) -> list[Html]:
    """The mean of the only point, or the best point of a grid."""
    if metric is None:
        return [element("p", "Nothing is measured yet.")]
    split, name = metric
    all_points, chosen = points(content), best(content)
    point = all_points[0] if len(all_points) == 1 else chosen
    summary = point.metric(split, name) if point else None
    if point is None or summary is None:
        return []
    what = f"{split} {name.replace('_', ' ')}"
    if summary.n > 1:
        what += f", mean over {summary.n} {'folds' if content.folds else 'seeds'}"
    where = ", ".join(f"{key} {label}" for key, label in point.labels.items())
    of = f" of the best point, chosen on validation: {where}" if len(all_points) > 1 else ""
    shown = [
        element("p", f"{what}{of}", class_="what"),
        element("p", measured(summary.mean, _error(summary)), class_="value"),
    ]
    return [element("div", shown, class_="main-number")]


def _error(summary: OverSeeds) -> float | None:
    return summary.stderr if summary.stderr is not None else summary.sampling


def _points(content: StudyFile, metric: tuple[str, str]) -> Section:
    split, name = metric
    rows = []
    for point in points(content):
        summary = point.metric(split, name)
        lost = sum(record.state in ("diverged", "failed") for record in point.records)
        label = ", ".join(point.labels.values()) or "all"
        cells = ["–"] * 3
        if summary:
            spread, sampling = (
                f"{each:.2g}" if each is not None else "–" for each in (summary.stdev, summary.sampling)
            )
            cells = [measured(summary.mean, _error(summary)), spread, sampling]
        rows.append([label, summary.n if summary else 0, *cells, lost])
    keys = ", ".join(content.search.keys if content.search else content.grid) or "point"
    columns = [keys, "n", f"{split} {name.replace('_', ' ')}", "s over seeds", "sampling", "lost"]
    what = "folds" if content.folds else "seeds"
    note = (
        f"± is the standard error of the mean over {what}, for a single member the sampling error; s is the standard "
        f"deviation over {what}; sampling is what the finite number of samples leaves; lost members diverged or failed."
    )
    return Section("points", "Results", joined(table(columns, rows), element("p", note, class_="note")))


def _against(content: StudyFile, metric: tuple[str, str]) -> Section | None:
    """The metric against the numeric key with the most values; a line for each value of the others."""
    numeric = [key for key, values in content.grid.items() if all(_is_number(value) for value in values.values())]
    numeric = [key for key in numeric if len(content.grid[key]) > 1]
    if not numeric:
        return None
    along = max(numeric, key=lambda key: len(content.grid[key]))
    lines: dict[str, list[tuple[float, OverSeeds]]] = {}
    for point in points(content):
        if summary := point.metric(*metric):
            others = ", ".join(f"{key} {label}" for key, label in point.labels.items() if key != along)
            lines.setdefault(others, []).append((float(content.grid[along][point.labels[along]]), summary))
    if not lines:
        return None
    xs = [x for row in lines.values() for x, _ in row]
    drawn = [
        _error_bars(name or metric[1], sorted(row, key=lambda pair: pair[0]), i)
        for i, (name, row) in enumerate(lines.items())
    ]
    logarithmic = min(xs) > 0 and max(xs) / min(xs) >= 30
    plot = Chart(
        f"{' '.join(metric).replace('_', ' ')} against {along}", along, metric[1], drawn[:MOST_LINES], logarithmic
    )
    return Section("parameter", f"Against {along}", chart.figure(plot, "parameter"), {"parameter": plot.data()})


def _searched(content: StudyFile, metric: tuple[str, str]) -> Section | None:
    """Of a search the metric of each member against every number that it varies."""
    split, name = metric
    charts = []
    for key, searched in content.search.ranges.items() if content.search else ():
        measurements: list[tuple[float, float, float]] = []
        for record in content.members:
            varied, numbers = record.overrides.get(key), record.metrics.get(split, {})
            value, error = numbers.get(name), numbers.get(f"{name}_stderr")
            if isinstance(varied, int | float) and value is not None:
                measurements.append((float(varied), float(value), float(error or 0)))
        if measurements:
            x, y, errors = ([each[i] for each in sorted(measurements)] for i in range(3))
            low, high = ([a + sign * b for a, b in zip(y, errors, strict=True)] for sign in (-1, 1))
            line = Line("members", x, y, low, high, marked=True, joined=False)
            charts.append(Chart(f"{split} {name.replace('_', ' ')} against {key}", key, name, [line], searched.log))
    if not charts:
        return None
    drawn = [chart.figure(each, f"search{i}") for i, each in enumerate(charts)]
    data = {f"search{i}": each.data() for i, each in enumerate(charts)}
    return Section("search", "The search", element("div", drawn, class_="charts"), data)


def _error_bars(name: str, row: Sequence[tuple[float, OverSeeds]], colour: int) -> Line:
    errors = [_error(summary) or 0.0 for _, summary in row]
    means = [summary.mean for _, summary in row]
    low = [mean - error for mean, error in zip(means, errors, strict=True)]
    high = [mean + error for mean, error in zip(means, errors, strict=True)]
    return Line(name, [x for x, _ in row], means, low, high, colour, marked=True)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _curves(study: Study, content: StudyFile) -> Section | None:
    """Learning curves of each point: the mean over its members with a band of one standard deviation."""
    histories: list[tuple[str, list[list[dict[str, object]]]]] = []
    for point in points(content)[:MOST_LINES]:
        rows = [_history(study, record.number) for record in point.records if record.state == "done"]
        if rows := [each for each in rows if len(each) > 1]:
            histories.append((_named(point), rows))
    charts = [plot for column in CURVES if (plot := _chart(column, histories))][:2]
    if not charts:
        return None
    drawn = [chart.figure(each, f"curve{i}") for i, each in enumerate(charts)]
    note = element(
        "p", "Lines are means over the members, as long as all of them trained; bands are one standard deviation."
    )
    body = joined(element("div", drawn, class_="charts"), note)
    return Section("training", "Training", body, {f"curve{i}": each.data() for i, each in enumerate(charts)})


def _named(point: Point) -> str:
    return ", ".join(f"{key.rpartition('.')[2]} {label}" for key, label in point.labels.items()) or "all members"


def _history(study: Study, number: int) -> list[dict[str, object]]:
    with contextlib.suppress(UserError):
        return Run(study.run_path(number)).history
    return []


def _chart(column: str, histories: Sequence[tuple[str, list[list[dict[str, object]]]]]) -> Chart | None:
    lines = []
    for colour, (name, each) in enumerate(histories):
        last = min(len(rows) for rows in each)
        values = np.array([[rows[i].get(column) for i in range(last)] for rows in each], dtype=np.float64)
        if not np.isfinite(values).all():
            continue
        thinned = chart.thinned(last)
        mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else None
        band = (mean - spread, mean + spread) if spread is not None else (None, None)
        low, high = (None if part is None else part[thinned].tolist() for part in band)
        epochs = [i + 1 for i in thinned]
        lines.append(Line(name, epochs, mean[thinned].tolist(), low, high, colour, dashed=colour >= chart.LINES))
    return Chart(column.replace("_", " "), "epoch", column, lines) if lines else None


def _members(content: StudyFile) -> Section:
    keys = list(dict.fromkeys(key for record in content.members for key in record.overrides))
    metric = main_metric(content)
    rows = []
    for record in content.members:
        values = [record.labels.get(key) or flow(record.overrides.get(key)) for key in keys]
        numbers = record.metrics.get(metric[0], {}) if metric else {}
        value = numbers.get(metric[1]) if metric else None
        shown = measured(value, numbers.get(f"{metric[1]}_stderr")) if metric and value is not None else "–"
        rows.append([str(record.number), *values, record.state, record.epochs or 0, shown, record.reason or ""])
    columns = ["member", *keys, "state", "epochs", " ".join(metric) if metric else "metric", "reason"]
    return Section("members", "Members", table(columns, rows))


def _config(content: StudyFile) -> Html:
    grid = {key: list(values.values()) for key, values in content.grid.items()}
    search = content.search.model_dump() if content.search else None
    varied = {"grid": grid, "search": search, "seeds": content.seeds, "folds": content.folds}
    return joined(
        element("p", "What varies:"),
        element(
            "pre", element("code", dump({key: value for key, value in varied.items() if value}).rstrip()), tabindex="0"
        ),
        element("p", "What all members share:"),
        element("pre", element("code", dump(content.config).rstrip()), tabindex="0"),
    )


def _environment(study: Study, content: StudyFile) -> Section:
    environment = next((record.environment for record in content.members if record.environment), None) or {}
    packages = environment.get("packages")
    versions = (
        ", ".join(f"{name} {version}" for name, version in packages.items()) if isinstance(packages, dict) else ""
    )
    rows: list[list[Any]] = [
        ["command", element("code", content.command)],
        ["mlphys", content.mlphys],
        ["executor", f"{content.executor.name}, {content.executor.workers} at once, {content.threads} threads each"],
        ["packages", versions],
        ["cpu", str(environment.get("cpu", ""))],
    ]
    return Section("environment", "Environment", table(["what", "of this study"], rows, class_="facts"))


def _unsure(study: Study, content: StudyFile) -> Section | None:
    caveats = []
    seeds = len(content.seeds)
    if not content.folds and seeds < 2:
        caveats.append("It is one seed a point: another one may give other numbers.")
    elif not content.folds and seeds < FEWEST_SEEDS:
        caveats.append(f"Fewer than {FEWEST_SEEDS} seeds give no verdict.")
    if content.chooses:
        caveats.append(
            "The best point was chosen on the validation samples that its number is of, which makes it look better; "
            "evaluate the chosen member on test."
        )
    elif content.grid and content.evaluated == "test":
        caveats.append("All members were measured on test: nothing may be chosen by these numbers.")
    open_ = content.total - sum(record.ended for record in content.members)
    if open_:
        caveats.append(f"{open_} members are not trained; `mlphys resume {study.path}` trains them.")
    if not caveats:
        return None
    return Section(
        "unsure", "What this page is not sure of", element("ul", [element("li", with_code(each)) for each in caveats])
    )
