"""Why a phase has no machine code."""

from __future__ import annotations


class Unsupported(Exception):
    """There is no machine code for a phase; the text gives the reason."""


class NotGenerated(Unsupported):
    """A layer, term or setting is not part of the generated steps. Single operations of it may still have machine
    code, as convolutions have."""

    def __init__(self, what: str):
        super().__init__(f"{what} has no machine code for whole steps")
