"""HTML as text that is known to be safe: everything else is escaped where it becomes a part of it."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from mlphys import terminal

NOTHING = ("", "–", "None")
NUMBER = re.compile(r"(–|all|None)?$|[-−(]*[0-9]")
VOID = {"br", "hr", "img", "input", "meta"}


class Html(str):
    """Markup, of which no part came unescaped from a file."""

    __slots__ = ()


def text(value: object) -> Html:
    """A text with markup as text; what would turn the direction of writing around is written out."""
    return Html(escape(terminal.printable_lines(str(value)), quote=True))


def element(tag: str, /, *content: object, **attributes: Any) -> Html:
    """`<name attribute="value">content</name>`. Attributes that are None are left out, those that are True stand alone.

    `class_` is class, `data_split` is data-split. Content that is no Html is escaped.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))
    return Html(f"<{tag}{written}>") if tag in VOID else Html(f"<{tag}{written}>{joined(*content)}</{tag}>")


def joined(*content: object) -> Html:
    """The parts one after the other; None is none, a list is its parts."""
    return Html("".join(_part(each) for each in content))


def _part(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, Html):
        return content
    if isinstance(content, list | tuple):
        return joined(*content)
    return text(content)


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(value)}"'


def table(columns: list[Any], rows: list[list[Any]], caption: str | None = None, class_: str | None = None) -> Html:
    """A table whose first column names its rows; a column of numbers is aligned to the right, with its head."""
    classes = [None, *("number" if _of_numbers([row[i] for row in rows]) else None for i in range(1, len(columns)))]
    head = [element("th", each, scope="col", class_=kind) for each, kind in zip(columns, classes, strict=True)]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            [element("td", _shown(each), class_=kind) for each, kind in zip(row[1:], classes[1:], strict=True)],
        )
        for row in rows
    ]
    title = element("caption", caption) if caption else None
    inner = element("table", title, element("thead", element("tr", head)), element("tbody", body), class_=class_)
    return element("div", inner, class_="scrolls", tabindex="0")


def _shown(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value


def _of_numbers(cells: list[Any]) -> bool:
    """Whether these are numbers, shapes or nothing, and not all of them nothing."""
    return all(NUMBER.match(str(each)) for each in cells) and any(str(each) not in NOTHING for each in cells)
