"""Metrics of regressions and weighted means compared with scikit-learn and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from mlphys.data import target_scaling
from mlphys.numerics.metrics import regression
from mlphys.numerics.uncertainty import effective_size, mean_stderr


def made_up(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets of two scales, predictions, and weights."""
    random = np.random.default_rng(seed)
    true = random.normal([5, 1000], [1, 50], (n, 2))
    outputs = true + random.normal(0, [0.5, 30], (n, 2))
    return true.astype(np.float32), outputs.astype(np.float32), random.exponential(size=n).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_and_r2_are_scikit_learns_for_all_targets_and_each(weighted):
    true, outputs, w = made_up(300)
    weights = w if weighted else None
    found = regression(true, outputs, np.ones(300), true, ("mass", "energy"), weights, weights)
    functions = {
        "mse": sklearn_metrics.mean_squared_error,
        "mae": sklearn_metrics.mean_absolute_error,
        "r2": sklearn_metrics.r2_score,
    }
    for name, function in functions.items():
        assert found[name] == pytest.approx(function(true, outputs, sample_weight=weights), rel=1e-5)
        each = function(true, outputs, sample_weight=weights, multioutput="raw_values")
        assert [facts[name] for facts in found["per_target"].values()] == pytest.approx(list(each), rel=1e-5)
    assert list(found["per_target"]) == ["mass", "energy"]
    mean = np.average(true.astype(np.float64), axis=0, weights=weights)
    constant = sklearn_metrics.mean_squared_error(true, np.tile(mean, (300, 1)), sample_weight=weights)
    assert found["mean_target_mse"] == pytest.approx(constant, rel=1e-5)


def test_the_error_of_r2_is_its_spread_over_repeated_samples():
    found = [regression(*made_up(300, seed)[:2], np.ones(300), made_up(300)[0]) for seed in range(100)]
    spread = np.std([one["r2"] for one in found], ddof=1)
    assert np.mean([one["r2_stderr"] for one in found]) == pytest.approx(spread, rel=0.25)


def test_targets_without_names_are_numbered_and_one_alone_is_not_repeated():
    true, outputs, _ = made_up(20)
    assert list(regression(true, outputs, np.ones(20), true)["per_target"]) == ["y_0", "y_1"]
    assert "per_target" not in regression(true[:, :1], outputs[:, :1], np.ones(20), true[:, :1])


def test_a_constant_target_has_no_r2():
    found = regression(np.ones((4, 1)), np.zeros((4, 1)), np.ones(4), np.ones((4, 1)))
    assert (found["r2"], found["r2_stderr"]) == (None, None)


def test_whole_weights_count_as_repeated_samples():
    assert effective_size(np.ones(7)) == 7
    assert effective_size(np.array([1, 1, 2.0])) == pytest.approx(16 / 6)


def test_a_weighted_mean_has_the_error_of_its_spread_over_repeated_samples():
    random = np.random.default_rng(0)
    means, errors = [], []
    for _ in range(400):
        values, w = random.normal(size=200), random.exponential(size=200)
        means.append(np.average(values, weights=w))
        errors.append(mean_stderr(values, w))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


def test_scaled_targets_have_mean_0_and_spread_1_and_come_back():
    true = made_up(1000)[0]
    scaling = target_scaling.fit(true)
    scaled = scaling.scaled(true)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(scaling.undone(scaled), true, rtol=1e-5)


def test_a_constant_target_is_scaled_by_1_and_a_channel_of_images_as_a_whole():
    assert target_scaling.fit(np.full((5, 1), 1e6, np.float32)).spread.tolist() == [1]
    images = np.random.default_rng(0).normal(3, 2, (10, 4, 4, 2)).astype(np.float32)
    scaling = target_scaling.fit(images)
    np.testing.assert_allclose(scaling.spread, images.std(axis=(0, 1, 2)), rtol=1e-5)
    assert scaling.scaled(images).shape == images.shape
