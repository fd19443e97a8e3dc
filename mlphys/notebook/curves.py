"""Learning curves as inline SVG: small, without a script, in the colours of the page around them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mlphys.figures.theme import BLUE, VERMILLION
from mlphys.report.html import Html, element, joined

WIDTH, HEIGHT = 260, 130
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 20, 20
LABEL = 56  # of a curve: the width that it takes
MOST_POINTS = 300  # of a curve: more are not seen at this width

Values = Sequence[float | None]


def panel(title: str, curves: Mapping[str, Values]) -> Html:
    """Curves against the epoch, 1 to n, from the smallest to the largest value; empty where none has two values."""
    known = [value for values in curves.values() for value in values if value is not None and math.isfinite(value)]
    length = max((len(values) for values in curves.values()), default=0)
    if length < 2 or len(known) < 2:
        return joined()
    low, high = min(known), max(known)
    axes = f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"
    lines = [
        _text(LEFT, 12, "start", title),
        _text(LEFT - 4, TOP + 8, "end", f"{high:.3g}"),
        _text(LEFT - 4, HEIGHT - BOTTOM, "end", f"{low:.3g}"),
        _text(LEFT, HEIGHT - 5, "middle", "1"),
        _text(WIDTH - RIGHT, HEIGHT - 5, "end", f"{length}"),
        element("path", d=axes, stroke="currentColor", stroke_opacity=0.4, fill="none"),
    ]
    for i, ((name, values), colour) in enumerate(zip(curves.items(), (BLUE, VERMILLION), strict=False)):
        line = _path(values, length, low, high)
        lines.append(element("path", d=line, stroke=colour, stroke_width=1.6, fill="none"))
        lines.append(_text(WIDTH - RIGHT - (len(curves) - 1 - i) * LABEL, 12, "end", name, colour))
    shape = {
        "width": WIDTH,
        "height": HEIGHT,
        "viewBox": f"0 0 {WIDTH} {HEIGHT}",
        "xmlns": "http://www.w3.org/2000/svg",
    }
    return element("svg", lines, **shape, role="img", font_size=10, font_family="sans-serif")


def _path(values: Values, length: int, low: float, high: float) -> str:
    """The way through the values; where one is missing the pen is lifted."""
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    steps, pen = [], "M"
    every = math.ceil(length / MOST_POINTS)
    for i in [*range(0, len(values) - 1, every), len(values) - 1]:
        value = values[i]
        if value is None or not math.isfinite(value):
            pen = "M"
            continue
        x = LEFT + across * i / (length - 1)
        y = TOP + down * ((high - value) / (high - low) if high > low else 0.5)
        steps.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(steps)


def _text(x: float, y: float, anchor: str, text: str, colour: str = "currentColor") -> Html:
    return element("text", text, x=x, y=y, text_anchor=anchor, fill=colour)
