"""The samples of an epoch in blocks, with the next block prefetched by a thread."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from mlphys.numerics import chunked
from mlphys.schema.samples import Split

LARGEST_BLOCK = 16_000_000  # values of its samples: 64 MB

Change = Callable[[Split, int], Split]  # (samples of a block, its number) -> samples


class Blocks:
    """Blocks of `samples` samples in the order of the epoch: as many batches as LARGEST_BLOCK allows."""

    def __init__(self, split: Split, order: np.ndarray, change: Change | None, batch_size: int):
        self._split, self._order, self._change = split, order, change
        most = chunked.at_once(split.x, math.ceil(len(order) / batch_size) * batch_size, LARGEST_BLOCK)
        self._batches = max(1, most // batch_size)
        self.samples = self._batches * batch_size
        self._held: int | None = None
        self._next = 0
        self._ahead = self._read_ahead(0)

    def end(self, batch: int) -> int:
        """Number of the first batch after the block that contains `batch`."""
        return (batch // self._batches + 1) * self._batches

    def holding(self, batch: int) -> Split | None:
        """The block that contains `batch`; None if it is the previous one again."""
        number = batch // self._batches
        if number == self._held:
            return None
        if number != self._next:  # an epoch is replayed
            self._ahead = self._read_ahead(number)
        block, self._held = self._ahead.result(), number
        if (number + 1) * self.samples < len(self._order):
            self._next, self._ahead = number + 1, self._read_ahead(number + 1)
        return block

    def _read_ahead(self, number: int) -> Future[Split]:
        thread = ThreadPoolExecutor(1)
        try:
            return thread.submit(self._block, number)
        finally:
            thread.shutdown(wait=False)

    def _block(self, number: int) -> Split:
        rows = self._order[number * self.samples : (number + 1) * self.samples]
        block = self._split.at(rows)
        block = replace(block, x=chunked.read(block.x))
        if self._change:
            block = self._change(block, number)
        weights = None if block.weights is None else _filled(block.weights, self.samples)
        return Split(_filled(chunked.read(block.x), self.samples), _filled(block.y, self.samples), weights)


def _filled(values: np.ndarray, samples: int) -> np.ndarray:
    """Zero-padded to one shape for the compiled call."""
    if len(values) == samples:
        return values
    return np.concatenate([values, np.zeros((samples - len(values), *values.shape[1:]), values.dtype)])
