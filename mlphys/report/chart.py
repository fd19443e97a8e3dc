"""Line charts as SVG that can be printed; with the page's script they can be hovered and zoomed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlphys.report.html import Html, element

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 12, 44
MOST_MARKS = 8  # of a logarithmic axis, at the points themselves; else at powers of ten
MOST_POINTS = 1000  # of a line; more are thinned out
LINES = 6  # colours


@dataclass(frozen=True)
class Line:
    """y against x; `low` and `high` are a band around it, or bars of errors at points that are `marked`.

    `dashed` distinguishes it from its neighbour; points that are not `joined` have no line.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    colour: int = 0
    dashed: bool = False
    marked: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis. `log_x` has a logarithmic axis."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    log_x: bool = False

    def data(self) -> dict[str, Any]:
        """What the script draws from."""
        lines = [
            {
                "name": line.name, "x": _digits(line.x), "y": _digits(line.y), "colour": line.colour % LINES,
                "low": _digits(line.low), "high": _digits(line.high), "dashed": line.dashed, "marked": line.marked,
                "joined": line.joined,
            }
            for line in self.lines
        ]  # fmt: skip
        return {"title": self.title, "x": self.x, "y": self.y, "logX": self.log_x, "lines": lines}


def thinned(count: int) -> list[int]:
    """Indices of at most MOST_POINTS + 1 of `count` points, the last one among them."""
    step = max(1, math.ceil(count / MOST_POINTS))
    return sorted({*range(0, count, step), count - 1}) if count else []


def figure(chart: Chart, key: str) -> Html:
    """The chart with its legend; `key` is its name in the page's data."""
    return element(
        "figure",
        element("figcaption", chart.title),
        _svg(chart),
        _legend(chart) if len(chart.lines) > 1 else None,
        class_="chart",
        data_chart=key,
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high, at most about so many."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [float(round(i * step, 12)) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """The powers of ten between two logarithms."""
    return [10.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]


def _svg(chart: Chart) -> Html:
    xs = [x for line in chart.lines for x in line.x]
    ys = [y for line in chart.lines for values in (line.y, line.low or (), line.high or ()) for y in values]
    logarithmic = chart.log_x and min(xs, default=0) > 0
    room = 0.03 if any(line.marked for line in chart.lines) else 0.0  # for points and bars of errors
    x0, x1 = _range([math.log10(x) for x in xs] if logarithmic else xs, room)
    y0, y1 = _range(ys, 0.05)

    def across(x: float) -> float:
        at = math.log10(x) if logarithmic else x
        return LEFT + (at - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    parts: list[Any] = []
    for y in ticks(y0, y1):
        at = round(down(y), 1)
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        parts.append(element("text", f"{y:.6g}", x=LEFT - 8, y=round(at + 4, 1), text_anchor="end"))
    counted = all(float(x).is_integer() for x in xs)
    marks = [x for x in ticks(x0, x1) if not counted or x.is_integer()]
    if logarithmic:
        marks = sorted({*xs}) if len({*xs}) <= MOST_MARKS else decades(x0, x1)
    for x in marks:
        parts.append(element("text", f"{x:.6g}", x=round(across(x), 1), y=HEIGHT - BOTTOM + 18, text_anchor="middle"))
    parts.append(element("text", chart.x, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle"))
    for line in chart.lines:
        parts += _drawn(line, across, down)
    return element(
        "svg", parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{chart.title}: {_in_words(chart)}"
    )


def _drawn(line: Line, across: Any, down: Any) -> list[Html]:
    colour, elements = f"c{line.colour % LINES}", []
    points = [f"{across(x):.1f},{down(y):.1f}" for x, y in zip(line.x, line.y, strict=True)]
    if line.low is not None and line.high is not None:
        if line.marked:
            for x, low, high in zip(line.x, line.low, line.high, strict=True):
                at = round(across(x), 1)
                ends = {"y1": round(down(low), 1), "y2": round(down(high), 1)}
                elements.append(element("line", x1=at, x2=at, **ends, class_=f"bar {colour}"))
        else:
            upper = [f"{across(x):.1f},{down(y):.1f}" for x, y in zip(line.x, line.high, strict=True)]
            lower = [f"{across(x):.1f},{down(y):.1f}" for x, y in zip(line.x, line.low, strict=True)]
            elements.append(element("polygon", points=" ".join([*upper, *lower[::-1]]), class_=f"band {colour}"))
    if line.joined:
        elements.append(
            element("polyline", points=" ".join(points), class_=f"{colour}{' dashed' if line.dashed else ''}")
        )
    if line.marked or len(points) == 1:
        for point in points:
            at, height = point.split(",")
            elements.append(element("circle", cx=at, cy=height, r=3.5, class_=f"dot {colour}"))
    return elements


def _legend(chart: Chart) -> Html:
    entries = [
        element(
            "li", element("span", class_=f"key c{line.colour % LINES}{' dashed' if line.dashed else ''}"), line.name
        )
        for line in chart.lines
    ]
    return element("ul", entries, class_="legend")


def _in_words(chart: Chart) -> str:
    ends = [f"{line.name} from {line.y[0]:.4g} to {line.y[-1]:.4g}" for line in chart.lines if line.y]
    return "; ".join(ends)


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    return low - margin * (high - low), high + margin * (high - low)


def _digits(values: Sequence[float] | None) -> list[float] | None:
    return None if values is None else [float(f"{value:.6g}") for value in values]
