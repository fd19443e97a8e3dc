"""`mlphys completion ...`."""

from __future__ import annotations

import os

import click

from mlphys import terminal
from mlphys.cli._group import WholeSentences

SHELL = click.argument("shell", required=False, type=click.Choice(["bash", "zsh", "fish"]), metavar="[SHELL]")


@click.group("completion", cls=WholeSentences)
def command() -> None:
    """Completion of commands, configs, runs and keys by the tab key, in bash, zsh and fish."""


@command.command("install")
@SHELL
def completion_install(shell: str | None) -> None:
    """Switch completion on for SHELL (default: the one that SHELL names); twice is as good as once."""
    from mlphys.commands import completion

    done = completion.install(completion.chosen(shell, os.environ))
    name, file = done.shell.name, done.shell.file
    if not done.changed:
        terminal.echo(f"{file}: completion for {name} is there already")
        return
    terminal.echo(
        f"{file}: completion for {name} written; a new shell has it, and `mlphys completion remove {name}` takes it out"
    )


@command.command("remove")
@SHELL
def completion_remove(shell: str | None) -> None:
    """Take completion for SHELL out again."""
    from mlphys.commands import completion

    done = completion.remove(completion.chosen(shell, os.environ))
    terminal.echo(f"{done.shell.file}: {'completion taken out' if done.changed else 'has no completion of mlphys'}")


@command.command("show")
@SHELL
def completion_show(shell: str | None) -> None:
    """Print the script for SHELL; `eval "$(mlphys completion show bash)"` tries it."""
    from mlphys.commands import completion

    terminal.echo_data(completion.chosen(shell, os.environ).script)
