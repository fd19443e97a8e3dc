"""Collects the problems of a config to report them together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlphys.errors import Refusal
from mlphys.schema.document import Document
from mlphys.schema.messages import complain


class Problems:
    """The problems of a document so far, in the order of their detection."""

    def __init__(self, document: Document):
        self._document = document
        self._found: list[Refusal] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, *refusals: Refusal) -> None:
        """Add a problem unless it is known: later steps may fail for the same reason."""
        known = {(refusal.path, refusal.text) for refusal in self._found}
        self._found += [refusal for refusal in refusals if (refusal.path, refusal.text) not in known]

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Context manager that adds a Refusal raised inside."""
        try:
            yield
        except Refusal as refusal:
            self.add(refusal)

    def raise_any(self) -> None:
        """Raise UserError, one line per problem, if there are any."""
        if self._found:
            raise complain(self._found, self._document)
