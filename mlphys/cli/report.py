"""`mlphys report`."""

from __future__ import annotations

import click

from mlphys import terminal
from mlphys.cli import _candidates


@click.command("report")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=_candidates.runs)
def command(runs: tuple[str, ...]) -> None:
    """Write the page of each RUN (default: the newest finished one): report.html, one file for a browser.

    A RUN may be a study. The page is made from the run's files, and loads nothing.
    """
    from mlphys.commands import report
    from mlphys.runs.run import find
    from mlphys.studies.study_file import located

    for name in runs or (None,):
        study = located(name) if name else None
        terminal.echo(str(report.write(study.path if study else find(name).path)))
