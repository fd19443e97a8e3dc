"""Configs from the JSON of Keras models, written out as Keras 3 writes it; no Keras is imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.cli import mlphys, reason


def layer(kind: str, **arguments: object) -> dict:
    """A layer as Keras writes it, with what it always writes."""
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    always = {"name": kind.lower(), "trainable": True, "dtype": policy}
    return {"module": "keras.layers", "class_name": kind, "config": always | arguments, "registered_name": None}


def inner(module: str, kind: str, **arguments: object) -> dict:
    return {"module": f"keras.{module}", "class_name": kind, "config": arguments, "registered_name": None}


def input_of(*shape: int | None) -> dict:
    return layer("InputLayer", batch_shape=[None, *shape], dtype="float32", sparse=False, ragged=False)


def sequential(*layers: dict, shape: tuple[int | None, ...] = (8, 8, 1), **compiled: object) -> dict:
    config = {"name": "net", "trainable": True, "layers": [input_of(*shape), *layers]}
    model = {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    return model | ({"compile_config": compiled} if compiled else {})


def functional(*layers: dict, calls: dict[str, object], ends: object) -> dict:
    """Layers with their calls, by the layers' names."""
    entries = [entry | {"name": entry["config"]["name"], "inbound_nodes": []} for entry in layers]
    for entry in entries:
        entry["inbound_nodes"] = calls.get(entry["name"], [])
    config = {"name": "net", "layers": entries, "input_layers": [["inputlayer", 0, 0]], "output_layers": ends}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def call(*names: str, **words: object) -> list:
    """A call of a layer on other layers' outputs, as Keras 3 writes it."""
    tensors = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None, 4], "dtype": "float32", "keras_history": [name, 0, 0]},
        }
        for name in names
    ]
    return [{"args": tensors if len(tensors) == 1 else [tensors], "kwargs": words}]


def dense(units: int, name: str = "dense", **arguments: object) -> dict:
    kernel = inner("initializers", "GlorotUniform", seed=None, input_axes=None, output_axes=None)
    usual = {"activation": "linear", "use_bias": True, "kernel_initializer": kernel, "kernel_constraint": None}
    return layer("Dense", name=name, units=units, **(usual | arguments))


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(model: object) -> str:
    Path("net.json").write_text(json.dumps(model))
    return mlphys("config", "from-keras", "net.json")


def refusal(model: object) -> str:
    Path("net.json").write_text(json.dumps(model))
    return reason("config", "from-keras", "net.json")


CONV = layer(
    "Conv2D",
    name="conv",
    filters=4,
    kernel_size=[3, 2],
    strides=[1, 1],
    padding="same",
    data_format="channels_last",
    dilation_rate=[1, 1],
    groups=1,
    activation="relu",
    use_bias=True,
    kernel_initializer=inner("initializers", "RandomNormal", mean=0.0, stddev=0.1, seed=None),
    kernel_regularizer=inner("regularizers", "L2", l2=0.01),
    bias_constraint=None,
)
SOFTMAX = dense(10, activation="softmax")


def test_a_classifier_with_its_optimizer_and_loss():
    rate = inner(
        "optimizers.schedules", "ExponentialDecay", initial_learning_rate=0.1, decay_steps=10, decay_rate=0.9,
        staircase=False, name="ExponentialDecay",
    )  # fmt: skip
    adam = inner("optimizers", "Adam", name="adam", learning_rate=rate, beta_1=0.8, use_ema=False, ema_momentum=0.99)
    steps = layer("Rescaling", scale=1 / 255, offset=0.0)
    drop = layer("Dropout", rate=0.1, seed=None, noise_shape=None)
    model = sequential(
        steps, CONV, drop, layer("Flatten", data_format="channels_last"), SOFTMAX,
        optimizer=adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False,
    )  # fmt: skip
    assert (
        written(model)
        == """\
# From net.json: 2,598 weights in 4 layers.
# batch_size and epochs are arguments of fit, which no file keeps: choose them.
# kind: classifier, as its loss is one of classes.
name: net
# Your samples: x of shape (n, 8, 8, 1), y with one of 10 classes for each; a dataset by its name is read too, as \
data: {name: mnist}.
data:
  name: array
  path: data.npz
  preprocess:
  - scale: 255.0
model:
  kind: classifier
  layers:
  - Conv2D:
      filters: 4
      kernel_size: [3, 2]
      padding: same
      activation: relu
      kernel_initializer:
        RandomNormal:
          mean: 0.0
          stddev: 0.1
      kernel_regularizer:
        L2:
          l2: 0.01
  - Dropout:
      rate: 0.1
  - Flatten
  - Dense:
      units: 10
      activation: softmax
training:
  optimizer:
    Adam:
      learning_rate:
        ExponentialDecay:
          initial_learning_rate: 0.1
          decay_steps: 10
          decay_rate: 0.9
          staircase: false
      beta_1: 0.8
  loss: CategoricalCrossentropy
  batch_size: 32
  epochs: 1
"""
    )


