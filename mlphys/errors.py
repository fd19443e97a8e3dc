"""The exception that users see, what a config is refused for, and what a run has not."""

from __future__ import annotations


class UserError(Exception):
    """What the user can mend: shown in a few lines without a traceback, exit code 2.

    The text says what is wrong, what was received, what is allowed, and the remedy.
    """


class Refusal(Exception):
    """A config is refused: what is wrong at one of its keys, and the remedy.

    `path` leads to the key from the part that was looked at; where that stands in the config tells `under`.
    """

    def __init__(self, path: tuple[str | int, ...], text: str):
        super().__init__(text)
        self.path = path
        self.text = text

    def under(self, path: tuple[str | int, ...]) -> Refusal:
        """The same, of a part that stands at `path`."""
        return Refusal((*path, *self.path), self.text)


class NotApplicable(Exception):
    """This picture cannot be drawn, or this analysis made, of this run; the text says why."""
