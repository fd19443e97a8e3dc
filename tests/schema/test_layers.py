"""The table of layers against Keras: names, arguments, shapes, weights, receptive fields."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from mlphys.errors import Refusal
from mlphys.networks import builder
from mlphys.networks.autodiff import gradient
from mlphys.networks.layers import simd_conv
from mlphys.schema.initializers import INITIALIZERS, REGULARIZERS, Initializer
from mlphys.schema.layers import LAYERS, LayerField
from mlphys.schema.shapes import LARGEST_NETWORK, Row, trace

SAME = {"padding": "same"}
NO_BIAS = {"use_bias": False}
CASES = {
    "Dense": [
        ({"units": 3}, (5,)),
        ({"units": 3, "activation": "relu", **NO_BIAS}, (5,)),
        ({"units": 4, "kernel_regularizer": "l2", "bias_initializer": "ones"}, (6, 5, 2)),
    ],
    "Conv1D": [
        ({"filters": 3, "kernel_size": 4}, (11, 2)),
        ({"filters": 3, "kernel_size": 4, "strides": 3, **SAME}, (11, 2)),
        ({"filters": 3, "kernel_size": 3, "dilation_rate": 2, "padding": "causal"}, (11, 2)),
        ({"filters": 3, "kernel_size": 3, "dilation_rate": 2, **NO_BIAS}, (11, 2)),
    ],
    "Conv1DTranspose": [
        ({"filters": 3, "kernel_size": 3}, (5, 2)),
        ({"filters": 3, "kernel_size": 3, "strides": 2}, (5, 2)),
        ({"filters": 3, "kernel_size": 2, "strides": 3}, (5, 2)),
        ({"filters": 3, "kernel_size": 3, "strides": 2, **SAME, **NO_BIAS}, (5, 2)),
    ],
    "GlobalAveragePooling1D": [({}, (9, 2)), ({"keepdims": True}, (9, 2))],
    "GlobalMaxPooling1D": [({}, (9, 2)), ({"keepdims": True}, (9, 2))],
    "UpSampling1D": [({}, (5, 2)), ({"size": 3}, (5, 2))],
    "ZeroPadding1D": [({}, (5, 2)), ({"padding": 2}, (5, 2)), ({"padding": [0, 3]}, (5, 2))],
    "Cropping1D": [({}, (5, 2)), ({"cropping": 2}, (5, 2)), ({"cropping": [0, 3]}, (5, 2))],
    "Conv2D": [
        ({"filters": 3, "kernel_size": 3}, (8, 8, 1)),
        ({"filters": 3, "kernel_size": [5, 2], "strides": 2}, (9, 8, 2)),
        ({"filters": 3, "kernel_size": [5, 2], "strides": [3, 2], **SAME}, (10, 7, 2)),
        ({"filters": 3, "kernel_size": 3, "dilation_rate": [2, 1], **NO_BIAS}, (9, 8, 2)),
    ],
    "FixedConv2D": [
        ({"kernel": [[1, -2, 1]]}, (4, 5, 2)),
        ({"kernel": [{"Gauss": {"size": 3, "decay": 1}}, [[1, 0, 0]] * 3], "strides": [2, 1], **SAME}, (4, 5, 1)),
    ],
    "Conv2DTranspose": [
        ({"filters": 3, "kernel_size": 3}, (4, 5, 2)),
        ({"filters": 3, "kernel_size": 3, "strides": 2}, (4, 5, 2)),
        ({"filters": 3, "kernel_size": [2, 5], "strides": [3, 2]}, (4, 5, 2)),
        ({"filters": 3, "kernel_size": 3, "strides": 2, **SAME, **NO_BIAS}, (4, 5, 2)),
    ],
    "MaxPooling1D": [
        ({}, (9, 2)),
        ({"pool_size": 3, "strides": 2}, (9, 2)),
        ({"pool_size": 4, **SAME}, (9, 2)),
    ],
    "MaxPooling2D": [
        ({}, (9, 8, 2)),
        ({"pool_size": [3, 2], "strides": 1}, (9, 8, 2)),
        ({"pool_size": 4, **SAME}, (9, 8, 2)),
    ],
    "AveragePooling1D": [({"pool_size": 2}, (9, 2)), ({"pool_size": 3, "strides": 2, **SAME}, (9, 2))],
    "AveragePooling2D": [({"pool_size": 2}, (9, 8, 2)), ({"pool_size": [2, 3], "strides": 2, **SAME}, (9, 8, 2))],
    "GlobalAveragePooling2D": [({}, (9, 8, 2)), ({"keepdims": True}, (9, 8, 2))],
    "GlobalMaxPooling2D": [({}, (9, 8, 2)), ({"keepdims": True}, (9, 8, 2))],
    "UpSampling2D": [
        ({}, (3, 4, 2)),
        ({"size": [2, 3], "interpolation": "bilinear"}, (3, 4, 2)),
        ({"size": 3, "interpolation": "lanczos3"}, (3, 4, 2)),
    ],
    "ZeroPadding2D": [
        ({}, (3, 4, 2)),
        ({"padding": 2}, (3, 4, 2)),
        ({"padding": [1, 2]}, (3, 4, 2)),
        ({"padding": [[0, 1], [2, 3]]}, (3, 4, 2)),
    ],
    "Cropping2D": [
        ({}, (7, 8, 2)),
        ({"cropping": 2}, (7, 8, 2)),
        ({"cropping": [1, 2]}, (7, 8, 2)),
        ({"cropping": [[0, 1], [2, 3]]}, (7, 8, 2)),
    ],
    "Flatten": [({}, (3, 4, 2)), ({}, (5,))],
    "Reshape": [
        ({"target_shape": [2, 12]}, (3, 4, 2)),
        ({"target_shape": [2, -1, 3]}, (3, 4, 2)),
        ({"target_shape": [-1]}, (3, 4, 2)),
    ],
    "Dropout": [({"rate": 0.5}, (5,)), ({"rate": 0.0}, (3, 4, 2))],
    "SpatialDropout2D": [({"rate": 0.5}, (3, 4, 2))],
    "GaussianDropout": [({"rate": 0.5}, (3, 4, 2)), ({"rate": 0.0}, (5,))],
    "GaussianNoise": [({"stddev": 0.5}, (3, 4, 2)), ({"stddev": 0.0}, (5,))],
    "BatchNormalization": [
        ({}, (3, 4, 2)),
        ({"scale": False}, (5,)),
        ({"center": False, "gamma_regularizer": "l1"}, (5,)),
        ({"center": False, "scale": False}, (6, 2)),
    ],
    "LayerNormalization": [({}, (3, 4, 2)), ({"scale": False}, (5,)), ({"center": False}, (5,))],
    "Activation": [({"activation": "tanh"}, (3, 4, 2))],
    "ReLU": [({}, (5,)), ({"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}, (3, 4, 2))],
    "LeakyReLU": [({}, (5,)), ({"negative_slope": 0.1}, (3, 4, 2))],
    "ELU": [({}, (5,)), ({"alpha": 0.5}, (3, 4, 2))],
    "Softmax": [({}, (5,)), ({}, (3, 4, 2))],
}
ALL = [(name, arguments, shape) for name, cases in CASES.items() for arguments, shape in cases]


def rows_of(layers: list, shape: tuple[int, ...]) -> list[Row]:
    return trace(TypeAdapter(list[LayerField]).validate_python(layers), shape, ("model", "layers"))


def test_every_layer_has_its_cases():
    assert CASES.keys() == LAYERS.keys()


@pytest.mark.parametrize(("name", "arguments", "shape"), ALL)
def test_shapes_and_weights_are_those_that_keras_builds(name, arguments, shape):
    rows = rows_of([{name: arguments}], shape)
    network = builder.build(rows, seed=0)
    (layer,) = network.model.layers[1:]
    name = rows[0].layer.keras_layer()
    assert type(layer) is getattr(simd_conv, name, getattr(keras.layers, name))
    assert isinstance(layer, getattr(keras.layers, name))
    assert network.model.output_shape == (None, *rows[0].output_shape)
    assert [w.path.rpartition("/")[2] for w in layer.weights] == [n.rpartition(".")[2] for n in rows[0].weight_shapes()]
    assert {n: tuple(w.shape) for n, w in network.weights.items()} == rows[0].weight_shapes()
    assert [id(w) for w in network.weights.values()] == [id(w) for w in layer.weights]
    assert len(layer.trainable_weights) == len(rows[0].layer.weight_shapes(shape))
    assert layer.count_params() == rows[0].parameters()


@pytest.mark.parametrize(("name", "arguments", "shape"), [case for case in ALL if hasattr(keras.layers, case[0])])
def test_arguments_mean_what_they_mean_to_keras(name, arguments, shape):
    built = builder.build(rows_of([{name: arguments}], shape), seed=0).model.layers[1]
    in_keras = getattr(keras.layers, name)(**arguments)
    in_keras(keras.Input(shape))
    assert described(built) == described(in_keras)


def described(layer) -> dict:
    """What Keras says of a layer, apart from its name and seeds: mlphys gives those of its own."""
    config = {key: value for key, value in layer.get_config().items() if key not in ("name", "seed")}
    for value in config.values():
        if isinstance(value, dict):
            value.get("config", {}).pop("seed", None)
    return config


@pytest.mark.parametrize("name", [name for name, layer in LAYERS.items() if hasattr(keras.layers, name)])
def test_names_and_defaults_are_those_of_keras(name):
    signature = inspect.signature(getattr(keras.layers, name)).parameters
    common = {"activity_regularizer"}  # an argument of every layer, named only in some signatures
    for key, field in LAYERS[name].model_fields.items():
        if key not in signature:
            assert key in common
            continue
        default = signature[key].default
        assert field.is_required() == (default is inspect.Parameter.empty), key
        if not field.is_required():
            assert normal(field.default) == normal(default), key


def normal(default):
    """One form of a default: Keras names initializers in lower case and one number for both directions."""
    if isinstance(default, Initializer):
        return type(keras.initializers.get(type(default).__name__)).__name__
    if isinstance(default, str) and default in {"zeros", "ones", "glorot_uniform"}:
        return type(keras.initializers.get(default)).__name__
    if default == (1, 1) or (type(default) is int and default == 1):
        return ((1, 1), (1, 1))  # ZeroPadding1D, ZeroPadding2D; strides and dilation_rate go the same way on both sides
    return default


@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4), (2, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("name", [*INITIALIZERS, *REGULARIZERS])
def test_an_initializer_or_regularizer_takes_the_ranks_that_keras_takes(name, shape):
    if name in INITIALIZERS:
        taken = len(shape) in INITIALIZERS[name].ranks
        function, argument = getattr(keras.initializers, name)(), shape
    else:
        taken = len(shape) in REGULARIZERS[name].ranks
        function, argument = getattr(keras.regularizers, name)(), np.ones(shape, np.float32)
    if taken:
        function(argument)
    else:
        with pytest.raises(ValueError, match=r"2D|rank|dimensional"):
            function(argument)


IMAGE, SEQUENCE, FLAT = (8, 8, 2), (8, 2), (128,)
NOT_A_SEQUENCE = "needs a sequence (steps, channels); received 8 x 8 x 2; put a Reshape before it"
NOT_AN_IMAGE = "needs an image (height, width, channels); received 8 x 2; put a Reshape before it"
FLAT_ALREADY = (
    "needs an image (height, width, channels); received 128; put it before Flatten, or put a Reshape before it"
)
TOO_LARGE = "a window of {} does not fit into {}; use a smaller one in {}, less pooling before it, or padding: same"
NOT_BOTH = "strides and dilation_rate cannot both be greater than 1; set one of them to 1"
NUMBERS = "target_shape takes numbers of at least 1, and -1 at most once; received"
ON_SEQUENCES = (
    "Conv1D", "Conv1DTranspose", "MaxPooling1D", "AveragePooling1D", "GlobalAveragePooling1D",
    "GlobalMaxPooling1D", "UpSampling1D", "ZeroPadding1D", "Cropping1D",
)  # fmt: skip
ON_IMAGES = (
    "Conv2D", "Conv2DTranspose", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D",
    "GlobalMaxPooling2D", "UpSampling2D", "ZeroPadding2D", "Cropping2D", "SpatialDropout2D",
)  # fmt: skip
NOT_FITTING = [
    *((IMAGE, name, CASES[name][0][0], f"{name} {NOT_A_SEQUENCE}") for name in ON_SEQUENCES),
    *((SEQUENCE, name, CASES[name][0][0], f"{name} {NOT_AN_IMAGE}") for name in ON_IMAGES),
    *((FLAT, name, CASES[name][0][0], f"{name} {FLAT_ALREADY}") for name in ON_IMAGES),
    (IMAGE, "Conv2D", {"filters": 1, "kernel_size": 9}, TOO_LARGE.format(9, 8, "Conv2D")),
    (IMAGE, "Conv2D", {"filters": 1, "kernel_size": 5, "dilation_rate": 2}, TOO_LARGE.format(9, 8, "Conv2D")),
    (SEQUENCE, "Conv1D", {"filters": 1, "kernel_size": 9}, TOO_LARGE.format(9, 8, "Conv1D")),
    ((2, 2, 1), "MaxPooling2D", {"pool_size": 3}, TOO_LARGE.format(3, 2, "MaxPooling2D")),
    (SEQUENCE, "AveragePooling1D", {"pool_size": 9}, TOO_LARGE.format(9, 8, "AveragePooling1D")),
    (SEQUENCE, "Conv1D", {"filters": 1, "kernel_size": 2, "strides": 2, "dilation_rate": 2}, NOT_BOTH),
    (IMAGE, "Conv2D", {"filters": 1, "kernel_size": 2, "strides": 2, "dilation_rate": [1, 2]}, NOT_BOTH),
    (
        IMAGE,
        "Reshape",
        {"target_shape": [8, 8]},
        "8 x 8 x 2 = 128 values cannot be reshaped to 8 x 8; the product must be 128",
    ),
    (
        IMAGE,
        "Reshape",
        {"target_shape": [-1, 3]},
        "8 x 8 x 2 = 128 values cannot be reshaped to -1 x 3; the product must be 128",
    ),
    (IMAGE, "Reshape", {"target_shape": [-1, -1]}, f"{NUMBERS} -1 x -1"),
    (IMAGE, "Reshape", {"target_shape": [0, 1]}, f"{NUMBERS} 0 x 1"),
    (IMAGE, "Reshape", {"target_shape": [1] * 60 + [128]}, "target_shape has 61 axes; arrays have at most 60"),
    (SEQUENCE, "Cropping1D", {"cropping": [3, 5]}, "nothing of 8 x 2 is left after cropping; crop less"),
    (IMAGE, "Cropping2D", {"cropping": [1, 4]}, "nothing of 8 x 8 x 2 is left after cropping; crop less"),
]


@pytest.mark.parametrize(("shape", "name", "arguments", "message"), NOT_FITTING)
def test_a_shape_that_does_not_fit_is_refused_with_the_remedy(shape, name, arguments, message):
    (layer,) = TypeAdapter(list[LayerField]).validate_python([{name: arguments}])
    with pytest.raises(Refusal) as raised:
        layer.output_shape(shape)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("layers", "path", "message"),
    [
        (
            [{"Conv2D": {"filters": 2, "kernel_size": 3}}, {"MaxPooling2D": {"pool_size": 7}}],
            ("model", "layers", 1, "MaxPooling2D"),
            "a window of 7 does not fit into 6; use a smaller one in MaxPooling2D, less pooling before it, "
            "or padding: same",
        ),
        (
            [{"Conv2D": {"filters": 2, "kernel_size": 3, "kernel_initializer": "identity"}}],
            ("model", "layers", 0, "Conv2D", "kernel_initializer"),
            "Identity needs two axes; received 3 x 3 x 2 x 2; choose another initializer",
        ),
        (
            ["Flatten", {"Dense": {"units": 3, "bias_initializer": "orthogonal"}}],
            ("model", "layers", 1, "Dense", "bias_initializer"),
            "Orthogonal needs at least two axes; received 3; choose another initializer",
        ),
        (
            [{"Conv2D": {"filters": 2, "kernel_size": 3, "activity_regularizer": "orthogonal_regularizer"}}],
            ("model", "layers", 0, "Conv2D", "activity_regularizer"),
            "OrthogonalRegularizer needs two axes; received 1 x 6 x 6 x 2; choose another regularizer",
        ),
        (
            ["Flatten", {"Dense": {"units": 2_000_000}}, {"Dense": {"units": 3}}],
            ("model", "layers", 1, "Dense"),
            "the network would have more than 250000000 weights and outputs; use fewer units or filters, "
            "or pool before this layer",
        ),
        (
            [{"UpSampling2D": {"size": 5000}}],
            ("model", "layers", 0, "UpSampling2D"),
            "the network would have more than 250000000 weights and outputs; use fewer units or filters, "
            "or pool before this layer",
        ),
    ],
)
def test_a_chain_that_does_not_fit_is_refused_at_its_first_misfit(layers, path, message):
    with pytest.raises(Refusal) as raised:
        rows_of(layers, IMAGE)
    assert raised.value.path == path
    assert raised.value.text == message


def test_a_network_as_large_as_allowed_is_taken():
    (row,) = rows_of([{"Dense": {"units": LARGEST_NETWORK // 3}}], (1,))  # kernel, bias and outputs
    assert row.parameters() + row.output_shape[0] <= LARGEST_NETWORK


def test_each_row_is_named_by_its_place_and_fed_by_the_row_before():
    layers = [{"Conv2D": {"filters": 4, "kernel_size": 3}}, "Flatten", {"Dense": {"units": 3}}]
    rows = rows_of(layers, (8, 8, 1))
    assert [row.name for row in rows] == ["layers.0.Conv2D", "layers.1.Flatten", "layers.2.Dense"]
    assert [row.input_shape for row in rows] == [(8, 8, 1), (6, 6, 4), (144,)]
    assert [row.parameters() for row in rows] == [3 * 3 * 4 + 4, 0, 144 * 3 + 3]
    assert list(rows[2].weight_shapes()) == ["layers.2.Dense.kernel", "layers.2.Dense.bias"]


def convolution(size, **arguments) -> dict:
    return {"Conv2D": {"filters": 2, "kernel_size": size, "padding": "same", "kernel_initializer": "ones", **arguments}}


def transposed(size, strides) -> dict:
    arguments = {"filters": 1, "kernel_size": size, "strides": strides, "kernel_initializer": "ones"}
    return {"Conv2DTranspose": {**arguments, "padding": "same"}}


POOL = {"AveragePooling2D": {"pool_size": 2}}
RECEPTIVE_FIELDS = [
    ([convolution(5)], (5, 5)),
    ([convolution([3, 1])], (3, 1)),
    ([convolution(5), POOL], (6, 6)),
    ([convolution(5), POOL, convolution(5)], (14, 14)),
    ([convolution(5), POOL, convolution(5), POOL], (16, 16)),
    ([convolution(3), convolution(3), convolution(3)], (7, 7)),
    ([convolution(3, strides=2), convolution(3)], (7, 7)),
    ([convolution(3, strides=[2, 1]), convolution(3)], (7, 5)),
    ([convolution(3, dilation_rate=2), convolution(3)], (7, 7)),
    ([{"AveragePooling2D": {"pool_size": 3, "strides": 1}}, POOL], (4, 4)),
    ([convolution(3), {"BatchNormalization": {}}, {"ReLU": {}}, convolution(3)], (5, 5)),
    ([convolution(3), {"Dense": {"units": 2, "kernel_initializer": "ones"}}, convolution(3)], (5, 5)),
    ([{"ZeroPadding2D": {"padding": 2}}, convolution(3), {"Cropping2D": {"cropping": 1}}], (3, 3)),
    ([{"UpSampling2D": {"size": 2}}], (1, 1)),
    ([{"UpSampling2D": {"size": 2}}, convolution(3)], (2, 2)),
    ([POOL, {"UpSampling2D": {"size": 2}}, convolution(3)], (4, 4)),
    ([{"UpSampling2D": {"size": 2, "interpolation": "bilinear"}}], (2, 2)),
    ([{"UpSampling2D": {"size": 3, "interpolation": "bicubic"}}], (4, 4)),
    ([transposed(3, 2)], (2, 2)),
    ([transposed(3, 2), convolution(3)], (3, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "field"), RECEPTIVE_FIELDS, ids=str)
def test_the_receptive_field_is_where_the_gradient_of_an_output_is_not_zero(layers, field):
    rows = rows_of(layers, (24, 24, 1))
    assert rows[-1].receptive_field == field
    model = builder.build(rows, seed=0).model
    x = np.ones((1, 24, 24, 1), np.float32)
    row, column = (n // 2 for n in rows[-1].output_shape[:2])
    seen = [
        gradient(lambda z, i=i, j=j: model(z, training=False)[0, i, j], x)[0, :, :, 0] != 0
        for i in (row, row + 1, row + 2)  # where a layer enlarges, neighbours see more or less
        for j in (column, column + 1, column + 2)
    ]
    widest = [max(extent(pixels.any(axis=1 - axis)) for pixels in seen) for axis in (0, 1)]
    assert tuple(widest) == field


def extent(line: np.ndarray) -> int:
    """From the first pixel seen to the last."""
    (places,) = line.nonzero()
    return places[-1] - places[0] + 1


@pytest.mark.parametrize(
    "last",
    [
        "Flatten",
        "GlobalAveragePooling2D",
        {"GlobalMaxPooling2D": {"keepdims": True}},
        {"Reshape": {"target_shape": [4, 16, 2]}},
    ],
    ids=str,
)
def test_behind_a_layer_that_mixes_all_pixels_all_are_seen(last):
    rows = rows_of([convolution(3), last, {"Dense": {"units": 3}}], (8, 8, 1))
    assert [row.receptive_field for row in rows] == [(3, 3), None, None]


def test_the_initial_weights_follow_from_the_seed_alone():
    rows = rows_of(["Flatten", {"Dense": {"units": 4}}, {"Dense": {"units": 4}}], (2, 2, 1))
    first, again, other = (builder.build(rows, seed).weights for seed in (1, 1, 2))
    kernels = ["layers.1.Dense.kernel", "layers.2.Dense.kernel"]
    for name in kernels:
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    assert not np.array_equal(first[kernels[0]], first[kernels[1]])
