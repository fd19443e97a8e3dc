"""`mlphys new`."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli._candidates import words

TASKS = ("classify", "regress", "autoencode", "reduce", "cluster")


@click.command("new")
@click.option(
    "--data", metavar="PATH", type=click.Path(), help="A table, arrays, or a folder of images; default: digits."
)
@click.option("--task", shell_complete=words(*TASKS), help=f"{', '.join(TASKS)}; default: as the data look.")
@click.option("--target", "targets", metavar="NAME", multiple=True, help="The column, or array, to be predicted.")
@click.option("--out", type=click.Path(path_type=Path), help="The new file; default: the name of the data.")
def command(data: str | None, task: str | None, targets: tuple[str, ...], out: Path | None) -> None:
    """Look at data and write a config that trains at once, with the reason of each choice as a comment."""
    from mlphys.commands import new
    from mlphys.io import atomic

    config = new.made(data, task, targets, out)
    atomic.write(config.path, config.text)
    terminal.echo(config.text.rstrip())
    terminal.echo(f"\n{config.path}: written; `mlphys train {config.path}` trains it")
