"""The tables in the README that scripts make."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def table(script: str) -> str:
    """What stands between the marks of a script."""
    return _parts(script)[1]


def write_table(script: str, text: str) -> None:
    before, _, after = _parts(script)
    README.write_text(f"{before}\n{text}\n{after}")


def _parts(script: str) -> tuple[str, str, str]:
    """The README up to the first mark, between the two, and from the second on."""
    begin, end = f"<!-- {script}: made by scripts/{script}.py -->", f"<!-- end of {script} -->"
    before, rest = README.read_text().split(begin)
    inside, after = rest.split(end)
    return before + begin, inside, end + after
