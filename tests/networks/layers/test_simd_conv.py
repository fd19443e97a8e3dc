"""Batch-interleaved convolutions against Keras's own layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mlphys.native import processor
from mlphys.native.processor import SimdUnit
from mlphys.networks.layers import simd_conv
from mlphys.networks.layers.fusion import fuse

NORMALIZED = 1e-4  # tolerance: differences of large sums
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
    "normalized": (
        (9, 8, 2),
        [("Conv2D", (5, 3), SAME), ("BatchNormalization", (), {}), ("Activation", ("tanh",), {}),
         ("AveragePooling2D", ((3, 2),), {}), ("Conv2D", (3, 3), {"strides": 2}), ("BatchNormalization", (), {})],
        2,
    ),
    "activation of its own": (
        (8, 8, 1),
        [("Conv2D", (4, 5), SAME), ("ReLU", (), {}), ("MaxPooling2D", (2,), {}),
         ("Conv2D", (4, 5), SAME | TANH), ("ReLU", (0.3,), {})],
        2,
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
    "gelu and mish behind convolutions of Keras": (
        (8, 8, 4),
        [("Conv2D", (5, 3), {"dilation_rate": 2, "activation": "gelu"}),
         ("Conv2DTranspose", (3, 5), {"strides": 3, "activation": "mish"})],
        0,
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
    """The model of layers of a library, of Keras where it lacks one."""
    made = [getattr(library, name, getattr(keras.layers, name))(*given, **more) for name, given, more in layers]
    fuse(made)
    model = keras.Sequential([keras.Input(shape), *made])
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype == "float32":  # no state of a random generator
            weight.assign(rng.normal(size=weight.shape) * 0.3 + (weight.name == "moving_variance"))
    return model


def traced(model, x, share, without_gradient=False, training=False, parts=1):
    """Outputs and gradients of a function of them for the weights (and x); the compiled operations in the graph."""

    def function(x):
        sources = [weight.value for weight in model.trainable_variables]
        with simd_conv.enabled(share, parts), tf.GradientTape() as tape:
            if not without_gradient:
                tape.watch(x)
                sources.append(x)
            outputs = model(simd_conv.without_gradient(x) if without_gradient else x, training=training)
            cost = tf.reduce_sum(tf.sin(3 * outputs))
        return [outputs, *tape.gradient(cost, sources)]

    compiled = tf.function(function).get_concrete_function(x)
    used = [op for op in compiled.graph.get_operations() if op.type.startswith("Mlphys")]
    return [array.numpy() for array in compiled(x)], used


def same(found, expected, tolerance=1e-5):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * max(1, np.abs(b).max()))


def convolutions(used):
    """Those of the forward pass, which take weights and biases."""
    return [op for op in used if len(op.inputs) == 3 and op.inputs[1].shape.rank == 4 and op.inputs[2].shape.rank == 1]


def activations(used):
    return [
        op for op in used if len(op.inputs) == 1 and len(op.outputs) == 2 and op.inputs[0].shape == op.outputs[0].shape
    ]


def normalizations(used):
    """Those of the forward pass, which take factors and shifts."""
    return [op for op in used if len(op.inputs) == 3 and op.inputs[1].shape.rank == op.inputs[2].shape.rank == 1]


@pytest.mark.parametrize("name", CASES)
def test_batch_interleaved_layers_give_what_keras_gives(name):
    shape, layers, ours = CASES[name]
    x = tf.constant(np.random.default_rng(1).normal(size=(19, *shape)), tf.float32)
    expected, _ = traced(chain(keras.layers, layers, shape), x, ALL)
    found, used = traced(chain(simd_conv, layers, shape), x, ALL)
    assert len(convolutions(used)) == ours
    same(found, expected)


@pytest.mark.parametrize("simd", [SimdUnit(16, 24), SimdUnit(8, 12), SimdUnit(4, 24)])
@pytest.mark.parametrize(
    "name", ["average pool of 4", "largest of tanh", "upsampled", "wide", "even kernels", "normalized"]
)
@pytest.mark.parametrize("samples", [1, 16, 21])
def test_vectors_of_any_width_give_what_keras_gives(simd, name, samples, monkeypatch):
    monkeypatch.setattr(processor, "simd_unit", lambda: simd)
    shape, layers, _ = CASES[name]
    x = tf.constant(np.random.default_rng(2).normal(size=(samples, *shape)), tf.float32)
    expected, _ = traced(chain(keras.layers, layers, shape), x, 0, training=True)
    found, used = traced(chain(simd_conv, layers, shape), x, ALL, training=True)
    assert used
    same(found, expected, NORMALIZED if name == "normalized" else 1e-5)


def random_net(rng):
    """Shape of the input and layers: convolutions, and what may follow them, in any combination."""
    shape = (*(int(n) for n in rng.integers(6, 12, 2)), int(rng.integers(1, 4)))
    layers, size = [], shape[:2]

    def add(name, *given, **more):
        layers.append((name, given, more))

    for _ in range(int(rng.integers(1, 4))):
        kernel = tuple(int(rng.integers(1, min(n, 4) + 1)) for n in size)
        strides, padding = tuple(int(n) for n in rng.choice([1, 1, 2, 3], 2)), str(rng.choice(["same", "valid"]))
        activation = str(rng.choice(["linear", "linear", "relu", "sigmoid", "tanh", "elu"]))
        given = {"strides": strides, "padding": padding, "activation": activation, "use_bias": bool(rng.integers(2))}
        add("Conv2D", int(rng.integers(1, 5)), kernel, **given)
        trimmed = (0, 0) if padding == "same" else (k - 1 for k in kernel)
        size = [-(-(n - less) // step) for n, less, step in zip(size, trimmed, strides, strict=True)]
        if rng.integers(3):
            add("BatchNormalization", momentum=0.8, scale=bool(rng.integers(4)), center=bool(rng.integers(4)))
        if rng.integers(2):
            add("Activation", str(rng.choice(["relu", "sigmoid", "tanh", "elu"]))) if rng.integers(2) else add("ReLU")
        if rng.integers(2) and min(size) > 2:
            pool, padding = tuple(int(n) for n in rng.integers(1, 3, 2)), str(rng.choice(["same", "valid"]))
            add(str(rng.choice(["MaxPooling2D", "AveragePooling2D"])), pool, padding=padding)
            size = [(n + (p - 1) * (padding == "same")) // p for n, p in zip(size, pool, strict=True)]
        if rng.integers(3) == 0:
            add("Dropout", 0.3, seed=int(rng.integers(99)))
    return shape, layers


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("training", [False, True])
def test_any_net_gives_what_keras_gives_and_moves_its_means_alike(seed, training):
    rng = np.random.default_rng(seed)
    shape, layers = random_net(rng)
    x = tf.constant(rng.normal(size=(int(rng.integers(2, 40)), *shape)), tf.float32)
    theirs, ours = (chain(library, layers, shape) for library in (keras.layers, simd_conv))
    expected, _ = traced(theirs, x, 0.0, training=training)
    found, used = traced(ours, x, ALL, training=training, parts=int(rng.integers(1, 4)))
    assert convolutions(used), layers
    same(found, expected, NORMALIZED)
    same(*([weight.numpy() for weight in model.non_trainable_weights] for model in (ours, theirs)))


def test_a_normalization_after_a_convolution_is_computed_with_its_activation_and_pool():
    layers = [("Conv2D", (3, 3), SAME), ("BatchNormalization", (), {}), ("ReLU", (), {}), ("MaxPooling2D", (2,), {})]
    _, used = traced(chain(simd_conv, layers, (8, 8, 2)), tf.zeros((9, 8, 8, 2)), ALL, training=True)
    assert len(normalizations(used)) == 1
    assert normalizations(used)[0].outputs[0].shape[1:-1] == (4, 4, 3)
    _, used = traced(chain(simd_conv, layers[1:], (8, 8, 2)), tf.zeros((9, 8, 8, 2)), ALL, training=True)
    assert not used  # of what is not interleaved, Keras's own


def test_the_output_of_a_normalization_beside_its_fused_pool_has_keras_gradient():
    def gradients(library):
        inputs = keras.Input((6, 6, 1))
        made = [library.Conv2D(3, 3), library.BatchNormalization(), library.AveragePooling2D(2)]
        fuse(made)
        between = made[1](made[0](inputs))
        model = keras.Model(inputs, [between, made[2](between)])
        model.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in model.get_weights()])
        x = tf.constant(np.random.default_rng(1).normal(size=(5, 6, 6, 1)), tf.float32)

        @tf.function
        def function(x):
            with simd_conv.enabled(ALL), tf.GradientTape() as tape:
                normalized, pooled = model(x, training=True)
                cost = tf.reduce_sum(normalized**3) + tf.reduce_sum(pooled**2)
            return tape.gradient(cost, [weight.value for weight in model.trainable_variables])

        return [gradient.numpy() for gradient in function(x)]

    same(gradients(simd_conv), gradients(keras.layers))


def test_parts_of_a_batch_of_unknown_size_give_the_same_bytes():
    shape, layers, _ = CASES["two pools in a row"]
    model = chain(simd_conv, layers, shape)

    @tf.function(input_signature=[tf.TensorSpec((None, *shape))])
    def outputs(x):
        with simd_conv.enabled(ALL, parts=3):
            return model(x)

    x = tf.constant(np.random.default_rng(1).normal(size=(50, *shape)), tf.float32)
    whole, _ = traced(model, x, ALL)
    for samples in (1, 8, 21, 50):
        assert outputs(x[:samples]).numpy().tobytes() == whole[0][:samples].tobytes()


def test_a_batch_of_fewer_vectors_than_parts_is_normalized_as_by_keras():
    shape, layers, _ = CASES["normalized"]
    x = tf.constant(np.random.default_rng(1).normal(size=(3, *shape)), tf.float32)

    def results(library, share):
        model = chain(library, layers, shape)

        @tf.function(input_signature=[tf.TensorSpec((None, *shape))])
        def function(x):
            with simd_conv.enabled(share, parts=3), tf.GradientTape() as tape:
                outputs = model(x, training=True)
                cost = tf.reduce_sum(tf.sin(3 * outputs))
            return [outputs, *tape.gradient(cost, [weight.value for weight in model.trainable_variables])]

        return [array.numpy() for array in function(x)], [weight.numpy() for weight in model.non_trainable_weights]

    for found, expected in zip(results(simd_conv, ALL), results(keras.layers, 0.0), strict=True):
        same(found, expected, NORMALIZED)


@pytest.mark.parametrize(("share", "parts", "number"), [(1.0, 4, 2), (1.0, 5, 0), (0.0, 1, 0)])
def test_gelu_and_mish_take_one_pass_where_one_core_is_not_one_of_many(share, parts, number):
    shape, layers, _ = CASES["gelu and mish behind convolutions of Keras"]
    x = tf.constant(np.random.default_rng(1).normal(size=(7, *shape)), tf.float32)
    expected, _ = traced(chain(keras.layers, layers, shape), x, 0)
    model = chain(simd_conv, layers, shape)
    found, used = traced(model, x, share, parts=parts)
    assert len(activations(used)) == number
    same(found, expected)
    assert [layer.activation.__name__ for layer in model.layers] == ["gelu", "mish"]


def test_another_layer_than_the_fused_one_takes_the_plain_output():
    inputs = keras.Input((8, 8, 1))
    made = [simd_conv.Conv2D(3, 3, padding="same", activation="relu"), simd_conv.AveragePooling2D(2)]
    fuse(made)
    other = simd_conv.MaxPooling2D(4)
    between = made[0](inputs)
    model = keras.Model(inputs, [made[1](between), other(between), between])
    x = tf.constant(np.random.default_rng(1).normal(size=(5, 8, 8, 1)), tf.float32)

    @tf.function
    def all_three(x):
        with simd_conv.enabled(ALL):
            return model(x)

    _, largest, plain = (array.numpy() for array in all_three(x))
    np.testing.assert_allclose(largest, plain.reshape(5, 2, 4, 2, 4, 3).max((2, 4)), atol=1e-6)


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


@pytest.mark.parametrize("simd", [SimdUnit(16, 24), SimdUnit(8, 12), SimdUnit(4, 24)])
def test_only_few_channels_are_worth_it_and_fewer_where_vectors_or_cores_are_idle(simd, monkeypatch):
    monkeypatch.setattr(processor, "simd_unit", lambda: simd)
    layers = [("Conv2D", (24, 3), SAME)]
    model = chain(simd_conv, layers, (6, 6, 24))

    def ours(samples, share):
        return bool(traced(model, tf.zeros((samples, 6, 6, 24)), share)[1])

    assert ours(simd.width, 1.0)
    assert not ours(simd.width, 0.5)
    assert not ours(simd.width + 1, 1.0)


def test_when_disabled_or_without_a_compiler_the_layers_are_keras_own(monkeypatch):
    shape, layers, _ = CASES["average pool of 4"]
    x = tf.zeros((3, *shape))
    assert not traced(chain(simd_conv, layers, shape), x, 0.0)[1]
    monkeypatch.setattr(processor, "simd_unit", lambda: None)
    assert not traced(chain(simd_conv, layers, shape), x, ALL)[1]


def test_a_convolution_used_beside_its_fused_pooling_is_correct():
    """The model returns the convolution's output as well as the pooled one."""
    inputs = keras.Input((8, 8, 1))
    made = [simd_conv.Conv2D(3, 3, padding="same", activation="relu"), simd_conv.AveragePooling2D(2)]
    fuse(made)
    between = made[0](inputs)
    model = keras.Model(inputs, [between, made[1](between)])
    x = tf.constant(np.random.default_rng(1).normal(size=(5, 8, 8, 1)), tf.float32)

    @tf.function
    def both(x):
        with simd_conv.enabled(ALL):
            return model(x)

    map_, pooled = (array.numpy() for array in both(x))
    np.testing.assert_allclose(map_.reshape(5, 4, 2, 4, 2, 3).mean((2, 4)), pooled, atol=1e-6)
