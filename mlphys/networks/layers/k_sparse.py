"""k-sparse codes (Makhzani & Frey 2014)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class KSparse(keras.layers.Layer):
    """The k largest of a sample's values, zero for the others; of equal ones the first (Makhzani & Frey 2014)."""

    def __init__(self, k: int):
        super().__init__()
        self._k = k

    def call(self, x: Any) -> Any:
        smallest = ops.top_k(x, self._k)[0][..., -1:]
        larger, equal = x > smallest, ops.cast(x == smallest, "int32")
        free = self._k - ops.sum(ops.cast(larger, "int32"), axis=-1, keepdims=True)
        first = ops.logical_and(equal > 0, ops.cumsum(equal, axis=-1) <= free)
        return ops.where(ops.logical_or(larger, first), x, 0.0)
