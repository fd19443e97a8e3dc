"""Autoencoders on real digits."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.errors import Refusal
from mlphys.models import autoencoder
from mlphys.numerics import pca
from mlphys.schema.data import Description
from mlphys.schema.samples import Split
from mlphys.schema.training import Training
from tests.helpers.digits import load_digits

DIGITS = Description((8, 8, 1), tuple("0123456789"), 1797, None)
DENSE = ([{"Dense": {"units": 12, "activation": "relu"}}], [{"Dense": {"units": 64, "activation": "sigmoid"}}])
CONV = (
    [{"Conv2D": {"filters": 3, "kernel_size": 3, "padding": "same"}}, {"MaxPooling2D": {"pool_size": 2}}],
    [{"UpSampling2D": {"size": 2}}, {"Conv2D": {"filters": 1, "kernel_size": 3, "padding": "same"}}],
)


def spec(layers) -> autoencoder.Autoencoder:
    return autoencoder.Autoencoder(kind="autoencoder", encoder=layers[0], decoder=layers[1])


def digits(n: int) -> np.ndarray:
    return (load_digits().images[:n, ..., None] / 16).astype(np.float32)


@pytest.mark.parametrize(("layers", "code"), [(DENSE, (12,)), (CONV, (4, 4, 3))], ids=["dense", "conv"])
def test_the_code_and_the_reconstruction_have_their_shapes(layers, code):
    network = spec(layers).build(DIGITS, seed=0)
    said = spec(layers).predictions(network, digits(5))
    assert said["codes"].shape == (5, *code)
    assert spec(layers).code_shape(DIGITS) == code
    pictured = spec(layers).image_outputs(network, digits(5))["reconstructions"].numpy()
    assert pictured.shape == (5, 8, 8, 1)
    np.testing.assert_allclose(
        said["squared_errors"].numpy(), ((pictured - digits(5)) ** 2).reshape(5, 64).mean(axis=1), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("loss", "loss_per", "expected"),
    [
        (None, "output", lambda x, r: ((x - r) ** 2).mean(1)),
        ("mean_squared_error", "sample", lambda x, r: ((x - r) ** 2).sum(1)),
        ("binary_crossentropy", "sample", lambda x, r: -(x * np.log(r) + (1 - x) * np.log(1 - r)).sum(1)),
    ],
)
def test_the_loss_of_a_sample_is_its_formula(loss, loss_per, expected):
    x = digits(20)
    network = spec(DENSE).build(DIGITS, seed=0)
    settings = Training.model_validate({"loss": loss, "loss_per": loss_per})
    values, penalty = spec(DENSE).cost(settings, DIGITS, network)(x, None, False)
    flat = x.reshape(20, 64).astype(np.float64)
    r = network.model(flat.astype(np.float32)).numpy().astype(np.float64)
    np.testing.assert_allclose(values["loss"].numpy(), expected(flat, r), rtol=1e-4)
    assert penalty == 0


def test_a_decoder_that_does_not_end_in_the_inputs_shape_is_refused():
    wrong = spec((DENSE[0], [{"Dense": {"units": 63}}]))
    with pytest.raises(
        Refusal, match="the decoder ends in 63; it must end in the input's 8 x 8 x 1, or in 64"
    ) as caught:
        wrong.rows(DIGITS)
    assert caught.value.path == ("model", "decoder", 0, "Dense")


def test_the_metrics_stand_beside_the_mean_image_and_pca():
    x = digits(1797)
    train, test = x[:1400], x[1400:]
    fitted = pca.fit(train.reshape(1400, 64), 12)
    flat = test.reshape(-1, 64)
    projected = (flat - fitted.mean) @ fitted.vectors.T @ fitted.vectors + fitted.mean
    squared, absolute = ((projected - flat) ** 2).mean(1), np.abs(projected - flat).mean(1)
    arrays = {
        "codes": (flat - fitted.mean) @ fitted.vectors.T,
        "squared_errors": squared,
        "absolute_errors": absolute,
        "losses": squared,
        "penalties": np.zeros(397),
    }
    code_of_12 = spec(([{"Dense": {"units": 12}}], [{"Dense": {"units": 64}}]))
    labels = np.zeros(0, np.int32)
    found = code_of_12.metrics(DIGITS, arrays, Split(test, labels), Split(train, labels))
    assert found["samples"] == 397
    assert found["mse"] == pytest.approx(found["pca_mse"], rel=1e-4)
    assert found["mae"] == pytest.approx(absolute.mean())
    assert found["mean_image_mse"] == pytest.approx(((test - train.mean(0)) ** 2).mean(), rel=1e-5)
    assert found["psnr"] == pytest.approx(-10 * np.log10(squared.mean()))
    assert found["psnr_stderr"] == pytest.approx(10 * np.log10(1 + found["mse_stderr"] / found["mse"]), rel=0.05)


@pytest.mark.parametrize("loss", ["mean_absolute_error", "huber", "log_cosh", "mean_squared_error"])
def test_the_recorded_squared_error_is_one_whatever_the_loss(loss):
    settings = Training.model_validate({"loss": loss})
    network = spec(DENSE).build(DIGITS, 0)
    x = np.random.default_rng(0).random((5, 8, 8, 1)).astype(np.float32)
    values, _ = spec(DENSE).cost(settings, DIGITS, network)(x, None, False)
    r = np.asarray(network.model(x.reshape(5, 64))).reshape(5, 64)
    np.testing.assert_allclose(np.asarray(values["mse"]), ((r - x.reshape(5, 64)) ** 2).mean(axis=1), rtol=1e-5)