def test_a_float32_of_keras_is_the_number_that_was_written():
    sgd = inner("optimizers", "SGD", learning_rate=0.0010000000474974513, momentum=0.0)
    assert "SGD:\n      learning_rate: 0.001\n" in written(sequential(dense(2), shape=(3,), optimizer=sgd, loss="mse"))


def test_from_logits_is_the_activation_of_the_last_layer():
    loss = inner("losses", "BinaryCrossentropy", from_logits=True, label_smoothing=0.0, axis=-1)
    text = written(sequential(dense(1), shape=(3,), loss=loss | {"reduction": "sum_over_batch_size"}))
    assert "  - Dense:\n      units: 1\n      activation: sigmoid\n" in text
    assert "# from_logits=True is an activation here: the last layer has sigmoid.\n" in text


def test_the_strides_of_a_pool_are_written_where_they_are_not_its_size():
    def pool(strides: int) -> dict:
        return layer("MaxPooling2D", pool_size=[3, 3], strides=[strides, strides], padding="valid")

    text = written(sequential(CONV, pool(3), layer("Flatten"), SOFTMAX))
    assert "  - MaxPooling2D:\n      pool_size: [3, 3]\n  - Flatten" in text
    text = written(sequential(CONV, pool(2), layer("Flatten"), SOFTMAX))
    assert "  - MaxPooling2D:\n      pool_size: [3, 3]\n      strides: [2, 2]\n" in text


def test_a_functional_chain_is_read_in_the_order_of_its_calls_and_splits_where_the_fewest_values_are():
    layers = [dense(6, "last"), dense(2, "code", activation="relu"), input_of(6)]
    model = functional(
        *layers, calls={"code": call("inputlayer"), "last": call("code", mask=None)}, ends=[["last", 0, 0]]
    )
    text = written(model)
    assert "kind: autoencoder\n  encoder:\n  - Dense:\n      units: 2\n      activation: relu\n  decoder:" in text
    older = functional(
        *layers,
        calls={"code": [[["inputlayer", 0, 0, {}]]], "last": [[["code", 0, 0, {}]]]},
        ends=["last", 0, 0],
    )
    assert written(older) == text


def test_the_activation_of_a_code_in_a_layer_of_its_own_is_the_encoders():
    text = written(sequential(dense(2, "code"), layer("ReLU"), dense(6, "last"), shape=(6,)))
    encoder, _, decoder = text.partition("decoder:")
    assert "ReLU" in encoder
    assert "ReLU" not in decoder


def test_models_in_a_model_are_encoder_and_decoder():
    parts = [sequential(dense(5), dense(2, "code"), shape=(6,)), sequential(dense(3), dense(6), shape=(2,))]
    text = written(sequential(*parts, shape=(6,)))
    assert text.partition("decoder:")[0].count("Dense") == 2
    assert "the encoder ends where its first model does." in text


def test_normalization_is_standardize_and_a_rescaling_behind_a_regressor_scales_its_targets():
    text = written(
        sequential(
            layer("Normalization", axis=[-1], invert=False, mean=None, variance=None),
            dense(2),
            layer("Rescaling", scale=[2.0, 3.0], offset=[1.0, 1.0]),
            shape=(3,),
        )
    )
    assert "  preprocess: [standardize]\n  target_scaling: standardize\n" in text


