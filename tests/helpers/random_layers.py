"""Keras's random numbers as machine code draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.native import noise
from mlphys.training import microbatches
from tests.helpers.philox import disturbed, standard_normal


def draw_as_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras's random layers, and the codes of variational autoencoders, draw the numbers of machine code, and batches
    stay whole: a part draws its own."""
    import keras
    import tensorflow as tf

    def call(layer: Any, x: Any, training: bool = False) -> Any:
        kind = getattr(noise, type(layer).__name__)
        drawn = kind(layer.stddev if kind is noise.GaussianNoise else layer.rate)
        if not training or drawn == kind(0.0):
            return x

        def factors_and_numbers(seed: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            numbers, factors = disturbed((drawn,), np.zeros(shape), iter([seed]), 0)
            return factors.astype(np.float32), numbers.astype(np.float32)

        state = layer.seed_generator.next()
        factors, numbers = tf.numpy_function(factors_and_numbers, (state, tf.shape(x)), (tf.float32, tf.float32))
        return tf.ensure_shape(x * factors + numbers, x.shape)

    def normal(shape: Any, seed: Any) -> Any:
        def numbers(seed: np.ndarray, shape: np.ndarray) -> np.ndarray:
            return standard_normal(tuple(shape), seed, 0).astype(np.float32)

        return tf.reshape(tf.numpy_function(numbers, (seed.next(), shape), tf.float32), shape)

    for kind in (keras.layers.Dropout, keras.layers.GaussianDropout, keras.layers.GaussianNoise):
        monkeypatch.setattr(kind, "call", call)
    monkeypatch.setattr(keras.random, "normal", normal)
    monkeypatch.setattr(microbatches, "sizes", lambda phase, batch, accelerated: [batch])
