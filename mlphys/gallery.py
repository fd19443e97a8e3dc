"""Draws the pictures of a run into its folder figures/, each beside its numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlphys.errors import NotApplicable, UserError
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.io import atomic
from mlphys.schema import registry
from mlphys.schema.messages import shown, suggestion

if TYPE_CHECKING:
    from mlphys.runs.run import Run

PLOTS = "mlphys.plots"
# What matplotlib would write of itself and the time: two runs with equal numbers give equal files.
ANONYMOUS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}


@dataclass(frozen=True)
class Drawn:
    """The written files, and of each plot that the run cannot show the reason."""

    paths: tuple[Path, ...]
    skipped: Mapping[str, str]


def draw(run: Run, names: Sequence[str], formats: Sequence[str]) -> Drawn:
    """Draw the named plots of `run` into figures/<picture>.<format>, their numbers into <picture>.csv.

    Raises UserError for an unknown plot or format, and when a file cannot be written.
    """
    known("plot", names, registry.names(PLOTS))
    known("format", formats, list(ANONYMOUS))
    folder = run.path / "figures"
    paths: list[Path] = []
    skipped: dict[str, str] = {}
    with theme.applied():
        for name in dict.fromkeys(names):
            try:
                for picture in registry.entry(PLOTS, name).draw(run):
                    paths += save(picture, folder, formats)
            except NotApplicable as reason:
                skipped[name] = str(reason)
    return Drawn(tuple(paths), skipped)


def known(noun: str, received: Sequence[str], allowed: Sequence[str]) -> None:
    """Raise UserError for a name that is not among those allowed."""
    for name in received:
        if name not in allowed:
            hint = suggestion(name, allowed)
            raise UserError(f"unknown {noun}; received {shown(name)}; allowed {', '.join(allowed)}{hint}")


def save(picture: Picture, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Write the picture in every format, and its numbers; drawn and saved inside of looks.applied()."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise atomic.unwritable(folder, error) from None
    picture.figure.draw_without_rendering()
    picture.figure.set_layout_engine("none")  # what has its place keeps it in every format
    paths = []
    for ending in dict.fromkeys(formats):
        content = io.BytesIO()
        picture.figure.savefig(content, format=ending, dpi=theme.DPI, metadata=ANONYMOUS[ending])
        paths.append(folder / f"{picture.name}.{ending}")
        atomic.write(paths[-1], content.getvalue())
    paths.append(folder / f"{picture.name}.csv")
    atomic.write(paths[-1], _csv(picture.table).encode("utf-8", "replace"))
    return paths


def _csv(table: Mapping[str, Sequence[object]]) -> str:
    """The columns as RFC 4180 has it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue()
