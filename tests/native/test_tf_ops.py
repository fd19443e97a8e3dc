"""Compiled functions as operations of TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mlphys.native import differentiable, interleave, processor, tf_ops
from mlphys.native.tf_ops import Operation


@pytest.mark.parametrize("shape", [(1,), (3, 5, 1), (16,), (28, 28, 1), (67,)])
@pytest.mark.parametrize("samples", [1, 16, 35])
def test_a_batch_is_interleaved_and_back(shape, samples):
    width = processor.simd_unit().width
    x = np.random.default_rng(0).random((samples, *shape), np.float32)
    expected = np.zeros((-(-samples // width) * width, *shape), np.float32)
    expected[:samples] = x

    @tf.function
    def there_and_back(x):
        interleaved = differentiable.interleave_batch(x)
        return interleaved, differentiable.deinterleave_batch(interleaved, x)

    interleaved, back = (array.numpy() for array in there_and_back(tf.constant(x)))
    assert (interleaved == np.moveaxis(expected.reshape(-1, width, *shape), 1, -1)).all()
    assert (back == x).all()


def test_the_same_operation_is_registered_once_and_another_one_apart():
    found = [differentiable._interleave_op((5, size), processor.simd_unit()) for size in (2, 2, 3)]
    assert found[0].name == found[1].name != found[2].name


def test_a_failed_allocation_is_an_error_of_tensorflows():
    width = processor.simd_unit().width
    huge = Operation(
        interleave.interleave_batch(width), {"x": "float"}, {"out": ("float", ("groups", 2**45))}, "x", {"size": 4}
    )

    @tf.function
    def asked(x):
        return tf_ops.apply(huge, [x])[0]

    with pytest.raises(tf.errors.ResourceExhaustedError):
        asked(tf.zeros((3, 4)))


def test_the_second_derivative_is_refused():
    x = tf.random.stateless_normal((3, 4), (0, 0))

    def cost(x):
        return tf.reduce_sum(differentiable.interleave_batch(x) ** 3)

    @tf.function
    def twice(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = cost(x)
            slope = inner.gradient(value, x)
        return outer.gradient(slope, x)

    with pytest.raises(NotImplementedError, match="can be differentiated once"):
        twice(x)


def test_operations_are_unavailable_in_a_tensorflow_without_the_c_api(monkeypatch):
    assert tf_ops.available()
    monkeypatch.setattr(tf_ops.tf.sysconfig, "get_lib", lambda: "/")
    monkeypatch.setattr(tf_ops, "_library", tf_ops._library.__wrapped__)
    assert not tf_ops.available.__wrapped__()
