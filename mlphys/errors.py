"""UserError for users, Refusal for configs, NotApplicable for plots and analyses."""

from __future__ import annotations


class UserError(Exception):
    """An error that the user can fix: printed in a few lines without a traceback, exit code 2.

    The text says what is wrong, what was received, what is allowed, and the remedy.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show in place of a traceback."""
        from mlphys import terminal

        return [f"mlphys: {terminal.message(str(self))}"]


class Unwritable(UserError):
    """A file cannot be written: what was begun can continue, as it is, once that is mended."""


class Refusal(Exception):
    """An invalid config: the key path, the problem and the remedy.

    `path` is relative to the checked part of the config; `under` prepends the path of that part.
    """

    def __init__(self, path: tuple[str | int, ...], text: str):
        super().__init__(text)
        self.path = path
        self.text = text

    def under(self, path: tuple[str | int, ...]) -> Refusal:
        """The same refusal with `path` prepended."""
        return Refusal((*path, *self.path), self.text)


class NotApplicable(Exception):
    """A plot or an analysis does not apply to a run; the text gives the reason."""
