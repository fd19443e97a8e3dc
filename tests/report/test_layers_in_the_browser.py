"""The layers that a page computes are Keras's, to 1e-4 of a layer's largest value."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator
from typing import Any, get_args

import numpy as np
import pytest

from mlphys.errors import Refusal
from mlphys.networks.forward_pass import NO_ARGUMENT, of_rows
from mlphys.networks.penalties.sparsity import KSparse
from mlphys.networks.penalties.variational import CodeMean
from mlphys.report.html import Html
from mlphys.report.live import Tensors, as_data, known_layers
from mlphys.report.page import page
from mlphys.schema.fields import ActivationName
from mlphys.schema.layers import LAYERS, Layer
from mlphys.schema.shapes import Row, trace
from tests.helpers.browser import Browser

SAMPLES = 2
FEW, NETS = 120, 300  # building one takes .05 s
Drawn = Callable[[np.random.Generator, tuple[int, ...]], Any]  # of the shape that a layer takes
ACTIVATIONS = get_args(ActivationName)
IMAGE, SEQUENCE, VECTOR = (7, 6, 3), (9, 3), (12,)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")

# for each layer the shapes it takes and values of its arguments, each of which is tried
TRIED: dict[str, tuple[list[tuple[int, ...]], list[dict[str, Any]]]] = {
    "Dense": ([VECTOR, SEQUENCE, IMAGE], [{"units": 5, "activation": name} for name in ACTIVATIONS]
              + [{"units": 4, "use_bias": False}]),
    "Conv2D": ([IMAGE, (5, 9, 2)], [
        {"filters": 4, "kernel_size": (3, 2)}, {"filters": 4, "kernel_size": 3, "padding": "same"},
        {"filters": 2, "kernel_size": (2, 4), "strides": (2, 3), "padding": "same", "activation": "softmax"},
        {"filters": 2, "kernel_size": 3, "strides": 2, "use_bias": False},
        {"filters": 3, "kernel_size": 2, "dilation_rate": (2, 3), "activation": "tanh"},
        {"filters": 3, "kernel_size": 3, "dilation_rate": 2, "padding": "same"},
    ]),
    "Conv2DTranspose": ([IMAGE, (3, 4, 2)], [
        {"filters": 4, "kernel_size": (3, 2)}, {"filters": 4, "kernel_size": 3, "padding": "same", "use_bias": False},
        {"filters": 2, "kernel_size": (3, 4), "strides": (2, 3), "padding": "same", "activation": "relu"},
        {"filters": 2, "kernel_size": 2, "strides": 3}, {"filters": 2, "kernel_size": 4, "strides": 2},
        {"filters": 2, "kernel_size": 2, "strides": 3, "padding": "same"},
    ]),
    "Conv1D": ([SEQUENCE], [
        {"filters": 4, "kernel_size": 3}, {"filters": 4, "kernel_size": 4, "padding": "same", "strides": 2},
        {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "activation": "elu"},
        {"filters": 3, "kernel_size": 2, "padding": "causal", "strides": 3, "use_bias": False},
    ]),
    "Conv1DTranspose": ([SEQUENCE], [
        {"filters": 4, "kernel_size": 3}, {"filters": 2, "kernel_size": 4, "strides": 2, "padding": "same"},
        {"filters": 2, "kernel_size": 2, "strides": 3, "use_bias": False},
    ]),
    **{f"{kind}Pooling2D": ([IMAGE, (8, 8, 1)], [
        {"pool_size": 2}, {"pool_size": (3, 2), "strides": (1, 2)}, {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": (2, 3), "padding": "same"},
    ]) for kind in ("Max", "Average")},
    **{f"{kind}Pooling1D": ([SEQUENCE], [
        {"pool_size": 2}, {"pool_size": 3, "strides": 1}, {"pool_size": 4, "strides": 2, "padding": "same"},
    ]) for kind in ("Max", "Average")},
    **{f"Global{kind}Pooling2D": ([IMAGE], [{}, {"keepdims": True}]) for kind in ("Max", "Average")},
    **{f"Global{kind}Pooling1D": ([SEQUENCE], [{}, {"keepdims": True}]) for kind in ("Max", "Average")},
    "Flatten": ([IMAGE, SEQUENCE], [{}]),
    "Reshape": ([VECTOR], [{"target_shape": (3, 4)}, {"target_shape": (2, -1, 3)}]),
    "Dropout": ([VECTOR], [{"rate": 0.5}]),
    "SpatialDropout2D": ([IMAGE], [{"rate": 0.5}]),
    "GaussianDropout": ([VECTOR], [{"rate": 0.5}]),
    "GaussianNoise": ([IMAGE], [{"stddev": 0.5}]),
    "BatchNormalization": ([IMAGE, VECTOR], [
        {}, {"center": False}, {"scale": False, "epsilon": 0.1}, {"scale": False, "center": False},
    ]),
    "LayerNormalization": ([IMAGE, VECTOR], [
        {}, {"center": False}, {"scale": False, "epsilon": 0.1}, {"scale": False, "center": False},
    ]),
    "Activation": ([SEQUENCE], [{"activation": name} for name in ACTIVATIONS]),
    "ReLU": ([VECTOR], [{}, {"max_value": 0.5}, {"negative_slope": 0.1, "threshold": 0.3},
                        {"negative_slope": 0.2, "max_value": 0.4, "threshold": 0.1}]),
    "LeakyReLU": ([VECTOR], [{}, {"negative_slope": 0.1}]),
    "ELU": ([VECTOR], [{}, {"alpha": 0.4}]),
    "Softmax": ([VECTOR, IMAGE], [{}]),
    "FixedConv2D": ([IMAGE], [
        {"kernel": [[-1, 0, 1], [-2, 0, 2]]}, {"kernel": [[[1, 2]], [[3, 4]]], "strides": 2, "padding": "same",
                                              "activation": "relu"},
    ]),
    "ZeroPadding2D": ([IMAGE], [{"padding": ((1, 2), (0, 3))}]),
    "Cropping2D": ([IMAGE], [{"cropping": ((1, 2), (0, 3))}]),
    "ZeroPadding1D": ([SEQUENCE], [{"padding": (1, 2)}]),
    "Cropping1D": ([SEQUENCE], [{"cropping": (1, 2)}]),
    "UpSampling2D": ([(3, 4, 2), (6, 6, 1)], [{"size": (2, 3), "interpolation": name} for name in INTERPOLATIONS]),
    "UpSampling1D": ([SEQUENCE], [{"size": 3}]),
}  # fmt: skip
OURS: list[tuple[Layer, tuple[int, ...]]] = [(KSparse(k=3), VECTOR), (CodeMean(), VECTOR)]


@pytest.fixture
def with_nets(browser, tmp_path) -> Browser:
    """A page that computes nets and shows none."""
    file = tmp_path / "page.html"
    file.write_text(page("layers", Html(""), []))
    browser.open(file)
    return browser


def test_the_page_computes_every_layer_of_the_table():
    assert set(LAYERS) <= known_layers()


def test_every_layer_of_the_table_is_compared():
    assert set(TRIED) == set(LAYERS)


def singles() -> Iterator[list[Row]]:
    for name, (shapes, values) in TRIED.items():
        for arguments in values:
            for shape in shapes:
                yield trace([LAYERS[name].model_validate(arguments)], shape, ("model", "layers"))
    for layer, shape in OURS:
        yield trace([layer], shape, ("model", "layers"))


def whole(low: int, high: int) -> Drawn:
    return lambda random, shape: int(random.integers(low, high + 1))


def pair(low: int, high: int) -> Drawn:
    return lambda random, shape: (whole(low, high)(random, shape), whole(low, high)(random, shape))


def pairs(low: int, high: int) -> Drawn:
    return lambda random, shape: (pair(low, high)(random, shape), pair(low, high)(random, shape))


def one_of(*values: Any) -> Drawn:
    return lambda random, shape: values[random.integers(len(values))]


def kernel(random: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Of one filter, or of several."""
    size = random.integers(1, 4, 2 + random.integers(2))
    return random.normal(size=size).round(3).tolist()


