"""Draw the plots of a run into figures/, each with a CSV file of its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.save import FORMATS, save
from mlphys.figures.style import Style
from mlphys.runs.run import Run
from mlphys.schema import registry
from mlphys.schema.suggestions import require_known

PLOTS = "mlphys.plots"
LARGEST_WEIGHT = 1e15


@dataclass(frozen=True)
class Drawn:
    """The written files, and why other plots do not apply to this run."""

    paths: tuple[Path, ...]
    skipped: Mapping[str, str]


def draw(run: Run, names: Sequence[str], formats: Sequence[str], style: Style | None = None) -> Drawn:
    """Draw the named plots of `run` into figures/<picture>.<format>, their numbers into <picture>.csv.

    Raises UserError for an unknown plot or format, and when a file cannot be written.
    """
    require_known("plot", names, registry.names(PLOTS))
    require_known("format", formats, list(FORMATS))
    folder = run.path / "figures"
    paths: list[Path] = []
    skipped: dict[str, str] = {}
    with theme.applied(style):
        for name in dict.fromkeys(names):
            try:
                for picture in pictures(run, name):
                    paths += save(picture, folder, formats)
            except NotApplicable as reason:
                skipped[name] = str(reason)
    return Drawn(tuple(paths), skipped)


def pictures(run: Run, name: str) -> Iterator[Picture]:
    """The pictures of one plot; call within theme.applied(). Raises NotApplicable."""
    try:
        yield from registry.entry(PLOTS, name, Plot)().draw(run)
    except (ArithmeticError, ValueError) as error:
        raise too_large(run, error) from None


def too_large(run: Run, error: Exception) -> NotApplicable:
    """Why numbers of the run could not be computed with. Raises `error` where its weights are not the reason."""
    largest = max((float(np.abs(value).max(initial=0)) for value in run.weights.values()), default=0.0)
    if largest <= LARGEST_WEIGHT:
        raise error
    return NotApplicable(f"its weights reach {largest:.2g}, whose squares are beyond float32")
