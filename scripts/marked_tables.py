"""The tables that scripts make, between marks in README.md and docs/."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def table(document: Path, script: str) -> str:
    """The text between the marks of a script."""
    return _parts(document, script)[1].strip("\n")


def write_table(document: Path, script: str, text: str) -> None:
    """Replace the text between the marks of a script."""
    before, _, after = _parts(document, script)
    document.write_text(f"{before}\n{text}\n{after}")


def printed(head: str, rows: Iterable[Sequence[str]], measured_on: str) -> str:
    """A table of rows, each printed as soon as it is measured."""
    lines = [head, "|" + " --- |" * (head.count("|") - 1)]
    for row in rows:
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    return "\n".join([*lines, "", f"Measured on {measured_on}."])


def benchmark(description: str | None, script: str, document: Path, measure: Callable[[], str]) -> None:
    """The command of a benchmark: measure its table, and with --write put it between the marks of a document."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write the table into {document.relative_to(ROOT)} too")
    write = parser.parse_args().write
    text = measure()
    if write:
        write_table(document, script, text)


def _parts(document: Path, script: str) -> tuple[str, str, str]:
    """The document before, between and after the marks."""
    begin, end = f"<!-- {script}: made by scripts/{script}.py -->", f"<!-- end of {script} -->"
    before, rest = document.read_text().split(begin)
    inside, after = rest.split(end)
    return before + begin, inside, end + after
