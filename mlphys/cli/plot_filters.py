"""`mlphys plot-filters`."""

from __future__ import annotations

import click

from mlphys.cli import plot
from mlphys.cli._options import FORMATS, RUN


@click.command("plot-filters")
@RUN
@FORMATS
@click.pass_context
def command(ctx: click.Context, run: str | None, formats: str) -> None:
    """Draw every kernel of RUN, on several sheets if needed: the same as plot --only filters."""
    ctx.invoke(plot.command, run=run, only="filters", formats=formats)
