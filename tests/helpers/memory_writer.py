"""A Recorder in memory."""

from __future__ import annotations

from typing import Any


class Memory:
    """Records rows and checkpoints; can interrupt after the checkpoint of an epoch."""

    def __init__(self, interrupt_after: int | None = None):
        self.rows: list[Any] = []
        self.checkpoints: list[Any] = []
        self.snapshots: dict[int, Any] = {}
        self.interrupt_after = interrupt_after

    def row(self, row):
        self.rows.append(row)

    def snapshot(self, epoch, weights):
        self.snapshots[epoch] = weights

    def checkpoint(self, checkpoint):
        self.checkpoints.append(checkpoint)
        if self.interrupt_after is not None and checkpoint.epoch >= self.interrupt_after:
            self.interrupt_after = None
            raise KeyboardInterrupt
