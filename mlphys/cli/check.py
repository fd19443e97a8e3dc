"""`mlphys check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlphys import terminal
from mlphys.cli import _candidates
from mlphys.cli._loading import loaded_experiment

if TYPE_CHECKING:
    from mlphys.runs.run import Run


@click.command("check")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=_candidates.runs)
@click.option(
    "--against",
    metavar="CONFIG",
    type=click.Path(path_type=Path),
    shell_complete=_candidates.configs,
    help="Another config than the runs' own.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def command(runs: tuple[str, ...], against: Path | None, as_json: bool) -> None:
    """Compare runs with the ranges under `expect:` and with published numbers; exit code 2 if one is outside.

    A RUN may be a study. With --against, ranges and numbers are those of CONFIG, whatever the runs' own configs say.
    """
    from mlphys.commands import check
    from mlphys.errors import UserError
    from mlphys.runs.run import finished
    from mlphys.show.check import check_table

    found = [finished(run) for run in _every_run(runs)]
    checked = check.check(found, loaded_experiment(against).experiment if against else None)
    check.require_any(checked, found)
    if as_json:
        terminal.echo(json.dumps(check.as_json(checked), indent=2))
    else:
        terminal.echo(check_table(checked))
    if outside := checked.outside():
        where = "; ".join(f"{row.run.path}: {row.metric}" for row in outside)
        raise UserError(f"outside the expected range: {where}")


def _every_run(names: tuple[str, ...]) -> list[Run]:
    """The runs, and those of studies; without a name the newest finished one."""
    from mlphys.runs.run import find
    from mlphys.studies.member_runs import member_runs
    from mlphys.studies.study_file import located

    found: list[Run] = []
    for name in names or (None,):
        study = located(name) if name else None
        found += member_runs(study) if study else [find(name)]
    return found
