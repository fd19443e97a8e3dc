"""The problems of a config, collected so that they are told together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlphys.errors import Refusal
from mlphys.schema.document import Document
from mlphys.schema.messages import complain


class Problems:
    """What a document is refused for so far, in the order in which it was found."""

    def __init__(self, document: Document):
        self._document = document
        self._found: list[Refusal] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, *refusals: Refusal) -> None:
        """One that is known already is not told twice: a later step may fail for the reason of an earlier one."""
        known = {(refusal.path, refusal.text) for refusal in self._found}
        self._found += [refusal for refusal in refusals if (refusal.path, refusal.text) not in known]

    @contextmanager
    def collected(self) -> Iterator[None]:
        """A Refusal ends the block, and is added."""
        try:
            yield
        except Refusal as refusal:
            self.add(refusal)

    def raise_any(self) -> None:
        """Raise UserError, a line for each of them, if there are any."""
        if self._found:
            raise complain(self._found, self._document)
