"""Arrays beside which nothing may be touched."""

from __future__ import annotations

import numpy as np

GUARD = 4096  # numbers on each side of an array


class Guarded:
    """An array between NaNs, which what reads too far would take in, and what writes too far overwrite."""

    def __init__(self, values: np.ndarray):
        kind = values.dtype
        self._guard = np.full(GUARD, np.nan if kind.kind == "f" else np.iinfo(kind).min, kind)
        self._whole = np.concatenate([self._guard, values.ravel(), self._guard])
        self.values = self._whole[GUARD : GUARD + values.size].reshape(values.shape)

    def pointer(self) -> int:
        return self.values.ctypes.data

    def untouched(self) -> bool:
        guard = self._guard.tobytes()
        return self._whole[:GUARD].tobytes() == guard == self._whole[-GUARD:].tobytes()
