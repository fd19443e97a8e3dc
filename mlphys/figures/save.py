"""Saving of figures in the requested formats, with their numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures.picture import Picture
from mlphys.figures.printing import printed
from mlphys.io.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_DRAWN = 1e30
# no version and time in the files, so that runs with equal numbers give equal files
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}


def save(picture: Picture, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Write the figure in every format, and its numbers; call within theme.applied()."""
    _require_drawable(picture)
    run = RunFolder(folder.parent)
    run.make(folder.name)
    _lay_out(picture.figure)
    paths = []
    for ending in dict.fromkeys(formats):
        paths.append(folder / f"{picture.name}.{ending}")
        run.write(f"{folder.name}/{paths[-1].name}", printed(picture.figure, ending, FORMATS[ending]))
    paths.append(folder / f"{picture.name}.csv")
    run.write(f"{folder.name}/{paths[-1].name}", _csv(picture.table).encode("utf-8", "replace"))
    return paths


def _lay_out(figure: Figure) -> None:
    """The same layout in every format; with an engine every saving would lay the figure out once more."""
    import matplotlib

    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    with matplotlib.rc_context({"figure.constrained_layout.use": False, "figure.autolayout": False}):
        figure.set_layout_engine(None)


def _require_drawable(picture: Picture) -> None:
    """Raise NotApplicable where a number is so large that axes, colours and sizes cannot be computed from it."""
    for name, column in picture.table.items():
        numbers = np.array([value for value in column if isinstance(value, int | float | np.number)], np.float64)
        largest = np.abs(numbers).max(initial=0.0, where=~np.isnan(numbers))
        if largest > LARGEST_DRAWN:
            raise NotApplicable(f"{name} reaches {largest:.2g}, too large to draw")


def _csv(table: Mapping[str, Sequence[object]]) -> str:
    """The columns as CSV (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue()
