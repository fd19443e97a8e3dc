"""The task sheet of an exercise, as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from mlphys.config.blanks import Meaning
from mlphys.schema.document import BLANK
from mlphys.terminal import printable

MOST_ALLOWED = 40  # names


def task_sheet(sheet: Any) -> str:
    """What the experiment is, what is to be found, what each blank key means, the range, and the commands."""
    return "\n".join(_lines(sheet)) + "\n"


def _lines(sheet: Any) -> Iterator[str]:
    config = sheet.config.name
    yield f"# {_text(sheet.name)}\n"
    yield f"{_text(_sentence(sheet.kept))}A model of the kind `{sheet.model}` on the dataset `{sheet.dataset}`."
    if sheet.about:
        yield "\n" + ", ".join(f"{_text(key)}: {_text(value)}" for key, value in sheet.about.items())
    count = len(sheet.blanks)
    keys = ", ".join(f"`{key}`" for key, _, _ in sheet.blanks)
    missing = "one value is" if count == 1 else f"{count} values are"
    yield f"\n## What is to be found\n\nIn `{config}` {missing} missing and marked `{BLANK}`: {keys}."
    yield f"Put a value in place of each `{BLANK}` and train the model."
    yield "\n" + _range(sheet)
    yield "\n## The blanks"
    for key, line, meaning in sheet.blanks:
        yield from _blank(key, line, meaning)
    yield "\n## Commands\n"
    yield f"    mlphys config check {config}    # names what is still blank, or wrong"
    yield f"    mlphys train {config}"
    yield "    mlphys evaluate    # measures the newest run on the test samples"
    if sheet.ranges or sheet.predicted:
        yield "    mlphys check       # compares it with the expected range"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}. " if text else ""


def _range(sheet: Any) -> str:
    if sheet.predicted:
        return "Before you train, write under `expect` in which range the result will lie."
    if not sheet.ranges:
        return "The range in which the result should lie comes from the lecturer's own run or study."
    rows = "\n".join(f"| `{metric}` | {low:.6g} to {high:.6g} |" for metric, (low, high) in sheet.ranges.items())
    return f"| metric | expected range (from {sheet.range_source}) |\n|---|---|\n{rows}"


def _blank(key: str, line: int, meaning: Meaning) -> Iterator[str]:
    yield f"\n### `{key}`, line {line}\n"
    if meaning.sentence:
        yield f"{_sentence(meaning.sentence).strip()}\n"
    yield f"- type: {meaning.type}"
    if meaning.default is not None:
        yield f"- default: `{meaning.default}`"
    if meaning.allowed:
        more = ", ..." if len(meaning.allowed) > MOST_ALLOWED else ""
        yield f"- allowed: {', '.join(meaning.allowed[:MOST_ALLOWED])}{more}"
    if meaning.example:
        yield f"- example: `{meaning.example}`"
    yield f"- more: `mlphys explain {meaning.key}`"


def _text(value: object) -> str:
    """On one line, with the signs that Markdown or HTML would read as markup escaped."""
    return re.sub(r"([\\`*_\[\]#|])", r"\\\1", html.escape(printable(value), quote=False))