def target_shape(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """As many numbers as `shape` in one to three axes, one of which may be left open."""
    left, found = math.prod(shape), []
    for _ in range(random.integers(3)):
        divisors = [n for n in range(1, left + 1) if left % n == 0]
        found.append(divisors[random.integers(len(divisors))])
        left //= found[-1]
    found.append(left)
    if random.random() < 0.5:
        found[random.integers(len(found))] = -1
    return tuple(found)


FLAG = one_of(False, True)
# random values of each argument; layers of sequences take the first of a pair
DRAWN: dict[str, Drawn] = {
    "units": whole(1, 6), "filters": whole(1, 4), "kernel_size": pair(1, 4), "strides": pair(1, 3),
    "dilation_rate": pair(1, 3), "pool_size": pair(1, 3), "size": pair(1, 3), "padding": one_of("valid", "same"),
    "activation": one_of(None, *ACTIVATIONS), "use_bias": FLAG, "keepdims": FLAG, "center": FLAG, "scale": FLAG,
    "target_shape": target_shape, "rate": one_of(0.5), "stddev": one_of(0.5), "momentum": one_of(0.9),
    "epsilon": one_of(1e-3, 0.1), "max_value": one_of(None, 0.5, 2.0), "negative_slope": one_of(0.1, 0.3),
    "threshold": one_of(0.0, 0.3), "alpha": one_of(0.4, 1.0), "kernel": kernel, "cropping": pairs(0, 1),
    "interpolation": one_of(*INTERPOLATIONS),
}  # fmt: skip
DRAWN_OF_LAYER: dict[tuple[str, str], Drawn] = {
    ("Activation", "activation"): one_of(*ACTIVATIONS),
    ("Conv1D", "padding"): one_of("valid", "same", "causal"),
    ("ZeroPadding1D", "padding"): pairs(0, 2),
    ("ZeroPadding2D", "padding"): pairs(0, 2),
}
SHAPES = (lambda random: (*random.integers(3, 9, 2), random.integers(1, 4)), lambda random: random.integers(3, 9, 2),
          lambda random: random.integers(3, 13, 1))  # fmt: skip


def names_of_arguments(layer: type[Layer]) -> list[str]:
    return [name for name in layer.model_fields if not name.endswith(NO_ARGUMENT)]


def drawn_layer(name: str, random: np.random.Generator, shape: tuple[int, ...]) -> Layer:
    values = {}
    for argument in names_of_arguments(LAYERS[name]):
        value = (DRAWN_OF_LAYER.get((name, argument)) or DRAWN[argument])(random, shape)
        values[argument] = value[0] if "1D" in name and isinstance(value, tuple) else value
    return LAYERS[name].model_validate(values)


def random_nets(count: int) -> Iterator[list[Row]]:
    """Up to five random layers with random arguments, one after the other, of images, sequences and vectors in turn."""
    random = np.random.default_rng(0)
    names = sorted(LAYERS)
    for number in range(count):
        rows: list[Row] = []
        shape = given = tuple(int(n) for n in SHAPES[number % 3](random))
        for _ in range(40):
            layer = drawn_layer(names[random.integers(len(names))], random, shape)
            try:
                longer = trace([*(row.layer for row in rows), layer], given, ("model", "layers"))
            except Refusal:
                continue
            if math.prod(longer[-1].output_shape) <= 400:
                rows, shape = longer, longer[-1].output_shape
            if len(rows) == 1 + number % 5:
                break
        yield rows


def differences(browser: Browser, nets: list[list[Row]]) -> dict[str, float]:
    """Of each layer the largest difference from Keras, as a share of the layer's largest value."""
    import keras
    from keras import ops

    from mlphys.networks import builder, tensorflow

    tensorflow.reset_names()
    random = np.random.default_rng(1)
    sent, expected = [], []
    for rows in nets:
        network = builder.build(rows, 0)
        network.load_weights({
            name: (random.uniform(0.5, 2, value.shape) if name.endswith("variance")
                   else random.normal(0, 0.5, value.shape)).astype(np.float32)
            for name, value in network.weight_arrays().items()
        })  # fmt: skip
        x = random.normal(size=(SAMPLES, *rows[0].input_shape)).astype(np.float32)
        every = keras.Model(network.model.inputs[0], [layer.outputs[0] for layer in network.layers.values()])
        outputs = every(x) if len(rows) > 1 else [every(x)]
        expected.append(dict(zip(network.layers, map(ops.convert_to_numpy, outputs), strict=True)))
        tensors = Tensors()
        layers = as_data(of_rows(rows, network.weight_arrays()), tensors)
        number = tensors.add(x)
        sent.append({"layers": layers, "x": number, "steps": [], "targets": None, "tensors": tensors.data()})
    found = browser.run(
        """const written = (values) => btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(values).buffer)));
        return arguments[0].map((sent) => {
            const net = new page.Net(sent), x = page.read(sent.tensors)[sent.x];
            const size = x.values.length / arguments[1], one = (i) => x.values.subarray(i * size, (i + 1) * size);
            return Array.from({length: arguments[1]}, (_, i) =>
                net.outputs(one(i)).map(({shape, values}) => [shape, written(values)]));
        });""",
        sent,
        SAMPLES,
    )
    away = {}
    for number, (rows, keras_outputs, samples) in enumerate(zip(nets, expected, found, strict=True)):
        for i, row in enumerate(rows):
            theirs = keras_outputs[row.name]
            assert all(tuple(sample[i][0]) == row.output_shape for sample in samples), row
            ours = np.stack([np.frombuffer(base64.b64decode(sample[i][1]), "<f4") for sample in samples])
            largest = float(np.abs(theirs).max()) or 1.0
            name = f"net {number}, {row.name} {row.layer} of {row.input_shape}"
            away[name] = float(np.abs(ours.reshape(theirs.shape) - theirs).max()) / largest
    return away


@pytest.mark.slow
def test_every_layer_with_each_argument_is_kerass(with_nets):
    away = differences(with_nets, list(singles()))
    assert {name: by for name, by in away.items() if not by < 1e-4} == {}
    assert len(away) > 130


def test_random_nets_have_every_layer_with_every_argument():
    for name, layer in LAYERS.items():
        assert {*names_of_arguments(layer)} <= {*DRAWN} | {argument for of, argument in DRAWN_OF_LAYER if of == name}
    nets = list(random_nets(FEW))
    assert {type(row.layer).__name__ for rows in nets for row in rows} == {*LAYERS}
    assert all(nets)


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:(.|\n)*softmax over axis -1:UserWarning")  # of size 1, a constant
@pytest.mark.parametrize(
    "which", [slice(FEW), pytest.param(slice(FEW, None), marks=pytest.mark.property)], ids=["few", "the others"]
)
def test_random_nets_are_kerass(with_nets, which):
    away = differences(with_nets, list(random_nets(NETS))[which])
    assert {name: by for name, by in away.items() if not by < 1e-4} == {}


@pytest.mark.slow
def test_tied_layers_are_kerass(with_nets):
    from mlphys.networks.autoencoder_rows import chain

    dense = [LAYERS["Dense"].model_validate({"units": 5, "activation": "sigmoid"})]
    conv = [LAYERS["Conv2D"].model_validate({"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"})]
    back = [LAYERS["Dense"].model_validate({"units": 12})]
    wide = LAYERS["Conv2DTranspose"].model_validate({"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"})
    parts = [chain(dense, back, VECTOR, ("model",), [], True), chain(conv, [wide], (8, 6, 3), ("model",), [], True)]
    away = differences(with_nets, [encoder + code + decoder for encoder, code, decoder in parts])
    assert max(away.values()) < 1e-4
