"""`mlphys runs`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlphys import terminal


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), default="runs", required=False)
@click.option("--where", metavar="CONDITION", help="'test.accuracy > 0.98 and training.batch_size == 100'.")
@click.option("--sort", metavar="KEY", help="Sort by a key; with - before it, the largest first.")
@click.option("--columns", metavar="KEYS", help="Keys of the config, metrics, columns, separated by commas.")
@click.option("--members", is_flag=True, help="Also the members of studies.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known of each run as JSON.")
def command(
    folder: Path,
    where: str | None,
    sort: str | None,
    columns: str | None,
    members: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """The table of all runs and studies in FOLDER (default: runs), the newest first."""
    from mlphys.show.run_list import reading, runs
    from mlphys.studies import run_table
    from mlphys.studies.where import parse

    condition = parse(where) if where else None
    named = [column.strip() for column in columns.split(",")] if columns else []
    with reading() as progress:
        rows = run_table.rows(folder, members, progress)
    rows = run_table.selected(rows, condition, sort, named)
    if as_json:
        terminal.echo(json.dumps(rows, indent=2))
    elif as_csv:
        terminal.echo(run_table.as_csv(rows, named or run_table.COLUMNS))
    else:
        terminal.echo(runs(rows, named))
