"""`mlphys analyze`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlphys.cli._candidates import entries
from mlphys.cli._loading import measurable
from mlphys.cli._options import DATA, QUIET, RUN, formats, styled
from mlphys.cli._training import say

if TYPE_CHECKING:
    from mlphys.figures.style import Style


@click.command("analyze")
@RUN
@click.option(
    "--only",
    shell_complete=entries("mlphys.analysis", several=True),
    help="Make only these analyses, separated by commas.",
)
@formats("--format")
@styled
@DATA
@QUIET
def command(
    run: str | None,
    only: str | None,
    formats: list[str],
    style: Style,
    path: str | None,
    quiet: bool,
) -> None:
    """Make the analyses of RUN (default: the newest finished one): those of its config, or all that apply."""
    from mlphys.commands import analyze

    found = measurable(run, path)
    names = only.split(",") if only else ()
    if analyze.analyze(found, names, formats, say(quiet), style):
        say(quiet)(f"numbers in {found.path / 'analysis'}, pictures in {found.path / 'figures'}")
