"""Regressors on generated curves."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.errors import Refusal
from mlphys.models import regressor
from mlphys.numerics import central_pixel, metrics
from mlphys.schema.data import Description
from mlphys.schema.samples import Split
from mlphys.schema.training import Training

CURVES = Description((5,), (), 100, None, (2, 3))
LAYERS = [{"Dense": {"units": 6, "activation": "tanh"}}, {"Reshape": {"target_shape": [2, 3]}}]


def spec(layers=LAYERS) -> regressor.Regressor:
    return regressor.Regressor(kind="regressor", layers=layers)


@pytest.mark.parametrize(
    ("loss", "loss_per", "expected"),
    [
        (None, "output", lambda p, t: ((p - t) ** 2).mean(axis=(1, 2))),
        ("mean_squared_error", "sample", lambda p, t: ((p - t) ** 2).sum(axis=(1, 2))),
        ("mean_absolute_error", "output", lambda p, t: abs(p - t).mean(axis=(1, 2))),
        ("log_cosh", "output", lambda p, t: np.log(np.cosh(p - t)).mean(axis=(1, 2))),
    ],
)
def test_the_loss_of_a_sample_is_its_formula(loss, loss_per, expected):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(7, 5)).astype(np.float32), rng.normal(size=(7, 2, 3)).astype(np.float32)
    network = spec().build(CURVES, seed=0)
    settings = Training.model_validate({"loss": loss, "loss_per": loss_per})
    values, _ = spec().cost(settings, CURVES, network)(x, t, False)
    p = spec().predictions(network, x)["outputs"].numpy().astype(np.float64)
    assert p.shape == (7, 2, 3)
    np.testing.assert_allclose(values["loss"].numpy(), expected(p, t), rtol=1e-4)
    np.testing.assert_allclose(values["mse"].numpy(), ((p - t) ** 2).mean(axis=(1, 2)), rtol=1e-5)


def test_an_output_that_is_not_of_the_targets_shape_is_refused():
    with pytest.raises(Refusal, match="the output is 6; it must be 2 x 3, the shape of the targets") as caught:
        spec(LAYERS[:1]).rows(CURVES)
    assert caught.value.path == ("model", "layers", 0, "Dense")


@pytest.mark.parametrize(
    ("description", "has"),
    [(Description((5,), ("a", "b"), 10, None), "classes"), (Description((5,), (), 10, None, (0,)), "no targets")],
)
def test_data_without_numbers_to_learn_is_refused(description, has):
    with pytest.raises(Refusal, match=f"a regressor needs targets that are numbers; this dataset has {has}"):
        spec().rows(description)


def test_the_metrics_stand_beside_the_mean_of_the_training_targets():
    rng = np.random.default_rng(1)
    targets, outputs, train = rng.normal(size=(50, 2)), rng.normal(size=(50, 2)), rng.normal(size=(80, 2))
    losses = ((targets - outputs) ** 2).mean(axis=1)
    found = metrics.regression(targets, outputs, losses, train)
    assert found["samples"] == 50
    assert found["mse"] == pytest.approx(((targets - outputs) ** 2).mean())
    assert found["mse_stderr"] == pytest.approx(losses.std(ddof=1) / np.sqrt(50))
    assert found["mae"] == pytest.approx(np.abs(targets - outputs).mean())
    assert found["mean_target_mse"] == pytest.approx(((targets - train.mean(axis=0)) ** 2).mean())


def test_the_baseline_of_the_central_pixel_is_weighted_as_the_metrics_are():
    rng = np.random.default_rng(2)
    x, y = rng.random((30, 4, 4, 1), np.float32), rng.random((30, 2), np.float32)
    description = Description((4, 4, 1), (), 30, None, target_shape=(2,))
    arrays = {"outputs": y + 0.1, "losses": np.ones(30), "penalties": np.zeros(30)}
    weights = rng.random(30, np.float32)
    plain, weighted = Split(x, y), Split(x, y, weights)
    assert 0 < spec().metrics(description, arrays, plain, plain)["central_pixel_rmse"] < 1
    found = spec().metrics(description, arrays, weighted, weighted)["central_pixel_rmse"]
    assert found == pytest.approx(central_pixel.error(x, y, x, y, weights, weights))
