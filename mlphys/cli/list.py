"""`mlphys list`."""

from __future__ import annotations

import click

from mlphys import terminal

LISTS = [
    "models", "layers", "datasets", "plots", "analyses", "configs", "optimizers", "schedules", "losses",
    "initializers", "regularizers", "preprocess", "metrics", "keys", "formats",
]  # fmt: skip


@click.command("list")
@click.argument("what", type=click.Choice(LISTS), metavar="WHAT")
def command(what: str) -> None:
    """List what a config can name: WHAT is one of its vocabularies."""
    from mlphys.show.vocabulary import listed

    terminal.echo(listed(what))
