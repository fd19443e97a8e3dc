"""The first comment of a config, which says what it is."""

from __future__ import annotations

from pathlib import Path


def headline(path: Path) -> str:
    """Without the name before its colon; empty where the file begins with something else."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        line = file.readline(2000).strip()
    return line.removeprefix("#").partition(": ")[2].strip() if line.startswith("# ") else ""
