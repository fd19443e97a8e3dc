"""YAML whose values have their reasons beside them as comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlphys.schema.document import flow
from mlphys.terminal import printable

WIDTH = 118


@dataclass(frozen=True)
class Because:
    """A value and why it was chosen. A list of these is written one a line."""

    value: Any
    reason: str


@dataclass(frozen=True)
class Instead(Because):
    """A value that may be meant: its line is a comment itself."""


Tree = Mapping[str, Any]  # values are plain data, reasons, lists of reasons, and such trees


def text(tree: Tree) -> str:
    return "\n".join(_lines(tree, "")) + "\n"


def plain(tree: Any) -> Any:
    """The values without the reasons, as YAML would read them."""
    if isinstance(tree, Because):
        return plain(tree.value)
    if isinstance(tree, Mapping):
        return {key: plain(value) for key, value in tree.items() if not isinstance(value, Instead)}
    return [plain(value) for value in tree] if isinstance(tree, list) else tree


def _lines(tree: Tree, indent: str) -> Iterator[str]:
    for key, item in tree.items():
        value, reason = (item.value, item.reason) if isinstance(item, Because) else (item, "")
        if isinstance(item, Instead):
            yield from _with_reason(f"{indent}# {key}: {flow(value)}", reason, indent)
        elif isinstance(value, Mapping) and _has_reasons(value):
            yield from _with_reason(f"{indent}{key}:", reason, indent)
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and _has_reasons(value):
            yield from _with_reason(f"{indent}{key}:", reason, indent)
            for part in value:
                entry, why = (part.value, part.reason) if isinstance(part, Because) else (part, "")
                yield from _with_reason(f"{indent}  - {_entry(entry)}", why, f"{indent}  ")
        else:
            yield from _with_reason(f"{indent}{key}: {flow(value)}", reason, indent)


def _has_reasons(value: Any) -> bool:
    parts = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return isinstance(value, Because) or any(_has_reasons(part) for part in parts)


def _entry(value: Any) -> str:
    """`Conv2D: {filters: 8}` without the outer braces."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, settings),) = value.items()
        return f"{name}: {flow(settings)}"
    return flow(value)


def _with_reason(line: str, reason: str, indent: str) -> Iterator[str]:
    """Behind the line where there is room, otherwise above it; names of others cannot end the comment."""
    reason = printable(" ".join(reason.split()))
    if reason and len(line) + len(reason) + 4 > WIDTH:
        yield from textwrap.wrap(reason, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        reason = ""
    yield f"{line}  # {reason}" if reason else line
