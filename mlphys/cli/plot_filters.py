"""`mlphys plot-filters`."""

from __future__ import annotations

import click

from mlphys.cli import plot
from mlphys.cli._options import FORMATS, NO_TITLE, RUN, STYLE, WIDTH


@click.command("plot-filters")
@RUN
@FORMATS
@STYLE
@WIDTH
@NO_TITLE
@click.pass_context
def command(
    ctx: click.Context, run: str | None, formats: str, style: str | None, width: str | None, no_title: bool
) -> None:
    """Draw every kernel of RUN, on several sheets if needed: the same as plot --only filters."""
    options = {"formats": formats, "style": style, "width": width, "no_title": no_title}
    ctx.invoke(plot.command, run=run, only="filters", **options)
