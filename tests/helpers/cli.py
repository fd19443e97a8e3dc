"""The command line, called in this process."""

from __future__ import annotations

from click.testing import CliRunner

from mlphys.cli import main


def mlphys(*arguments: object, code: int = 0) -> str:
    """What the command prints, which ends with `code` and no traceback."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def refused(*arguments: object) -> str:
    """What a command prints that the user can mend."""
    return mlphys(*arguments, code=2)


def reason(*arguments: object) -> str:
    """The one message of a command that is refused."""
    return refused(*arguments).removeprefix("mlphys: ").removesuffix("\n")
