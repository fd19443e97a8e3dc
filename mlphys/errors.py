"""The one exception that users see, and the one that says what a run has not."""

from __future__ import annotations


class UserError(Exception):
    """What the user can mend: shown in a few lines without a traceback, exit code 2.

    The text says what is wrong, what was received, what is allowed, and the remedy.
    """


class NotApplicable(Exception):
    """This picture cannot be drawn, or this analysis made, of this run; the text says why."""
