"""What a message tells to write is right: each remedy is followed, and what was refused is accepted."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path

import pytest

from mlphys.config.load import load
from mlphys.config.reference import every_key
from mlphys.errors import UserError
from mlphys.schema.document import parse

CONFIG = """\
name: small
data: DATA
model:
  kind: classifier
  layers:
    - LAYER
    - Flatten
    - Dense: {units: 10, activation: softmax}
training:
  optimizer: OPTIMIZER
  loss: LOSS
  epochs: EPOCHS
  early_stopping: {monitor: MONITOR, patience: 5}
plots: PLOTS
"""
RIGHT = {
    "DATA": "{name: digits, validation: 200, test: 400}",
    "LAYER": "Conv2D: {filters: 4, kernel_size: 3, activation: relu}",
    "OPTIMIZER": "{Adam: {learning_rate: 1e-3}}",
    "LOSS": "categorical_crossentropy",
    "EPOCHS": "2",
    "MONITOR": "validation_loss",
    "PLOTS": "[learning_curves]",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def filled(**changed: str) -> Path:
    """The config with some of its parts changed, as a file."""
    text = CONFIG
    for part, value in {**RIGHT, **changed}.items():
        text = text.replace(part, value)
    Path("f.yaml").write_text(text)
    return Path("f.yaml")


def refusal(path: Path, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(UserError) as raised:
        load(path, overrides)
    return str(raised.value)


def remedy(message: str) -> str:
    """What it tells to write."""
    found = re.search(r"(?:write|did you mean) (.+?)(?:; as an option.*|\?.*|, or \{.*| \(.*)?$", message)
    assert found, message
    return found[1]


WRONG = [
    # Keras code
    ("LAYER", "Conv2D(7,[5,5],activation='relu',padding='same')"),
    ("LAYER", 'layers.Conv2D(7, (5, 5), activation="relu"),'),
    ("LAYER", "model.add(Conv2D(7, (5, 5), kernel_regularizer=l2(0.01), name='first'))"),
    ("LAYER", "keras.layers.Conv2D(7, 3, kernel_initializer=keras.initializers.RandomNormal(stddev=0.1))"),
    ("LAYER", "Flatten()"),
    ("LAYER", "tf.keras.layers.MaxPooling2D((2, 2))"),
    ("LAYER", "Dropout(0.5)"),
    ("LAYER", "Conv2D: [7, [5, 5], relu, same]"),
    ("LAYER", "Dense: [10, relu]"),
    ("LAYER", "Flatten: 3"),
    ("OPTIMIZER", "SGD(learning_rate=1.0)"),
    ("OPTIMIZER", "keras.optimizers.Adam(1e-3)"),
    ("OPTIMIZER", "SGD(ExponentialDecay(0.1, 1000, 0.9), momentum=0.9, nesterov=True)"),
    ("LOSS", "keras.losses.CategoricalCrossentropy(label_smoothing=0.1)"),
    # names
    ("LAYER", "Flaten"),
    ("LOSS", "cross_entropy"),
    ("MONITOR", "validation_acc"),
    ("MONITOR", "val_sparse_categorical_accuracy"),
    ("MONITOR", "validation_los"),
    ("DATA", "digts"),
    ("PLOTS", "learning_curves"),
    # numbers
    ("EPOCHS", "1_000"),
    ("EPOCHS", "'30'"),
    ("EPOCHS", "1e3"),
]


@pytest.mark.parametrize(("part", "wrong"), WRONG, ids=[wrong for _, wrong in WRONG])
def test_a_value_is_mended_by_what_its_message_tells_to_write(part: str, wrong: str):
    message = refusal(filled(**{part: wrong}))
    load(filled(**{part: remedy(message).removesuffix(" without quotes")}))


KEYS = [
    ("LAYER", "Conv2D: {filters:4, kernel_size: 3}", "filters:4"),
    ("OPTIMIZER", "{SGD: {learning_rate: 0,01}}", "learning_rate: 0,01"),
    ("LAYER", "Conv2D: {filers: 4, kernel_size: 3}", "filers"),
    ("DATA", "{name: digits, preprocess: [normalize]}", "normalize"),
    ("DATA", "{name: digits, preprocess: [StandardScaler]}", "StandardScaler"),
    ("LAYER", "Conv2D: {filters: 4, kernel_size: 3, kernel_regularizer: l2(0.01)}", "l2(0.01)"),
    ("LAYER", "Conv2D: {filters: 4, kernel_size: 3, kernel_initializer: xavier}", "xavier"),
    ("OPTIMIZER", "{SGD: {lr: 0.1}}", "lr"),
    ("OPTIMIZER", "{SGD: {learning_rate: ExponentialDecay(0.1, decay_steps=10, decay_rate=0.9)}}", None),
]


@pytest.mark.parametrize(("part", "wrong", "received"), KEYS, ids=[wrong for _, wrong, _ in KEYS])
def test_a_key_or_a_word_in_a_block_is_mended_by_what_its_message_tells_to_write(part, wrong, received):
    if received is None:  # commas end it in a block of one line: only its form is told
        told = "learning_rate is Python, and a comma ends it here; write learning_rate: {ExponentialDecay: {initial_"
        assert told in refusal(filled(**{part: wrong}))
        return
    message = refusal(filled(**{part: wrong}))
    load(filled(**{part: wrong.replace(received, remedy(message.splitlines()[0]).partition(" (mean")[0])}))


@pytest.mark.parametrize(
    "override",
    [
        "training.optimizer.SGD.learning_rate=0.1",
        "training.optimizer.RMSprop.rho=0.8",
        "training.loss.MeanSquaredError={}",
    ],
)
def test_an_override_of_another_choice_is_mended_by_the_option_of_its_message(override: str):
    path = filled(LOSS="{CategoricalCrossentropy: {}}")
    option = shlex.split(refusal(path, (override,)).partition("as an option: ")[2])
    assert option[0] == "--set"
    load(path, (option[1],))


def test_a_space_that_is_missing_after_a_colon_is_reported_with_its_line():
    path = filled()
    text = path.read_text()
    path.write_text(text.replace("epochs: 2", "epochs:2"))
    message = refusal(path)
    assert message == "f.yaml:12: not readable as YAML: a space is missing after the colon; write epochs: 2"
    path.write_text(text.replace("epochs: 2", remedy(message)))
    load(path)


def test_the_same_of_a_block_s_only_key():
    path = filled()
    before, training, _ = path.read_text().partition("training:\n")
    path.write_text(f"{before}{training}  epochs:2\n")
    message = refusal(path)
    assert message.endswith("received text 'epochs:2'; a space is missing after the colon; write epochs: 2")
    path.write_text(f"{before}{training}  {remedy(message)}\n")
    load(path)


@pytest.mark.parametrize(
    ("kind", "owners"), [("autoencoder", "classifier, regressor, transform"), ("pca", "classifier, regressor")]
)
def test_a_key_of_another_kind_of_model_is_reported_as_such(kind: str, owners: str):
    path = filled()
    path.write_text(path.read_text().replace("classifier", kind))
    assert f"model.layers: unknown key; layers is a key of kind: {owners}" in refusal(path)


def test_allowed_losses_are_those_of_the_kind_of_model():
    message = refusal(filled(LOSS="squared_hinge_of_mine"))
    assert "CategoricalCrossentropy" in message
    assert "Huber" not in message
    assert "FreeEnergyDifference" not in message


def test_a_sure_suggestion_is_not_buried_under_a_long_list():
    message = refusal(filled(LAYER="Conv2DD"))
    assert message == "f.yaml:6: model.layers.0: unknown layer; received text 'Conv2DD'; did you mean Conv2D?"
    assert len(refusal(filled(PLOTS="[xxxxx]"))) < 400


def test_a_metric_that_is_not_measured_gets_no_suggestion_that_only_shares_its_split():
    path = filled()
    path.write_text(path.read_text() + "expect: {test.f1: [0, 1]}\n")
    assert "did you mean" not in refusal(path)


@pytest.mark.parametrize(
    ("part", "word", "key", "value"),
    [
        ("LOSS", "mse", "loss", "MeanSquaredError"),
        ("LOSS", "MAE", "loss", "MeanAbsoluteError"),
        ("LOSS", "bce", "loss", "BinaryCrossentropy"),
        ("LOSS", "kld", "loss", "KLDivergence"),
        ("LOSS", "sparse_categorical_crossentropy", "loss", "CategoricalCrossentropy"),
        ("LOSS", "SparseCategoricalCrossentropy", "loss", "CategoricalCrossentropy"),
    ],
)
def test_the_losses_have_keras_s_other_names(part: str, word: str, key: str, value: str):
    dumped = load(filled(**{part: word})).experiment.training.model_dump()[key]
    assert value in dumped or dumped == value


def test_val_is_validation():
    stopping = load(filled(MONITOR="val_accuracy")).experiment.training.early_stopping
    assert stopping is not None
    assert stopping.monitor == "validation_accuracy"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("Dense: 10", "Dense: {units: 10}"),
        ("Dropout: 0.5", "Dropout: {rate: 0.5}"),
        ("AveragePooling2D: 4", "AveragePooling2D: {pool_size: 4}"),
        ("MaxPool2D: [2, 2]", "MaxPooling2D: {pool_size: 2}"),
        ("Activation: relu", "Activation: {activation: relu}"),
        ("Reshape: [4, 16]", "Reshape: {target_shape: [4, 16]}"),
        ("Convolution2D: {filters: 2, kernel_size: 3}", "Conv2D: {filters: 2, kernel_size: 3}"),
    ],
)
def test_a_value_alone_is_the_first_argument_as_in_keras(short: str, long: str):
    assert load(filled(LAYER=short)).experiment == load(filled(LAYER=long)).experiment


def test_a_dataset_and_a_kind_of_optimizer_may_stand_alone():
    assert load(filled(DATA="digits")).experiment == load(filled(DATA="{name: digits}")).experiment
    short, long = load(filled(OPTIMIZER="{SGD: 0.1}")), load(filled(OPTIMIZER="{SGD: {learning_rate: 0.1}}"))
    assert short.experiment == long.experiment


def test_pydantic_warns_of_no_value_that_is_written_again():
    """A value that the schema takes and cannot write without a warning would print it at every command."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key in every_key():
            value = key.adapter.validate_python(parse(key.example.partition(": ")[2], "example").data)
            key.adapter.dump_python(value)
        for weights in ("{0: 1, 1: 5}", "{0: 1.0, 1: 5}", "balanced"):
            path = filled(DATA="{name: digits, classes: [0, 1]}", EPOCHS=f"2\n  class_weight: {weights}")
            path.write_text(path.read_text().replace("units: 10", "units: 2") + "expect: {test.accuracy: [0, 1]}\n")
            load(path).experiment.model_dump()
