"""`mlphys exercise`."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli._candidates import blanks, runs
from mlphys.cli._loading import config_path
from mlphys.cli._options import CONFIG


@click.command("exercise")
@CONFIG
@click.option(
    "--blank",
    "names",
    metavar="KEYS",
    required=True,
    shell_complete=blanks,
    help="The keys that are to be found, separated by commas: epochs, or training.epochs.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("sheet"), show_default=True, help="The folder, for students."
)
@click.option(
    "--range-from",
    metavar="RUN_OR_STUDY",
    shell_complete=runs,
    help="Your own run or study of CONFIG, which gives the expected range.",
)
def command(config: Path, names: str, out: Path, range_from: str | None) -> None:
    """Write an exercise: CONFIG with blanks, and a task sheet with the range that is to be reached."""
    from mlphys.commands import exercise
    from mlphys.io import atomic
    from mlphys.show.task_sheet import task_sheet

    sheet = exercise.made(
        config_path(config), [name.strip() for name in names.split(",") if name.strip()], out, range_from
    )
    exercise.require_writable(sheet)
    atomic.write(sheet.config, sheet.text)
    atomic.write(sheet.task, task_sheet(sheet))
    terminal.echo(f"{sheet.config}: written, blank: {', '.join(key for key, _, _ in sheet.blanks)}")
    terminal.echo(f"{sheet.task}: written; read it before you hand it out")
    if sheet.left_out:
        terminal.echo(f"of the first comment of {config}, what may disclose a value was left out")
    if not sheet.ranges and not sheet.predicted:
        terminal.echo("no range is expected; --range-from RUN_OR_STUDY gives one, or expect: in the config")
    if range_from:
        entries = ", ".join(f"{metric}: [{low:g}, {high:g}]" for metric, (low, high) in sheet.ranges.items())
        terminal.echo(
            f"expect: {{{entries}}}    <- for {config}, so that `mlphys check RUN... --against` it compares with it"
        )