BRANCHES = functional(
    input_of(4), dense(4, "a"), dense(4, "b"), layer("Add", name="sum"),
    calls={"a": call("inputlayer"), "b": call("inputlayer"), "sum": call("a", "b")}, ends=[["sum", 0, 0]],
)  # fmt: skip
OWN = layer("MyLayer", name="mine") | {"module": None, "registered_name": "Custom>MyLayer"}
TWICE = functional(
    input_of(4), dense(4, "a"), calls={"a": [*call("inputlayer"), *call("a")]}, ends=[["a", 1, 0]]
)  # fmt: skip
MY_ACTIVATION = {"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"}
FLOAT16 = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}, "registered_name": None}
CROSSED = functional(
    input_of(4), dense(4, "a"), dense(4, "b"), calls={"a": call("inputlayer"), "b": call("a")}, ends=[["a", 0, 0]]
)  # fmt: skip
FORKED = functional(
    input_of(4), dense(4, "a"), dense(4, "b"), calls={"a": call("inputlayer"), "b": call("inputlayer")},
    ends=[["a", 0, 0]],
)  # fmt: skip
MASKED = functional(input_of(4), dense(4, "a"), calls={"a": call("inputlayer", mask=[1])}, ends=[["a", 0, 0]])
UNKNOWN_INPUT = sequential(dense(3))
UNKNOWN_INPUT["config"]["layers"] = UNKNOWN_INPUT["config"]["layers"][1:]
LOGITS = inner("losses", "CategoricalCrossentropy", from_logits=True)


def normalization(**arguments: object) -> dict:
    return layer("Normalization", **({"axis": [-1], "invert": False, "mean": None, "variance": None} | arguments))


