"""`decoder: mirror`: encoders turned round."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlphys.config.load import load
from mlphys.errors import Refusal, UserError
from mlphys.schema.document import dump, read
from mlphys.schema.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Cropping1D,
    Dense,
    Flatten,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
)
from mlphys.schema.mirror import mirror
from mlphys.schema.shapes import trace


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(encoder: list, loss: str | None = None) -> Path:
    """A config of digits, 8 x 8 x 1."""
    model = {"kind": "autoencoder", "encoder": encoder, "decoder": "mirror"}
    Path("f.yaml").write_text(dump({"data": {"name": "digits"}, "model": model, "training": {"loss": loss}}))
    return Path("f.yaml")


def dense(units: int, activation: str | None = None) -> dict:
    return {"Dense": {"units": units, "activation": activation}}


def conv(filters: int, activation: str | None = None, **keys) -> dict:
    return {"Conv2D": {"filters": filters, "kernel_size": 3, "activation": activation, **keys}}


POOL = {"MaxPooling2D": {"pool_size": 2}}


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (
            [dense(30, "relu"), dense(7, "tanh")],
            [Dense(units=30, activation="relu"), Dense(units=64, activation="linear")],
        ),
        (
            [conv(4, "relu", padding="same"), POOL, conv(2, "elu", padding="same"), POOL],
            [
                UpSampling2D(size=2), Conv2D(filters=4, kernel_size=3, padding="same", activation="relu"),
                UpSampling2D(size=2), Conv2D(filters=1, kernel_size=3, padding="same", activation="linear"),
            ],
        ),
        (
            [conv(4, "relu", padding="same", strides=2), conv(2, padding="valid")],
            [
                Conv2DTranspose(filters=4, kernel_size=3, padding="valid", activation="relu"),
                Conv2DTranspose(filters=1, kernel_size=3, strides=2, padding="same", activation="linear"),
            ],
        ),
        (
            ["Flatten", dense(9, "relu"), {"Reshape": {"target_shape": [3, 3, 1]}}],
            [Reshape(target_shape=(9,)), Dense(units=64, activation="linear"), Reshape(target_shape=(8, 8, 1))],
        ),
        (
            [{"AveragePooling2D": {"pool_size": 2}}, "Flatten", dense(3)],
            [Dense(units=16, activation="linear"), Reshape(target_shape=(4, 4, 1)), UpSampling2D(size=2)],
        ),
        (
            [conv(4, "relu", padding="same", dilation_rate=2), dense(5)],
            [
                Dense(units=4, activation="relu"),
                Conv2D(filters=1, kernel_size=3, padding="same", dilation_rate=2, activation="linear"),
            ],
        ),
    ],
    ids=["dense", "conv and pool", "strided and valid", "flatten and reshape", "pool first", "dilated"],
)  # fmt: skip
def test_the_mirrored_decoder_leads_back_through_the_shapes_of_the_encoder(encoder, decoder):
    loaded = load(written(encoder))
    assert loaded.experiment.model.decoder == decoder
    rows = loaded.rows()
    there, back = rows[: len(encoder)], rows[len(encoder) :]
    assert [row.output_shape for row in back] == [row.input_shape for row in reversed(there)]


def wave(filters: int, activation: str | None = None, **keys) -> dict:
    return {"Conv1D": {"filters": filters, "kernel_size": 3, "activation": activation, **keys}}


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (
            [wave(4, "relu", padding="same"), {"MaxPooling1D": {"pool_size": 2}}, wave(2, "tanh", padding="causal")],
            [
                Conv1D(filters=4, kernel_size=3, padding="same", activation="relu"),
                UpSampling1D(size=2),
                Conv1D(filters=1, kernel_size=3, padding="same", activation="linear"),
            ],
        ),
        (
            [wave(4, "relu", padding="same", strides=2), wave(2)],
            [
                Conv1DTranspose(filters=4, kernel_size=3, activation="relu"),
                Conv1DTranspose(filters=1, kernel_size=3, strides=2, padding="same", activation="linear"),
            ],
        ),
        (
            [{"ZeroPadding1D": {"padding": [1, 3]}}, {"Cropping1D": {"cropping": 2}}, "Flatten", dense(3)],
            [
                Dense(units=64, activation="linear"), Reshape(target_shape=(64, 1)), ZeroPadding1D(padding=2),
                Cropping1D(cropping=[1, 3]),
            ],
        ),
    ],
    ids=["conv and pool", "strided and valid", "padded and cropped"],
)  # fmt: skip
def test_the_mirrored_decoder_of_a_sequence_leads_back_to_its_steps(encoder, decoder):
    loaded = load(written([{"Reshape": {"target_shape": [64, 1]}}, *encoder]))
    assert list(loaded.experiment.model.decoder[: len(decoder)]) == decoder
    rows = loaded.rows()
    there, back = rows[: 1 + len(encoder)], rows[1 + len(encoder) :]
    assert [row.output_shape for row in back] == [row.input_shape for row in reversed(there)]


@pytest.mark.parametrize(
    ("encoder", "activations"),
    [
        ([dense(9, "relu"), dense(5, "tanh"), dense(2)], ["tanh", "relu", "linear"]),
        ([dense(9), dense(2, "relu")], ["linear", "linear"]),
        ([dense(9), {"Activation": {"activation": "elu"}}, dense(2)], ["elu", "linear"]),
        ([dense(9, "relu"), {"Activation": {"activation": "elu"}}, dense(2)], ["elu", "linear"]),
        ([{"Activation": {"activation": "tanh"}}, dense(2)], ["tanh"]),
    ],
)
def test_a_layer_gives_with_the_activation_with_which_its_encoders_layer_received(encoder, activations):
    decoder = load(written(["Flatten", *encoder])).experiment.model.decoder
    assert [layer.activation for layer in decoder if isinstance(layer, Dense)] == activations


@pytest.mark.parametrize(
    ("loss", "last"),
    [("binary_crossentropy", "sigmoid"), ("mean_squared_error", "linear"), ("huber", "linear"), (None, "linear")],
)
def test_the_loss_decides_the_last_activation(loss, last):
    assert load(written([dense(3, "relu")], loss)).experiment.model.decoder == [Dense(units=64, activation=last)]


def test_noise_and_dropout_have_no_part_in_the_decoder():
    noise = [{"GaussianNoise": {"stddev": 0.1}}, {"Dropout": {"rate": 0.1}}, {"GaussianDropout": {"rate": 0.1}}]
    decoder = load(written([noise[0], "Flatten", dense(9, "relu"), *noise[1:], dense(2)])).experiment.model.decoder
    assert [type(layer) for layer in decoder] == [Dense, Dense, Reshape]
    assert decoder[0].activation == "relu"


def test_the_completed_config_holds_the_decoder_written_out():
    loaded = load(written([dense(30, "relu"), dense(7)]))
    Path("complete.yaml").write_text(dump(loaded.experiment.model_dump()))
    decoder = read(Path("complete.yaml")).data["model"]["decoder"]
    assert [layer["Dense"]["units"] for layer in decoder] == [30, 64]
    assert load(Path("complete.yaml")).experiment.model == loaded.experiment.model


WRITE = "write the decoder's layers instead of mirror"


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            ["Flatten", dense(9), "BatchNormalization", dense(2)],
            f"model.encoder.2.BatchNormalization: BatchNormalization has no mirror image; {WRITE}",
        ),
        (
            [conv(2, strides=2), conv(2, padding="same", strides=2)],
            "model.encoder.1.Conv2D: its mirror image leads from 2 x 2 x 2 to 4 x 4 x 2, not back to 3 x 3 x 2; "
            f"{WRITE}",
        ),
        (
            [{"MaxPooling2D": {"pool_size": 3}}],
            f"model.encoder.0.MaxPooling2D: its mirror image leads from 2 x 2 x 1 to 6 x 6 x 1, not back to 8 x 8 x 1; "
            f"{WRITE}",
        ),
        (
            [{"MaxPooling2D": {"pool_size": 2, "strides": 1, "padding": "same"}}],
            "model.encoder.0.MaxPooling2D: its mirror image leads from 8 x 8 x 1 to 16 x 16 x 1, "
            f"not back to 8 x 8 x 1; {WRITE}",
        ),
        (
            [{"Reshape": {"target_shape": [64, 1]}}, "GlobalMaxPooling1D"],
            f"model.encoder.1.GlobalMaxPooling1D: GlobalMaxPooling1D has no mirror image; {WRITE}",
        ),
        (
            ["GlobalAveragePooling2D"],
            f"model.encoder.0.GlobalAveragePooling2D: GlobalAveragePooling2D has no mirror image; {WRITE}",
        ),
        (
            [{"GaussianNoise": {"stddev": 0.1}}],
            f"model.encoder: nothing in it changes the shape, so there is nothing to reverse; {WRITE}",
        ),
    ],
)
def test_what_has_no_mirror_image_is_refused_with_the_reason(encoder, message):
    with pytest.raises(UserError) as raised:
        load(written(encoder))
    place, _, told = str(raised.value).partition(": ")
    assert place.startswith("f.yaml:")
    assert told == message


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ("miror", "model.decoder: expected a list; received text 'miror'; write [miror]"),
        ([], "model.decoder: needs at least 1 entries; received []"),
    ],
)
def test_no_other_word_and_no_empty_list_stand_for_the_mirror(decoder, message):
    config = read(written([dense(3)])).data
    config["model"]["decoder"] = decoder
    Path("f.yaml").write_text(dump(config))
    with pytest.raises(UserError) as raised:
        load(Path("f.yaml"))
    assert str(raised.value).partition(": ")[2] == message


def test_samples_of_more_axes_than_a_reshape_can_have_are_not_mirrored():
    encoder = trace([Flatten(), Dense(units=2)], (*[1] * 60, 3), ("model", "encoder"))
    with pytest.raises(Refusal) as raised:
        mirror(encoder, "linear", ("model", "encoder"))
    assert raised.value.path == ("model", "encoder", 0, "Flatten")
    assert raised.value.text == f"target_shape has 61 axes; arrays have at most 60; {WRITE}"
