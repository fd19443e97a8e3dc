"""HTML that a notebook shows: everything from files and configs is escaped, and there is no script."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

MOST_ROWS = 40  # of a table; a net of a hundred layers is no reading matter

NUMBERS = "text-align: right; padding: 1px 8px"
WORDS = "text-align: left; padding: 1px 8px"


def escaped(value: object) -> str:
    return html.escape(str(value))


def bar(label: str, done: float, total: float, parts: Iterable[str]) -> tuple[str, str]:
    """A progress bar with words behind it; as HTML, and as text."""
    words = [part for part in parts if part]
    shown = " &nbsp; ".join(escaped(part) for part in words)
    picture = f'<progress value="{done:g}" max="{max(total, 1):g}" style="width: 12em"></progress>'
    return f"<div><code>{escaped(label)}</code> {picture} {shown}</div>", "  ".join([label, *words])


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Numbers to the right; the rows after the first MOST_ROWS are counted."""
    head = "".join(f'<th style="{WORDS}">{escaped(column)}</th>' for column in columns)
    lines = ["".join(_cell(cell) for cell in row) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(f'<td style="{WORDS}" colspan="{len(columns)}">and {len(rows) - MOST_ROWS} more</td>')
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(cell: object) -> str:
    return f'<td style="{NUMBERS if isinstance(cell, int | float) else WORDS}">{escaped(cell)}</td>'


def preformatted(text: str) -> str:
    return f'<pre style="white-space: pre-wrap">{escaped(text)}</pre>'
