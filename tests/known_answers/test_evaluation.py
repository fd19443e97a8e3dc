"""Numbers of metrics.json and their errors: what NumPy, or a formula, says of the same samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.commands.evaluate import sample_arrays, sample_values
from mlphys.models.autoencoder import Autoencoder
from mlphys.networks.autoencoder_network import DRAWS
from mlphys.networks.compiled import Measurement
from mlphys.numerics.bootstrap import stderr_of_means
from mlphys.numerics.code_statistics import code_statistics
from mlphys.numerics.metrics import explained_variance, gap, of_draws
from mlphys.numerics.uncertainty import mean_stderr
from mlphys.schema.data import Description
from mlphys.schema.samples import Split
from mlphys.schema.training import Training

POINTS = Description((4,), (), 500, None)


def points(n: int) -> Split:
    return Split(np.random.default_rng(3).normal(size=(n, 4)).astype(np.float32), np.zeros((n, 0), np.float32))


def built(training: Training, **keys: Any) -> tuple[Autoencoder, Any]:
    model = Autoencoder.model_validate({"kind": "autoencoder", "decoder": [{"Dense": {"units": 4}}], **keys})
    model = model.completed(training, POINTS, None)
    return model, model.build(POINTS, 0)


def test_a_penalty_of_its_own_is_in_the_loss_of_each_sample():
    training = Training.model_validate({"loss": "mean_squared_error"})
    model, network = built(training, encoder=[{"Dense": {"units": 3}}], sparsity={"l1": 0.1}, contraction=0.2)
    split = points(200)
    arrays = sample_arrays(network, sample_values(model, training, POINTS, network), split)
    kernel, code = network.weights["encoder.0.Dense.kernel"].numpy(), np.asarray(network.encode(split.x))
    own = 0.1 * np.abs(code).sum(axis=1) + 0.2 * (kernel**2).sum()
    np.testing.assert_allclose(arrays["penalties"], own, rtol=1e-5)
    found = model.metrics(POINTS, arrays, split, split)
    losses = ((np.asarray(network.decode(code)) - split.x) ** 2).mean(axis=1) + own
    assert found["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert found["loss_stderr"] == pytest.approx(losses.std(ddof=1) / np.sqrt(200), rel=1e-5)


def test_a_drawn_code_is_measured_as_drawn_beside_its_mean():
    """With r(h) = a h and the squared error the loss is that of the mean code plus |a|^2 s^2."""
    training = Training.model_validate({"loss": "mean_squared_error", "loss_per": "sample"})
    model, network = built(training, encoder=[{"Dense": {"units": 2}}], variational={"beta": 0.0})
    split, log_variance = points(500), -1.0
    kernel = network.weights["encoder.0.Dense.kernel"].numpy()
    kernel[:, 1] = 0
    network.weights["encoder.0.Dense.kernel"].assign(kernel)
    network.weights["encoder.0.Dense.bias"].assign(np.array([0, log_variance], np.float32))
    arrays = sample_arrays(network, sample_values(model, training, POINTS, network), split)
    again = sample_arrays(network, sample_values(model, training, POINTS, network), split)
    np.testing.assert_array_equal(arrays["losses"], again["losses"])
    there, back = kernel[:, :1], network.weights["decoder.0.Dense.kernel"].numpy()
    at_mean = ((split.x @ there @ back - split.x) ** 2).sum(axis=1)
    np.testing.assert_allclose(arrays["mean_code_loss"], at_mean, rtol=1e-4)
    draws = of_draws(network.draws, arrays["draw_variances"])
    added = (back**2).sum() * np.exp(log_variance)
    assert draws["draws"] == DRAWS
    assert (arrays["losses"] - at_mean).mean() == pytest.approx(added, abs=4 * draws["draw_error"])
    assert draws["draw_error"] == pytest.approx((arrays["losses"] - at_mean).std() / np.sqrt(500), rel=0.2)
    [phase] = model.phases(training, POINTS, network, split)
    recorded = Measurement(phase, split).means()["loss"]  # history.csv: drawn, as in training
    assert recorded == pytest.approx(arrays["losses"].mean(), abs=5 * np.sqrt(DRAWS) * draws["draw_error"])
    assert recorded == Measurement(phase, split).means()["loss"]


def test_a_bootstrap_gives_the_error_of_a_mean_and_of_a_ratio():
    random = np.random.default_rng(0)
    values = np.stack([random.exponential(size=4000), 3 + random.normal(size=4000)], axis=1)
    a, b = values.T
    assert stderr_of_means(values, lambda means: means[:, 0]) == pytest.approx(mean_stderr(a), rel=0.15)
    ratio = a.mean() / b.mean()
    linear = (a - ratio * b) / b.mean()  # the delta method
    assert stderr_of_means(values, lambda means: means[:, 0] / means[:, 1]) == pytest.approx(
        mean_stderr(linear), rel=0.15
    )
    assert stderr_of_means(values[:1], lambda means: means[:, 0]) is None


def test_explained_variance_has_the_error_of_a_ratio():
    x = points(2000).x
    squared = (x[:, 1:] ** 2).sum(axis=1) / 4
    found = explained_variance({"squared_errors": squared}, x, np.zeros((2, 4), np.float32))
    total = (x.astype(np.float64) ** 2).mean(axis=1)
    ratio = squared.mean() / total.mean()
    assert found["explained_variance"] == pytest.approx(1 - ratio)
    expected = mean_stderr((squared - ratio * total) / total.mean())
    assert found["explained_variance_stderr"] == pytest.approx(expected, rel=0.2)


def test_sparsities_have_errors_that_other_samples_confirm():
    random = np.random.default_rng(0)
    repeated = [random.exponential(size=(300, 5)) * (random.random((300, 5)) < 0.4) for _ in range(60)]
    found = [code_statistics({"codes": codes}, "sigmoid") for codes in repeated]
    for name in ("active_fraction", "population_sparsity", "lifetime_sparsity", "saturated_fraction"):
        spread = np.std([statistics[name] for statistics in found], ddof=1)
        told = np.mean([statistics[f"{name}_stderr"] for statistics in found[:10]])
        assert told == pytest.approx(spread, rel=0.35), name


def test_the_gap_says_how_much_better_the_training_samples_are():
    right, all_right = np.array([1.0, 0, 1, 1] * 25), np.ones(100)
    found = gap("accuracy", right, all_right)
    assert found["accuracy_gap"] == 0.25
    assert found["accuracy_gap_stderr"] == pytest.approx(np.sqrt(0.75 * 0.25 / 100), rel=0.05)
    assert gap("mse", np.array([3.0, 5.0]), np.array([1.0, 2.0])) == {
        "mse_gap": 2.5,
        "mse_gap_stderr": pytest.approx(np.hypot(1.0, 0.5)),
    }
