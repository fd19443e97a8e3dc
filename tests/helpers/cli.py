"""Run commands in this process."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.testing import CliRunner

from mlphys.cli import main


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands and groups of commands, each with the words that one types."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


def mlphys(*arguments: object, code: int = 0) -> str:
    """Run a command; return what it prints. Asserts the exit code and that there is no traceback."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def refused(*arguments: object) -> str:
    """Run a command that must fail with exit code 2; return its message."""
    return mlphys(*arguments, code=2)


def reason(*arguments: object) -> str:
    """The single line of the message of a command that must fail."""
    return refused(*arguments).removeprefix("mlphys: ").removesuffix("\n")
