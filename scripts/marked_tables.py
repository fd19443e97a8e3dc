"""The tables that scripts make, between marks in README.md and docs/."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def table(document: Path, script: str) -> str:
    """The text between the marks of a script."""
    return _parts(document, script)[1].strip("\n")


def write_table(document: Path, script: str, text: str) -> None:
    """Replace the text between the marks of a script."""
    before, _, after = _parts(document, script)
    document.write_text(f"{before}\n{text}\n{after}")


def _parts(document: Path, script: str) -> tuple[str, str, str]:
    """The document before, between and after the marks."""
    begin, end = f"<!-- {script}: made by scripts/{script}.py -->", f"<!-- end of {script} -->"
    before, rest = document.read_text().split(begin)
    inside, after = rest.split(end)
    return before + begin, inside, end + after
