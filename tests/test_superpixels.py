"""Convolutions on blocks of pixels against Keras's own layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mlphys.layers import superpixels

SAME = {"padding": "same"}
RELU = {"activation": "relu"}

# What the layers see, they themselves, and the kernels of the convolutions that the graph then has.
CASES = {
    "average pool of 4": (
        (12, 12, 1),
        [("Conv2D", (7, 5), SAME | RELU), ("AveragePooling2D", (4,), {})],
        [(3, 3, 4, 28)],
    ),
    "average pool, no bias": (
        (8, 8, 3),
        [("Conv2D", (8, 5), SAME | {"activation": "tanh", "use_bias": False}), ("AveragePooling2D", (2,), {})],
        [(3, 3, 12, 32)],
    ),
    "largest of 2 x 4, large kernel": (
        (16, 16, 2),
        [("Conv2D", (4, 9), SAME | RELU), ("MaxPooling2D", ((2, 4),), {})],
        [(5, 5, 8, 16)],
    ),
    "valid": (
        (16, 14, 2),
        [("Conv2D", (5, (5, 7)), RELU), ("MaxPooling2D", (2,), {})],
        [(3, 4, 8, 20)],
    ),
    "two in a row": (
        (8, 8, 1),
        [("Conv2D", (4, 5), SAME | RELU), ("Conv2D", (6, 5), SAME | {"activation": "elu"})],
        [(3, 3, 4, 16), (3, 3, 16, 24)],
    ),
    "pool that overlaps": (
        (8, 8, 1),
        [("Conv2D", (4, 5), SAME | RELU), ("MaxPooling2D", (2,), {"strides": 1})],
        [(3, 3, 4, 16)],
    ),
    "upsampled": (
        (5, 7, 4),
        [("UpSampling2D", (2,), {}), ("Conv2D", (20, 3), SAME | RELU),
         ("UpSampling2D", (2,), {}), ("Conv2D", (1, (5, 4)), SAME | {"activation": "sigmoid"})],
        [(3, 3, 4, 80), (3, 3, 20, 4)],
    ),
    "upsampled, valid": (
        (5, 6, 3),
        [("UpSampling2D", (2,), {}), ("Conv2D", (4, (3, 5)), RELU)],
        [(2, 3, 3, 16)],
    ),
    "odd size": ((7, 8, 1), [("Conv2D", (4, 5), SAME)], [(5, 5, 1, 4)]),
    "odd size left": ((8, 8, 1), [("Conv2D", (4, 4), {})], [(4, 4, 1, 4)]),
    "too many zeros": ((8, 8, 1), [("Conv2D", (4, 3), SAME)], [(3, 3, 1, 4)]),
    "vectors are full": ((8, 8, 1), [("Conv2D", (16, 5), SAME)], [(5, 5, 1, 16)]),
    "softmax": ((8, 8, 1), [("Conv2D", (4, 5), SAME | {"activation": "softmax"})], [(5, 5, 1, 4)]),
    "stride": ((8, 8, 1), [("Conv2D", (4, 5), SAME | {"strides": 2})], [(5, 5, 1, 4)]),
    "smooth upsampling": (
        (4, 4, 1),
        [("UpSampling2D", (2,), {"interpolation": "bilinear"}), ("Conv2D", (4, 3), SAME)],
        [(3, 3, 1, 4)],
    ),
}  # fmt: skip


def chain(library, layers, shape):
    made = [getattr(library, name)(*arguments, **more) for name, arguments, more in layers]
    model = keras.Sequential([keras.Input(shape), *made])
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.3)
    return model


def followed(model, x, by_blocks):
    """Outputs, gradients of something of them with respect to x and weights, and the kernels in the graph."""

    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = model(x)
            cost = tf.reduce_sum(tf.sin(3 * outputs))
        return [outputs, *tape.gradient(cost, [x, *(weight.value for weight in model.trainable_variables)])]

    def in_blocks(x):
        with superpixels.computed():
            return function(x)

    compiled = tf.function(in_blocks if by_blocks else function).get_concrete_function(x)
    kernels = [tuple(op.inputs[1].shape) for op in compiled.graph.get_operations() if op.type == "Conv2D"]
    return [array.numpy() for array in compiled(x)], kernels


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("name", CASES)
def test_blocks_give_what_keras_gives(name):
    shape, layers, kernels = CASES[name]
    x = tf.constant(np.random.default_rng(1).normal(size=(3, *shape)), tf.float32)
    expected, _ = followed(chain(keras.layers, layers, shape), x, False)
    found, used = followed(chain(superpixels, layers, shape), x, True)
    assert used == kernels
    same(found, expected)


def test_equal_values_give_the_gradient_to_the_same_pixel_as_keras():
    layers = [("Conv2D", (3, 5), SAME | {"bias_initializer": "ones"}), ("MaxPooling2D", (2,), {})]
    x = np.random.default_rng(2).integers(0, 2, (4, 8, 8, 1)).astype(np.float32)  # many are equal
    models = [chain(library, layers, (8, 8, 1)) for library in (keras.layers, superpixels)]
    for model in models:
        model.weights[0].assign(np.random.default_rng(3).integers(-1, 2, (5, 5, 1, 3)))
    (expected, _), (found, _) = (followed(model, tf.constant(x), i == 1) for i, model in enumerate(models))
    same(found, expected)


def test_without_being_asked_the_layers_are_keras_own():
    shape, layers, _ = CASES["average pool of 4"]
    x = tf.zeros((3, *shape))
    _, kernels = followed(chain(superpixels, layers, shape), x, False)
    assert kernels == [(5, 5, 1, 7)]
