"""HTML that a notebook shows: without the style of a page around it, and without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlphys.report.html import Html, element

MOST_ROWS = 40  # of a table; a net of a hundred layers is no reading matter

NUMBERS = "text-align: right; padding: 1px 8px"
WORDS = "text-align: left; padding: 1px 8px"
SPACE = "\u2003"


def bar(label: str, done: float, total: float, parts: Iterable[str]) -> tuple[Html, str]:
    """A progress bar with words behind it; as HTML, and as text."""
    words = [part for part in parts if part]
    picture = element("progress", value=f"{done:g}", max=f"{max(total, 1):g}", style="width: 12em")
    shown = element("div", element("code", label), " ", picture, " ", SPACE.join(words))
    return shown, "  ".join([label, *words])


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    """Numbers to the right; the rows after the first MOST_ROWS are counted."""
    head = element("tr", [element("th", column, style=WORDS) for column in columns])
    lines = [element("tr", [_cell(cell) for cell in row]) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(
            element("tr", element("td", f"and {len(rows) - MOST_ROWS} more", style=WORDS, colspan=len(columns)))
        )
    return element("table", head, lines)


def _cell(cell: object) -> Html:
    return element("td", cell, style=NUMBERS if isinstance(cell, int | float) else WORDS)


def preformatted(text: str) -> Html:
    return element("pre", text, style="white-space: pre-wrap")
