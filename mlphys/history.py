"""What the columns of history.csv are."""

from __future__ import annotations

from collections.abc import Iterable

BOOKKEEPING = {"phase", "epoch", "seconds", "learning_rate"}


def quantities(columns: Iterable[str]) -> list[str]:
    """The measured columns. What is tracked of layers and weights is none: their names, and only theirs, hold dots."""
    return [name for name in columns if name not in BOOKKEEPING and "." not in name]
