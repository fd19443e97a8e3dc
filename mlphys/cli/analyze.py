"""`mlphys analyze`."""

from __future__ import annotations

import click

from mlphys.cli._loading import measurable
from mlphys.cli._options import DATA, FORMATS, QUIET, RUN
from mlphys.cli._training import say


@click.command("analyze")
@RUN
@click.option("--only", help="Make only these analyses, separated by commas.")
@FORMATS
@DATA
@QUIET
def command(run: str | None, only: str | None, formats: str, path: str | None, quiet: bool) -> None:
    """Make the analyses of RUN (default: the newest finished one): those of its config, or all that apply."""
    from mlphys.commands import analyze

    found = measurable(run, path)
    if analyze.analyze(found, only.split(",") if only else (), formats.split(","), say(quiet)):
        say(quiet)(f"numbers in {found.path / 'analysis'}, pictures in {found.path / 'figures'}")
