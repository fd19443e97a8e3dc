"""Every layer of the table with its arguments gives the same numbers in ONNX, and as a layer of plain Keras."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.export.exporting import formats
from mlphys.networks import penalized
from mlphys.networks.pretrained_encoder import CodeLayerField
from mlphys.numerics.randomness import rng
from mlphys.schema.fields import ActivationName
from mlphys.schema.layers import LAYERS, Layer
from mlphys.schema.shapes import trace
from tests.helpers.extras import needs

IMAGE, SEQUENCE, ROW = (7, 6, 3), (9, 3), (8,)
CLOSE = 1e-5  # of the largest value

BLUR = [[0, 1, 0], [1, 2, 1], [0, 1, 0], [0, 0, 1]]

# At least one for each layer: the shape of a sample, and its arguments.
CASES = {
    "Dense": [
        (ROW, {"units": 4}),
        (IMAGE, {"units": 2, "use_bias": False}),
        *((ROW, {"units": 4, "activation": name}) for name in get_args(ActivationName)),
    ],
    "Conv2D": [
        (IMAGE, {"filters": 4, "kernel_size": [3, 2]}),
        (IMAGE, {"filters": 2, "kernel_size": [2, 4], "padding": "same", "activation": "softmax"}),
        (IMAGE, {"filters": 2, "kernel_size": 3, "padding": "same", "strides": [2, 3], "use_bias": False}),
        (IMAGE, {"filters": 2, "kernel_size": 2, "padding": "same", "dilation_rate": [2, 3]}),
        (IMAGE, {"filters": 2, "kernel_size": 1, "padding": "same", "strides": 3}),
    ],
    "Conv2DTranspose": [
        (IMAGE, {"filters": 4, "kernel_size": [3, 2]}),
        (IMAGE, {"filters": 2, "kernel_size": [4, 3], "strides": 2, "padding": "same", "activation": "tanh"}),
        (IMAGE, {"filters": 2, "kernel_size": 2, "strides": [3, 4], "padding": "same", "use_bias": False}),
        (IMAGE, {"filters": 2, "kernel_size": 2, "strides": 3}),
    ],
    "Conv1D": [
        (SEQUENCE, {"filters": 4, "kernel_size": 4}),
        (SEQUENCE, {"filters": 4, "kernel_size": 4, "padding": "same", "strides": 2}),
        (SEQUENCE, {"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "activation": "relu"}),
        (SEQUENCE, {"filters": 2, "kernel_size": 4, "padding": "causal", "strides": 2}),
    ],
    "Conv1DTranspose": [
        (SEQUENCE, {"filters": 4, "kernel_size": 4, "strides": 3}),
        (SEQUENCE, {"filters": 4, "kernel_size": 5, "strides": 2, "padding": "same"}),
        (SEQUENCE, {"filters": 4, "kernel_size": 2, "strides": 3, "padding": "same"}),
    ],
    "MaxPooling2D": [
        (IMAGE, {}),
        (IMAGE, {"pool_size": [2, 3], "strides": [1, 2], "padding": "same"}),
        (IMAGE, {"pool_size": 2, "strides": 3, "padding": "same"}),
    ],
    "AveragePooling2D": [(IMAGE, {"pool_size": 2}), (IMAGE, {"pool_size": [3, 2], "strides": 2, "padding": "same"})],
    "MaxPooling1D": [(SEQUENCE, {}), (SEQUENCE, {"pool_size": 4, "strides": 2, "padding": "same"})],
    "AveragePooling1D": [(SEQUENCE, {"pool_size": 2}), (SEQUENCE, {"pool_size": 4, "strides": 3, "padding": "same"})],
    "GlobalAveragePooling2D": [(IMAGE, {}), (IMAGE, {"keepdims": True})],
    "GlobalMaxPooling2D": [(IMAGE, {}), (IMAGE, {"keepdims": True})],
    "GlobalAveragePooling1D": [(SEQUENCE, {}), (SEQUENCE, {"keepdims": True})],
    "GlobalMaxPooling1D": [(SEQUENCE, {}), (SEQUENCE, {"keepdims": True})],
    "Flatten": [(IMAGE, {})],
    "Reshape": [(IMAGE, {"target_shape": [6, -1, 7]})],
    "Dropout": [(ROW, {"rate": 0.5})],
    "SpatialDropout2D": [(IMAGE, {"rate": 0.5})],
    "GaussianDropout": [(ROW, {"rate": 0.5})],
    "GaussianNoise": [(ROW, {"stddev": 0.5})],
    "BatchNormalization": [
        (IMAGE, {}),
        (ROW, {"center": False, "epsilon": 0.1}),
        (SEQUENCE, {"scale": False}),
        (ROW, {"center": False, "scale": False}),
    ],
    "LayerNormalization": [
        (IMAGE, {}),
        (ROW, {"center": False, "epsilon": 0.1}),
        (SEQUENCE, {"scale": False}),
        (ROW, {"center": False, "scale": False}),
    ],
    "Activation": [(IMAGE, {"activation": name}) for name in ("softmax", "log_softmax", "gelu")],
    "ReLU": [
        (ROW, {}),
        (ROW, {"max_value": 0.7}),
        (ROW, {"max_value": 6.0, "negative_slope": 0.2}),
        (ROW, {"threshold": 0.3}),
        (ROW, {"max_value": 0.7, "negative_slope": 0.2, "threshold": 0.3}),
    ],
    "LeakyReLU": [(ROW, {}), (ROW, {"negative_slope": 0.01})],
    "ELU": [(ROW, {}), (ROW, {"alpha": 0.3})],
    "Softmax": [(SEQUENCE, {})],
    "FixedConv2D": [
        (IMAGE, {"kernel": [BLUR, BLUR[::-1]], "activation": "relu"}),
        (IMAGE, {"kernel": BLUR, "padding": "same", "strides": 2}),
    ],
    "ZeroPadding2D": [(IMAGE, {}), (IMAGE, {"padding": [[0, 1], [2, 3]]})],
    "Cropping2D": [(IMAGE, {"cropping": [[0, 1], [2, 1]]})],
    "ZeroPadding1D": [(SEQUENCE, {"padding": [2, 0]})],
    "Cropping1D": [(SEQUENCE, {"cropping": [1, 3]})],
    "UpSampling2D": [
        (IMAGE, {"size": [2, 3], "interpolation": name})
        for name in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    ],
    "UpSampling1D": [(SEQUENCE, {"size": 3})],
    "KSparse": [(ROW, {"k": 3})],
    "CodeMean": [(ROW, {})],
}
EVERY = [(name, shape, arguments) for name, cases in CASES.items() for shape, arguments in cases]


def test_the_cases_have_every_layer_of_the_table():
    assert set(CASES) == {*LAYERS, *penalized.code_layer_kinds()}


@pytest.fixture(scope="module")
def chains():
    """Of each case the layer's rows, network with random weights, samples and outputs."""
    from mlphys.networks.builder import build

    choice, found = CodeLayerField.__metadata__[0], []
    for i, (name, shape, arguments) in enumerate(EVERY):
        random = rng(i, "a layer")
        rows = trace([choice.validate({name: arguments})], shape, ("model",))
        network = build(rows, seed=i)
        weights = {key: random.normal(size=value.shape).astype("f4") for key, value in network.weights.items()}
        weights |= {key: np.abs(value) + 0.1 for key, value in weights.items() if key.endswith("variance")}
        network.load_weights(weights)
        x = random.normal(size=(5, *shape)).astype("f4")
        x[0] = np.round(x[0])  # equal values, and those at the thresholds
        found.append((rows, weights, x, np.asarray(network.model(x, training=False))))
    return found


