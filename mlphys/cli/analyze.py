"""`mlphys analyze`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlphys.cli._candidates import entries
from mlphys.cli._loading import measurable
from mlphys.cli._options import DATA, QUIET, RUN, formats, styled
from mlphys.cli._training import refuse_given, say

if TYPE_CHECKING:
    from mlphys.figures.style import Style
    from mlphys.studies.study_file import Study


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
    """Make the analyses of RUN (default: the newest finished one): those of its config, or all that apply.

    Of a study, those of its config, for each member, and what they say together.
    """
    from mlphys.commands import analyze
    from mlphys.studies.study_file import located

    names = only.split(",") if only else ()
    if run and (study := located(run)):
        refuse_given({"--data": bool(path)}, f"{study.path} is a study, whose members have their own data")
        _of_study(study, names, formats, style, quiet)
        return
    loaded_run = measurable(run, path)
    if analyze.analyze(loaded_run, names, formats, say(quiet), style):
        say(quiet)(f"numbers in {loaded_run.path / 'analysis'}, pictures in {loaded_run.path / 'figures'}")


def _of_study(study: Study, names: Sequence[str], formats: Sequence[str], style: Style, quiet: bool) -> None:
    from mlphys.commands.analyze_study import analyze_study

    if analyze_study(study, names, formats, say(quiet), style):
        say(quiet)(f"numbers in {study.path / 'analysis'}, pictures in {study.path / 'figures'}")
