"""`mlphys explain`."""

from __future__ import annotations

import click

from mlphys import terminal
from mlphys.cli._candidates import keys


@click.command("explain")
@click.argument("key", shell_complete=keys)
def command(key: str) -> None:
    """Say what KEY of a config means: training.epochs, or a name such as Conv2D, adam, moons."""
    from mlphys.commands import explain as explanation

    terminal.echo(explanation.explain(key))
