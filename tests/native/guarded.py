"""Arrays between guards, which reveal reads and writes out of bounds."""

from __future__ import annotations

import numpy as np

GUARD = 4096  # elements on each side of an array


class Guarded:
    """An array between NaNs: a read out of bounds makes the result NaN, a write out of bounds overwrites them."""

    def __init__(self, values: np.ndarray):
        dtype = values.dtype
        self._guard = np.full(GUARD, np.nan if dtype.kind == "f" else np.iinfo(dtype).min, dtype)
        self._buffer = np.concatenate([self._guard, values.ravel(), self._guard])
        self.values = self._buffer[GUARD : GUARD + values.size].reshape(values.shape)

    def pointer(self) -> int:
        return self.values.ctypes.data

    def is_intact(self) -> bool:
        guard = self._guard.tobytes()
        return self._buffer[:GUARD].tobytes() == guard == self._buffer[-GUARD:].tobytes()


def called(function, arrays, *integers):
    """The function with its pointers from `arrays`, null where there is none; the arrays after it."""
    guarded = {name: Guarded(values) for name, values in arrays.items()}
    pointers = [guarded[name].pointer() if name in guarded else None for name in function.pointers]
    function.compiled()(*pointers, *integers)
    assert all(each.is_intact() for each in guarded.values())
    return {name: each.values for name, each in guarded.items()}
