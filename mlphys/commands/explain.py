"""What a key of the config language, or a name in it, means."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

from mlphys.config.reference import Block, Key, look_up

MOST_SHOWN = 6
LABEL = 10  # characters
MOST_ALLOWED = 40  # names; `mlphys list` has them all


def explain(name: str) -> str:
    """All that a name means, as text for the terminal. Raises UserError for one that is not known."""
    places = look_up(name)
    parts = ["\n".join(_description(place)) for place in places[:MOST_SHOWN]]
    if more := places[MOST_SHOWN:]:
        parts.append("\n".join(_wrapped("also in", ", ".join(dict.fromkeys(_title(place) for place in more)))))
    return "\n\n".join(parts)


def _title(place: Key | Block) -> str:
    name = place.of if isinstance(place, Key) else place.name
    return f"{place.dotted} ({name})" if name and name not in place.path else place.dotted or "experiment"


def _description(place: Key | Block) -> Iterator[str]:
    yield _title(place)
    if isinstance(place, Block):
        yield from (f"  {line}".rstrip() for line in place.text.splitlines())
        yield from _keys(place)
        return
    yield from _wrapped("", place.description.sentence)
    yield from _wrapped("type", place.type)
    yield from _wrapped("default", "none: it must be given" if place.default is None else place.default)
    if place.allowed:
        more = ", ..." if len(place.allowed) > MOST_ALLOWED else ""
        yield from _wrapped("allowed", ", ".join(place.allowed[:MOST_ALLOWED]) + more)
    yield from _wrapped("example", place.example)
    for part in place.parts:
        if isinstance(part, type):
            yield from _keys(Block(place.path, part))


def _keys(block: Block) -> Iterator[str]:
    """A paragraph for each key of a block."""
    for key in block.keys:
        default = "must be given" if key.default is None else f"default {key.default}"
        yield ""
        yield f"  {key.name}: {key.type}; {default}" if key.type != "block" else f"  {key.name}: block"
        yield from _wrapped("", key.description.sentence, indent="    ")


def _wrapped(label: str, text: str, indent: str = "  ") -> list[str]:
    """A paragraph behind its label, folded at the terminal's width."""
    first = indent + (f"{label:{LABEL}}" if label else "")
    width = max(30, min(120, shutil.get_terminal_size((100, 24)).columns))
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)
