"""`mlphys check`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli import _candidates
from mlphys.cli._loading import loaded_experiment


@click.command("check")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=_candidates.runs)
@click.option(
    "--against",
    metavar="CONFIG",
    type=click.Path(path_type=Path),
    shell_complete=_candidates.configs,
    help="Another config than the runs' own.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the expected ranges as CSV, for a table of marks.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def command(runs: tuple[str, ...], against: Path | None, as_csv: bool, as_json: bool) -> None:
    """Compare runs with the ranges under `expect:` and with published numbers; exit code 2 if one is outside.

    A RUN may be a study, or a folder with runs in it, such as those of a class. With --against, ranges and numbers are
    those of CONFIG, whatever the runs' own configs say, and runs with other data, or other versions, are named.
    """
    from mlphys.commands import check, hand_ins
    from mlphys.errors import UserError
    from mlphys.show.check import check_table

    readable_runs, unreadable = hand_ins.readable(runs)
    loaded = loaded_experiment(against) if against else None
    checked = check.check(readable_runs, loaded.experiment if loaded else None)
    samples = hand_ins.sample_hashes(loaded) if loaded else None
    if loaded and readable_runs:
        checked = replace(checked, provenance=hand_ins.provenance(readable_runs, samples))
    checked = replace(checked, unreadable=unreadable)
    check.require_any(checked, readable_runs)
    if as_json:
        terminal.echo(json.dumps(check.as_json(checked), indent=2))
    elif as_csv:
        terminal.echo(check.as_csv(checked))
    else:
        terminal.echo(check_table(checked))
    if loaded and samples is None:
        terminal.complain(f"{against}: its data are not here; samples are compared with those of most runs")
    if outside := checked.outside():
        where = "; ".join(f"{row.run.path}: {row.metric}" for row in outside)
        raise UserError(f"outside the expected range: {where}")
    if unreadable:
        raise UserError(f"cannot be measured: {', '.join(unreadable)}")
