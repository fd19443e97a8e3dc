"""Which pictures were drawn, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST_REASONS = 4  # for pictures that are not drawn


def picture_list(paths: Sequence[Any], skipped: Sequence[str]) -> str:
    """The files of a study's or a comparison's pictures, and why others are not drawn."""
    shown = [path for path in paths if path.suffix != ".csv"]
    lines = [f"pictures in {shown[0].parent}: {', '.join(path.name for path in shown)}"] if shown else []
    return "\n".join([*lines, *(f"not drawn: {reason}" for reason in skipped)])


def drawn_pictures(pictures: Any) -> str:
    lines = [f"{name}: not drawn: {reason}" for name, reason in pictures.skipped.items()]
    if len(lines) > MOST_REASONS:
        lines = [f"not drawn: {', '.join(pictures.skipped)}; `mlphys plot --only NAME` prints why"]
    shown = [path for path in pictures.paths if path.suffix != ".csv"]
    if shown:
        names = ", ".join(path.name for path in shown)
        lines.append(f"pictures in {shown[0].parent}: {names}")
    return "\n".join(lines) or "no pictures: the config names none; see `mlphys list plots`"
