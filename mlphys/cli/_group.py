"""How commands are found, how their help looks, and what becomes of their errors."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import re
import sys
from typing import Any

import click

from mlphys import terminal
from mlphys.schema import registry

OF_FILES = (
    errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS,
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENXIO,
)  # fmt: skip


class WholeSentences(click.Group):
    """A group whose help gives each command its whole sentence, where click cuts it at the end of the line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class EntryFiles(WholeSentences):
    """A group whose commands are the files of a package; a file is imported when its command is."""

    def __init__(self, package: str, **settings: Any):
        super().__init__(**settings)
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(name.replace("_", "-") for name in registry.names(self._package))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command = registry.content(self._package, name.replace("-", "_"), "command")
        assert isinstance(command, click.Command)
        return command


class Commands(EntryFiles):
    """Print a UserError in a few lines and exit with 2; any other exception is a bug.

    So is a file, named in the exception, that the system does not give or take: it was removed, or its folder closed,
    after it had been looked at.
    """

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Standard output or error may take nothing: a full disk, a pipe whose reader is gone."""
        gc.set_threshold(50_000, 20, 20)  # imports and graphs make objects that stay; Python looks after every 700
        terminal.open_streams()
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF):
                raise
            terminal.give_up(sys.stdout)
            with contextlib.suppress(OSError):
                terminal.complain(f"standard output: cannot be written: {error.strerror}; print to another place")
            terminal.give_up(sys.stderr)
            sys.exit(2)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except click.UsageError as error:
            raise _printable(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        from mlphys.errors import UserError

        try:
            _require_folder()
            return super().invoke(ctx)
        except UserError as error:
            terminal.complain(str(error))
            ctx.exit(2)
        except click.UsageError as error:
            raise _printable(error, _as_override(error)) from None
        except KeyboardInterrupt:
            terminal.complain("interrupted")
            ctx.exit(130)
        except BrokenPipeError:  # `mlphys ... | head`
            terminal.give_up(sys.stdout)
            ctx.exit(0)
        except OSError as error:
            if error.filename is None or isinstance(error.filename, int) or error.errno not in OF_FILES:
                raise
            terminal.complain(f"{os.fsdecode(error.filename)}: cannot be used: {error.strerror}; {_remedy(error)}")
            ctx.exit(2)


def _printable(error: click.UsageError, hint: str = "") -> click.UsageError:
    """A mistake in the command line, whose words may be anything."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # the help, which is longer than a message may be
        return error
    message = error.format_message()
    return click.UsageError(terminal.message(f"{message.rstrip('.')}{hint}" if hint else message), error.ctx)


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "free some space, or write to another place"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "change its permissions, or name another place"
        case errno.EMFILE | errno.ENFILE:
            return "close other programs, or permit more open files with ulimit -n"
    return "name another place, or repeat the command if something else has just changed it"


def _as_override(error: click.UsageError) -> str:
    """How a key of the config is set that was written as an option or as an argument; nothing for other mistakes."""
    if isinstance(error, click.BadParameter):
        return ""
    takes_overrides = error.ctx and any(parameter.name == "overrides" for parameter in error.ctx.command.params)
    word = re.search(r"(?:--|\()([\w.-]+)(?:=([^)]*))?", error.message)
    if not takes_overrides or not word:
        return ""
    from mlphys.config.reference import path_of

    path = path_of(word[1].replace("-", "_"))
    return f"; write --set {path}={word[2] or 'VALUE'}" if path else ""


def _require_folder() -> None:
    from mlphys.errors import UserError

    try:
        os.getcwd()
    except OSError:
        raise UserError("the folder that the command was given in is gone; change into another one") from None