REFUSED = {
    "a length of the input that is nowhere": (
        UNKNOWN_INPUT,
        "net.json: the shape of its input is not in it; add keras.Input(shape) as the first layer, and save it again",
    ),
    "an input of whole numbers": (
        {
            **sequential(),
            "config": {
                "name": "net",
                "layers": [
                    layer("InputLayer", batch_shape=[None, 4], dtype="int64"),
                    dense(3),
                ],
            },
        },
        "net.json: InputLayer (inputlayer): takes int64; only float32 is read",
    ),
    "weights of losses": (
        sequential(SOFTMAX, optimizer="sgd", loss="mse", loss_weights=[0.5]),
        "net.json: compile: loss_weights: a config has no such thing; leave it out, and save again",
    ),
    "logits of what is not Dense": (
        sequential(CONV, layer("Flatten"), optimizer="sgd", loss=LOGITS),
        "net.json: Flatten (flatten): the loss has from_logits=True, which is read only behind a linear Dense layer",
    ),
    "no list of layers": (
        {**sequential(), "config": {"name": "net", "layers": []}},
        "net.json: has no layers",
    ),
    "arguments that are a list": (
        sequential({**dense(3), "config": [1, 2]}),
        "net.json: Dense: its config is no object of arguments; write the file again with model.save",
    ),
    "a layer that is no model": (
        dense(3),
        "net.json: Dense (dense): is no Sequential or Functional model; only these are read",
    ),
    "two ends": (
        FORKED,
        "net.json: Functional (net): has several inputs, or branches; only a chain of layers is read",
    ),
    "an output in the middle": (
        CROSSED,
        "net.json: Functional (net): its output is not the end of one chain of all layers; only a chain is read",
    ),
    "a mask": (MASKED, "net.json: Functional (net): its layer a is called with {'mask': [1]}; only an input is read"),
    "an axis beyond the sample": (
        sequential(normalization(axis=[7]), SOFTMAX, shape=(3,)),
        "net.json: Normalization (normalization): axis: [7]: expected axes of a sample",
    ),
    "a Normalization the other way round": (
        sequential(normalization(invert=True), SOFTMAX, shape=(3,)),
        "net.json: Normalization (normalization): invert=True belongs at the end of a net, not before it",
    ),
    "moments of another size": (
        sequential(normalization(mean=[0.0, 0.0], variance=[1.0, 1.0]), SOFTMAX, shape=(3,)),
        "net.json: Normalization (normalization): its mean and variance do not have the shape (3,)",
    ),
    "moments that are words": (
        sequential(normalization(mean="zero", variance=[1.0]), SOFTMAX, shape=(3,)),
        "net.json: Normalization (normalization): mean: expected numbers; received zero",
    ),
    "moments that are not finite": (
        sequential(normalization(mean=[float("inf")], variance=[1.0]), SOFTMAX, shape=(3,)),
        "net.json: Normalization (normalization): mean: holds values that are not finite",
    ),
    "an argument that is another class": (
        sequential(dense(3, kernel_initializer=inner("layers", "LSTM", units=3))),
        "net.json: Dense (dense): kernel_initializer: LSTM: nothing that the config language has",
    ),
    "a scale of zero": (
        sequential(layer("Rescaling", scale=0.0, offset=0.0), SOFTMAX),
        "net.json: Rescaling (rescaling): x scale + offset is read for one scale above 0 and the offset 0; use "
        "Normalization, or scale the data itself",
    ),
    "Lambda": (
        sequential(layer("Lambda", name="mine", function={"class_name": "__lambda__", "config": {"code": "4wEAAA"}})),
        "net.json: Lambda (mine): is code, which is not read; write what it does with layers of Keras",
    ),
    "a custom layer": (
        sequential(OWN),
        "net.json: MyLayer (mine): is a class of the author's (Custom>MyLayer); only Keras's own layers are read",
    ),
    "a module": (
        sequential(layer("Dense", units=3) | {"module": "os"}),
        "net.json: Dense (dense): is a class of the author's (os); only Keras's own layers are read",
    ),
    "a custom activation": (
        sequential(dense(3, activation=MY_ACTIVATION)),
        "net.json: Dense (dense): activation: is a function of the author's (mine); it is not read",
    ),
    "a custom model": (
        sequential(dense(3)) | {"class_name": "MyModel", "module": "mine", "registered_name": "Custom>MyModel"},
        "net.json: MyModel (net): is a class of the author's (Custom>MyModel); only Keras's own layers are read",
    ),
    "branches": (
        BRANCHES,
        "net.json: Functional (net): its layer sum takes several inputs, or others than one layer's output; only a "
        "chain is read",
    ),
    "a layer used twice": (
        TWICE,
        "net.json: Functional (net): its layer a is used several times; only a chain is read",
    ),
    "a layer without an entry": (
        sequential(layer("LSTM", units=3)),
        "net.json: LSTM (lstm): no layer of the config language; `mlphys list layers` has them",
    ),
    "groups": (
        sequential(CONV | {"config": CONV["config"] | {"groups": 2}}),
        "net.json: Conv2D (conv): groups: 2: an argument that the config language does not have",
    ),
    "a constraint": (
        sequential(dense(3, kernel_constraint=inner("constraints", "NonNeg"))),
        "net.json: Dense (dense): kernel_constraint: NonNeg: an argument that the config language does not have",
    ),
    "a frozen layer": (
        sequential(dense(3, trainable=False)),
        "net.json: Dense (dense): is frozen, which a config cannot say of single layers; set its trainable to True",
    ),
    "half precision": (
        sequential(dense(3, dtype=FLOAT16)),
        "net.json: Dense (dense): computes in mixed_float16; only float32 is read",
    ),
    "an absurd size": (
        sequential(dense(10**12)),
        "net.json: Dense (dense): Dense.units: must be at most 100000000; received 1000000000000",
    ),
    "too many weights": (
        sequential(dense(90_000, "a"), dense(90_000, "b"), shape=(3,)),
        "net.json: model.layers.1.Dense: the network would have more than 250000000 weights and outputs; use fewer "
        "units or filters, or pool before this layer",
    ),
    "an unknown length": (
        sequential(dense(3), shape=(None, 4)),
        "net.json: InputLayer (inputlayer): takes samples of [None, None, 4]; every length but the first must be a "
        "number",
    ),
    "a layer that does not fit": (
        sequential(layer("Flatten"), CONV),
        "net.json: Conv2D (conv): Conv2D needs an image (height, width, channels); received 64; put it before "
        "Flatten, or put a Reshape before it",
    ),
    "an optimizer without an entry": (
        sequential(SOFTMAX, optimizer=inner("optimizers", "Muon", learning_rate=0.1), loss="mse"),
        "net.json: Muon: no optimizer of the config language; `mlphys list optimizers` has them",
    ),
    "several losses": (
        sequential(SOFTMAX, loss=["mse", "mae"]),
        "net.json: loss: expected a class of Keras with its arguments; received ['mse', 'mae']",
    ),
    "a number that is not finite": (
        sequential(layer("Dropout", rate=float("nan")), SOFTMAX),
        "net.json: Dropout (dropout): Dropout.rate: expected a finite number; received nan",
    ),
    "no layers": (sequential(), "net.json: has no layers that a net could have"),
    "another JSON": ({"a": 1}, "net.json: the model: expected a class of Keras with its arguments; received {'a': 1}"),
    "an empty axis": (
        sequential(dense(3), shape=(0,)),
        "net.json: InputLayer (inputlayer): takes samples of [None, 0]; every length but the first must be a number",
    ),
    "a length beyond all memory": (
        sequential(dense(3), shape=(10**12,)),
        "net.json: InputLayer (inputlayer): takes samples of [None, 1000000000000]; every length but the first must "
        "be a number",
    ),
    "an encoder that keeps the rows of an image apart": (
        sequential(dense(2, "a"), dense(4, "b"), shape=(4, 4)),
        "net.json: Dense (a): acts on the last axis of 4 x 4, and an encoder that begins with Dense takes all values "
        "in one row; put Flatten before it",
    ),
    "more layers than anybody trains": (
        sequential(*[layer("Flatten")] * 1000),
        "net.json: Sequential (net): expected a list of at most 1000 layers; received "
        "[{'module': 'keras.layers', 'class_name': 'InputLayer', '...",
    ),
    "a negative scale": (
        sequential(layer("Rescaling", scale=-1.0, offset=0.0), SOFTMAX),
        "net.json: Rescaling (rescaling): x scale + offset is read for one scale above 0 and the offset 0; use "
        "Normalization, or scale the data itself",
    ),
    "targets scaled twice": (
        sequential(dense(2), *[layer("Rescaling", scale=2.0, offset=1.0)] * 2, shape=(3,)),
        "net.json: Rescaling (rescaling): follows the net; only a regressor's outputs can be scaled",
    ),
    "models in models": (
        None,
        "net.json: Sequential (net): models inside models, more than 10 deep",
    ),
    "a scale behind layers": (
        sequential(SOFTMAX, layer("Rescaling", scale=2.0, offset=0.0)),
        "net.json: Rescaling (rescaling): follows the net; only a regressor's outputs can be scaled",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_config_cannot_say_is_refused_with_the_layer(case):
    model, message = REFUSED[case]
    if model is None:
        model = sequential(dense(3))
        for _ in range(12):
            model = sequential(model)
    assert refusal(model) == message


@pytest.mark.parametrize(("scale", "by"), [(1 / 49, 49.0), (0.003921568859368563, 255.0), (0.3, 1 / 0.3)])
def test_a_scale_is_the_whole_number_that_it_is_the_rounded_inverse_of(scale, by):
    """1 / (1 / 49) is 49.00000000000001, and 1 / 255 in float32 the inverse of 254.99999."""
    assert f"  - scale: {by}\n" in written(sequential(layer("Rescaling", scale=scale, offset=0.0), SOFTMAX, shape=(3,)))


def test_a_number_beyond_float32_is_refused_without_a_warning():
    model = sequential(layer("GaussianNoise", stddev=1e300), SOFTMAX)
    assert refusal(model).startswith("net.json: GaussianNoise (gaussiannoise): GaussianNoise.stddev: ")


def test_json_that_is_nested_without_end_is_refused():
    Path("net.json").write_text('{"a":' * 100_000)
    assert reason("config", "from-keras", "net.json").startswith("net.json: not readable as JSON (")


def test_a_name_with_a_line_break_stays_in_its_comment():
    name = "a\n- b.json"
    Path(name).write_text(json.dumps(sequential(SOFTMAX, shape=(8,))))
    assert mlphys("config", "from-keras", name).splitlines()[0] == "# From a\\n- b.json: 90 weights in 1 layer."


def test_the_weights_of_a_text_are_refused_and_so_is_a_config_that_exists():
    Path("net.json").write_text(json.dumps(sequential(SOFTMAX, shape=(8,))))
    assert reason("config", "from-keras", "net.json", "--weights", "--out", "net.yaml") == (
        "net.json: the text of a model has no weights; write it again with model.save('name.keras') in Keras 3, "
        "or leave --weights out"
    )
    assert reason("config", "from-keras", "net.json", "--weights").startswith("--weights writes a file beside")
    Path("net.yaml").write_text("mine")
    assert "net.yaml: exists; it is not overwritten" in reason("config", "from-keras", "net.json", "--out", "net.yaml")
    assert Path("net.yaml").read_text() == "mine"
