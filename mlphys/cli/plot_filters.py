"""`mlphys plot-filters`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlphys.cli import plot
from mlphys.cli._options import RUN, formats, styled

if TYPE_CHECKING:
    from mlphys.figures.style import Style


@click.command("plot-filters")
@RUN
@formats("--format")
@styled
def command(run: str | None, formats: list[str], style: Style) -> None:
    """Draw every kernel of RUN, on several sheets if needed: the same as plot --only filters."""
    plot.draw(run, "filters", formats, style)
