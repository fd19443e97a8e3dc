"""What a training keeps, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Memory:
    """Keeps rows and checkpoints; can interrupt after an epoch's checkpoint."""

    def __init__(self, interrupt_after: int | None = None):
        self.rows: list[Any] = []
        self.checkpoints: list[Any] = []
        self.interrupt_after = interrupt_after

    def row(self, row):
        self.rows.append(row)

    def checkpoint(self, checkpoint):
        self.checkpoints.append(checkpoint)
        if self.interrupt_after is not None and checkpoint.epoch >= self.interrupt_after:
            self.interrupt_after = None
            raise KeyboardInterrupt


def same_bytes(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    """Whether both hold the same arrays; prints the names of those that differ."""
    differ = sorted(
        name
        for name in {*first, *second}
        if name not in first or name not in second or first[name].tobytes() != second[name].tobytes()
    )
    print(*differ)
    return not differ
