"""Batch-interleaved convolutions against Keras's own layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mlphys.native import llvm
from mlphys.native.llvm import SimdUnit
from mlphys.networks.layers import simd_conv

ALL = 100.0  # a share of cores for which any number of channels counts as few

SAME = {"padding": "same"}
RELU = {"activation": "relu"}
TANH = {"activation": "tanh"}
SIGMOID = {"activation": "sigmoid"}

# Shape of the input, the layers, and the number of compiled convolutions in the forward pass.
CASES = {
    "average pool of 4": ((12, 12, 1), [("Conv2D", (7, 5), SAME | RELU), ("AveragePooling2D", (4,), {})], 1),
    "average pool of 3 x 2, no bias": (
        (9, 8, 3),
        [("Conv2D", (8, 5), SAME | TANH | {"use_bias": False}), ("AveragePooling2D", ((3, 2),), {})],
        1,
    ),
    "average pool of sums": ((8, 8, 2), [("Conv2D", (3, 3), SAME), ("AveragePooling2D", (2,), {})], 1),
    "largest of 2 x 4": ((16, 16, 2), [("Conv2D", (4, 9), SAME | RELU), ("MaxPooling2D", ((2, 4),), {})], 1),
    "largest of sums": ((8, 6, 2), [("Conv2D", (4, 3), SAME), ("MaxPooling2D", (2,), {})], 1),
    "largest of tanh": ((8, 6, 2), [("Conv2D", (4, 3), SAME | TANH), ("MaxPooling2D", (2,), {})], 1),
    "valid": ((16, 14, 2), [("Conv2D", (5, (5, 7)), RELU), ("MaxPooling2D", (2,), {})], 1),
    "even kernels": (
        (8, 9, 2),
        [("Conv2D", (3, (4, 2)), SAME | SIGMOID), ("Conv2D", (2, (2, 4)), {}), ("Conv2D", (2, 1), TANH)],
        3,
    ),
    "another activation": (
        (8, 8, 1),
        [("Conv2D", (4, 5), SAME | RELU), ("Conv2D", (6, 5), SAME | {"activation": "elu"})],
        2,
    ),
    "many filters": ((6, 7, 20), [("Conv2D", (33, 3), SAME | RELU)], 1),
    "wide": ((5, 70, 3), [("Conv2D", (4, 5), SAME | RELU), ("Conv2D", (3, 3), {})], 2),
    "kernel larger than the image": ((4, 5, 2), [("Conv2D", (3, 11), SAME | RELU)], 1),
    "pool that overlaps": (
        (8, 8, 1),
        [("Conv2D", (4, 5), SAME | RELU), ("MaxPooling2D", (2,), {"strides": 1})],
        1,
    ),
    "pool that leaves a rest": ((8, 8, 1), [("Conv2D", (4, 5), SAME | RELU), ("MaxPooling2D", (3,), {})], 1),
    "upsampled": (
        (5, 7, 4),
        [("UpSampling2D", (2,), {}), ("Conv2D", (20, 3), SAME | RELU),
         ("UpSampling2D", (2,), {}), ("Conv2D", (1, (5, 4)), SAME | SIGMOID)],
        2,
    ),
    "upsampled, valid, pooled": (
        (5, 6, 3),
        [("UpSampling2D", (2,), {}), ("Conv2D", (4, (3, 5)), RELU), ("AveragePooling2D", (2,), {})],
        1,
    ),
    "smooth upsampling": (
        (4, 4, 1),
        [("UpSampling2D", (2,), {"interpolation": "bilinear"}), ("Conv2D", (4, 3), SAME)],
        1,
    ),
    "two pools in a row": (
        (16, 16, 1),
        [("Conv2D", (4, 5), SAME | RELU), ("AveragePooling2D", (2,), {}), ("Conv2D", (3, 3), SAME | SIGMOID),
         ("AveragePooling2D", (2,), {}), ("Conv2D", (2, 3), SAME)],
        3,
    ),
    "softmax": ((8, 8, 1), [("Conv2D", (4, 5), SAME | {"activation": "softmax"})], 0),
    "strides": (
        (13, 12, 2),
        [("Conv2D", (4, 5), SAME | RELU | {"strides": 2}), ("AveragePooling2D", (2,), {"padding": "same"}),
         ("Conv2D", (3, 2), {"strides": (1, 3)})],
        2,
    ),
    "strides, then a pool": (
        (17, 16, 1),
        [("Conv2D", (4, (3, 4)), TANH | {"strides": (2, 1)}), ("MaxPooling2D", ((2, 1),), {})],
        1,
    ),
    "upsampled, then strides": (
        (5, 7, 3),
        [("UpSampling2D", (2,), {}), ("Conv2D", (4, 3), SAME | RELU | {"strides": 2})],
        1,
    ),
    "stride of five": ((8, 8, 1), [("Conv2D", (4, 5), SAME | {"strides": 5})], 0),
    "dilation": ((8, 8, 1), [("Conv2D", (4, 3), SAME | {"dilation_rate": 2})], 0),
    "groups": ((8, 8, 4), [("Conv2D", (4, 3), SAME | {"groups": 2})], 0),
    "kernel of twelve": ((13, 13, 1), [("Conv2D", (4, 12), {})], 0),
    "upsampled by an even kernel, valid": (
        (4, 4, 1),
        [("UpSampling2D", (2,), {}), ("Conv2D", (4, 4), RELU)],
        0,
    ),
}  # fmt: skip


def chain(library, layers, shape):
    made = [getattr(library, name)(*arguments, **more) for name, arguments, more in layers]
    simd_conv.fuse_pooling(made)
    model = keras.Sequential([keras.Input(shape), *made])
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.3)
    return model


def traced(model, x, share, without_gradient=False):
    """Outputs and gradients of a function of them for the weights (and x); the compiled operations in the graph."""

    def function(x):
        sources = [weight.value for weight in model.trainable_variables]
        with simd_conv.enabled(share), tf.GradientTape() as tape:
            if not without_gradient:
                tape.watch(x)
                sources.append(x)
            outputs = model(simd_conv.without_gradient(x) if without_gradient else x)
            cost = tf.reduce_sum(tf.sin(3 * outputs))
        return [outputs, *tape.gradient(cost, sources)]

    compiled = tf.function(function).get_concrete_function(x)
    used = [op for op in compiled.graph.get_operations() if op.type.startswith("Mlphys")]
    return [array.numpy() for array in compiled(x)], used


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))


def convolutions(used):
    """Those of the forward pass, which take weights and biases."""
    return [op for op in used if len(op.inputs) == 3 and op.inputs[2].shape.rank == 1]


@pytest.mark.parametrize("name", CASES)
def test_batch_interleaved_layers_give_what_keras_gives(name):
    shape, layers, ours = CASES[name]
    x = tf.constant(np.random.default_rng(1).normal(size=(19, *shape)), tf.float32)
    expected, _ = traced(chain(keras.layers, layers, shape), x, ALL)
    found, used = traced(chain(simd_conv, layers, shape), x, ALL)
    assert len(convolutions(used)) == ours
    same(found, expected)


@pytest.mark.parametrize("simd", [SimdUnit(16, 24), SimdUnit(8, 12), SimdUnit(4, 24)])
@pytest.mark.parametrize("name", ["average pool of 4", "largest of tanh", "upsampled", "wide", "even kernels"])
@pytest.mark.parametrize("samples", [1, 16, 21])
def test_vectors_of_any_width_give_what_keras_gives(simd, name, samples, monkeypatch):
    monkeypatch.setattr(llvm, "simd_unit", lambda: simd)
    shape, layers, _ = CASES[name]
    x = tf.constant(np.random.default_rng(2).normal(size=(samples, *shape)), tf.float32)
    expected, _ = traced(chain(keras.layers, layers, shape), x, 0)
    found, used = traced(chain(simd_conv, layers, shape), x, ALL)
    assert used
    same(found, expected)


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_equal_values_give_the_gradient_to_the_same_pixel_as_keras(activation):
    layers = [("Conv2D", (3, 5), SAME | {"bias_initializer": "ones", "activation": activation})]
    layers.append(("MaxPooling2D", (2,), {}))
    x = np.random.default_rng(2).integers(0, 2, (4, 8, 8, 1)).astype(np.float32)  # many are equal
    models = [chain(library, layers, (8, 8, 1)) for library in (keras.layers, simd_conv)]
    for model in models:
        model.weights[0].assign(np.random.default_rng(3).integers(-1, 2, (5, 5, 1, 3)))
    (expected, _), (found, _) = (traced(model, tf.constant(x), ALL) for model in models)
    same(found, expected)


def test_no_input_gradient_is_computed_for_data():
    shape, layers, _ = CASES["two pools in a row"]
    x = tf.constant(np.random.default_rng(1).normal(size=(5, *shape)), tf.float32)
    whole, asked = traced(chain(simd_conv, layers, shape), x, ALL)
    found, not_asked = traced(chain(simd_conv, layers, shape), x, ALL, without_gradient=True)
    same(found, whole[:-1])
    assert len(not_asked) < len(asked)


def test_nan_stays_nan():
    for name in ("average pool of 4", "largest of tanh", "upsampled"):
        shape, layers, _ = CASES[name]
        x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
        x[1] = np.nan
        outputs = traced(chain(simd_conv, layers, shape), tf.constant(x), ALL)[0][0]
        assert np.isnan(outputs[1]).any()
        assert np.isfinite(outputs[[0, 2]]).all()


def test_two_calls_end_in_the_same_bytes():
    shape, layers, _ = CASES["two pools in a row"]
    x = tf.constant(np.random.default_rng(1).normal(size=(21, *shape)), tf.float32)
    first, second = (traced(chain(simd_conv, layers, shape), x, ALL)[0] for _ in range(2))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


def test_only_few_channels_are_worth_it_and_fewer_where_vectors_or_cores_are_idle():
    layers = [("Conv2D", (20, 3), SAME)]
    model = chain(simd_conv, layers, (6, 6, 20))

    def ours(samples, share):
        return bool(traced(model, tf.zeros((samples, 6, 6, 20)), share)[1])

    width = llvm.simd_unit().width
    assert ours(width, 1.0)
    assert not ours(width, 0.5)
    assert not ours(width + 1, 1.0)


def test_when_disabled_or_without_a_compiler_the_layers_are_keras_own(monkeypatch):
    shape, layers, _ = CASES["average pool of 4"]
    x = tf.zeros((3, *shape))
    assert not traced(chain(simd_conv, layers, shape), x, 0.0)[1]
    monkeypatch.setattr(llvm, "simd_unit", lambda: None)
    assert not traced(chain(simd_conv, layers, shape), x, ALL)[1]


def test_a_convolution_used_beside_its_fused_pooling_is_correct():
    """The model returns the convolution's output as well as the pooled one."""
    inputs = keras.Input((8, 8, 1))
    made = [simd_conv.Conv2D(3, 3, padding="same", activation="relu"), simd_conv.AveragePooling2D(2)]
    simd_conv.fuse_pooling(made)
    between = made[0](inputs)
    model = keras.Model(inputs, [between, made[1](between)])
    x = tf.constant(np.random.default_rng(1).normal(size=(5, 8, 8, 1)), tf.float32)

    @tf.function
    def both(x):
        with simd_conv.enabled(ALL):
            return model(x)

    map_, pooled = (array.numpy() for array in both(x))
    np.testing.assert_allclose(map_.reshape(5, 4, 2, 4, 2, 3).mean((2, 4)), pooled, atol=1e-6)
