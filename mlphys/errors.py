"""The one exception that users see."""

from __future__ import annotations


class UserError(Exception):
    """What the user can mend: shown in a few lines without a traceback, exit code 2.

    The text says what is wrong, what was received, what is allowed, and the remedy.
    """
