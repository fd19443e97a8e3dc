"""k-sparse codes (Makhzani & Frey 2014)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mlphys.networks import xla
from mlphys.networks.tensorflow import tf

SIGN, OTHERS = -(2**31), 2**31 - 1  # of the bits of a float32, as integers


class KSparse(keras.layers.Layer):
    """The k largest of a sample's values, zero for the others; of equal ones the first (Makhzani & Frey 2014)."""

    def __init__(self, k: int):
        super().__init__()
        self._k = k

    def call(self, x: Any) -> Any:
        # XLA sorts for top_k, which takes it five times longer
        smallest = kth_largest(x, self._k) if xla.is_traced() else ops.top_k(x, self._k)[0][..., -1:]
        larger, equal = x > smallest, ops.cast(x == smallest, "int32")
        free = self._k - ops.sum(ops.cast(larger, "int32"), axis=-1, keepdims=True)
        first = ops.logical_and(equal > 0, ops.cumsum(equal, axis=-1) <= free)
        return ops.where(ops.logical_or(larger, first), x, 0.0)


def kth_largest(x: Any, k: int) -> Any:
    """The k-th largest of the values x (n, m) of each sample, (n, 1): bit by bit, the largest that k values reach."""
    keys = _ordered(tf.bitcast(x + 0.0, tf.int32))  # of minus zero that of zero

    def reached(limit: Any) -> Any:
        return tf.reduce_sum(tf.cast(keys >= limit, tf.int32), axis=-1, keepdims=True) >= k

    def with_bit(bit: Any, limit: Any) -> tuple[Any, Any]:
        higher = tf.bitwise.bitwise_or(limit, tf.bitwise.left_shift(1, bit))
        return bit - 1, tf.where(reached(higher), higher, limit)

    _, limit = tf.while_loop(lambda bit, limit: bit >= 0, with_bit, (30, tf.where(reached(0), 0, SIGN)))
    return tf.bitcast(_ordered(limit), tf.float32)


def _ordered(bits: Any) -> Any:
    """The bits of numbers as integers in the numbers' order, and back."""
    negative = tf.bitwise.right_shift(bits, 31)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.bitwise_and(negative, OTHERS))