def furthest(chains, computed):
    """The largest difference of each case, relative to its largest value, where it is not close."""
    found = {}
    for case, chain in zip(EVERY, chains, strict=True):
        rows, weights, x, expected = chain
        got = computed(rows, weights, x)
        assert got.shape == expected.shape, case
        difference = float(np.abs(got - expected).max() / np.abs(expected).max())
        if not difference <= CLOSE:
            found[str(case)] = difference
    return found


def test_every_layer_gives_the_same_numbers_in_onnx(chains):
    needs("onnxruntime")
    from mlphys.export.formats.onnx import Onnx

    def computed(rows, weights, x):
        graph = Onnx().writer("layer")
        out = graph.chain(rows, weights, graph.input(x.shape[1:]), x.shape[1:])
        return Onnx().outputs(graph.content({"y": out}), x, ["y"])["y"]

    assert furthest(chains, computed) == {}


def test_every_layer_gives_the_same_numbers_as_one_of_plain_keras(chains):
    import keras

    from mlphys.export.formats.keras import Keras

    def computed(rows, weights, x):
        graph = Keras().writer("layer")
        inputs = graph.input(x.shape[1:])
        model = keras.Model(inputs, graph.chain(rows, weights, inputs, x.shape[1:]))
        assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
        return np.asarray(model(x, training=False))

    assert furthest(chains, computed) == {}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("onnx", "layers.0.Unheard: the layer Unheard has no ONNX form; --format keras has it"),
        ("keras", "layers.0.Unheard: the layer Unheard is none of Keras's; --format onnx has it"),
    ],
)
def test_a_layer_that_a_format_does_not_know_is_refused_by_its_name(name, why):
    class Unheard(Layer):
        """A layer that is in no table."""

    graph = formats()[name]().writer("net")
    with pytest.raises(UserError) as refused:
        graph.chain(trace([Unheard()], ROW, ("model", "layers")), {}, graph.input(ROW), ROW)
    assert str(refused.value) == why
