"""Saving of figures in the requested formats, with their numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.io import atomic

# no version and time in the files, so that runs with equal numbers give equal files
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}


def save(picture: Picture, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Write the figure in every format, and its numbers; call within theme.applied()."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise atomic.unwritable(folder, error) from None
    picture.figure.draw_without_rendering()
    picture.figure.set_layout_engine("none")  # keep the layout in every format
    paths = []
    for ending in dict.fromkeys(formats):
        content = io.BytesIO()
        picture.figure.savefig(content, format=ending, dpi=theme.DPI, metadata=FORMATS[ending])
        paths.append(folder / f"{picture.name}.{ending}")
        atomic.write(paths[-1], content.getvalue())
    paths.append(folder / f"{picture.name}.csv")
    atomic.write(paths[-1], _csv(picture.table).encode("utf-8", "replace"))
    return paths


def _csv(table: Mapping[str, Sequence[object]]) -> str:
    """The columns as CSV (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue()
