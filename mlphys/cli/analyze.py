"""`mlphys analyze`."""

from __future__ import annotations

import click

from mlphys.cli._candidates import entries
from mlphys.cli._loading import measurable
from mlphys.cli._options import DATA, FORMATS, NO_TITLE, QUIET, RUN, STYLE, WIDTH
from mlphys.cli._training import say


@click.command("analyze")
@RUN
@click.option(
    "--only",
    shell_complete=entries("mlphys.analysis", several=True),
    help="Make only these analyses, separated by commas.",
)
@FORMATS
@STYLE
@WIDTH
@NO_TITLE
@DATA
@QUIET
def command(
    run: str | None,
    only: str | None,
    formats: str,
    style: str | None,
    width: str | None,
    no_title: bool,
    path: str | None,
    quiet: bool,
) -> None:
    """Make the analyses of RUN (default: the newest finished one): those of its config, or all that apply."""
    from mlphys.commands import analyze
    from mlphys.figures.style import chosen

    drawn_in = chosen(style, width, not no_title)
    found = measurable(run, path)
    names = only.split(",") if only else ()
    if analyze.analyze(found, names, formats.split(","), say(quiet), drawn_in):
        say(quiet)(f"numbers in {found.path / 'analysis'}, pictures in {found.path / 'figures'}")
