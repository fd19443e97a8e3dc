"""The numbers of a classifier against scikit-learn's, and their errors against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from mlphys.numerics import bootstrap, metrics
from mlphys.numerics.uncertainty import fraction_stderr


def made_up(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=[0.6, 0.3, 0.1])
    probabilities = rng.dirichlet([1, 1, 1], size=n)
    probabilities[np.arange(n), labels] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, probabilities, -np.log(probabilities[np.arange(n), labels])


def test_the_metrics_are_those_of_scikit_learn():
    labels, probabilities, losses = made_up(500)
    found = metrics.classification(labels, probabilities, losses, ("a", "b", "c"))
    guesses = probabilities.argmax(axis=1)
    assert found["samples"] == 500
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, guesses))
    assert found["error_rate"] == pytest.approx(1 - found["accuracy"])
    assert found["balanced_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(labels, guesses))
    assert found["loss"] == pytest.approx(sklearn_metrics.log_loss(labels, probabilities))
    assert found["majority_accuracy"] == pytest.approx((labels == 0).mean())
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(labels, guesses)
    for k, name in enumerate("abc"):
        facts = found["per_class"][name]
        assert facts["samples"] == support[k]
        assert [facts["precision"], facts["recall"], facts["f1"]] == pytest.approx([precision[k], recall[k], f1[k]])


def test_a_class_that_is_never_guessed_nor_there_has_no_precision_and_no_recall():
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.7, 0.3, 0]])
    found = metrics.classification(labels, probabilities, np.ones(3), ("a", "b", "c"))
    assert found["per_class"]["c"]["precision"] is None
    assert found["per_class"]["c"]["recall"] is None
    assert found["per_class"]["b"]["precision"] is None
    assert found["per_class"]["b"]["recall"] == 0
    assert found["balanced_accuracy"] == 0.5


def test_the_standard_errors_are_the_spread_over_repeated_samples(monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 2)  # for metrics of which this test takes no error
    repeated = [metrics.classification(*made_up(400, seed), ("a", "b", "c")) for seed in range(400)]
    for name in ("accuracy", "error_rate", "balanced_accuracy", "loss"):
        spread = np.std([found[name] for found in repeated])
        assert np.mean([found[f"{name}_stderr"] for found in repeated]) == pytest.approx(spread, rel=0.12), name
    for name in ("precision", "recall", "f1"):
        spread = np.std([found["per_class"]["b"][name] for found in repeated])
        stated = np.mean([found["per_class"]["b"][f"{name}_stderr"] for found in repeated])
        assert stated == pytest.approx(spread, rel=0.15), name


def test_wilsons_error_of_no_failures_does_not_vanish():
    assert fraction_stderr(100, 100) == pytest.approx(0.5 / 101)
    p, n = 0.9, 10_000
    assert fraction_stderr(9000, n) == pytest.approx(math.sqrt(p * (1 - p) / n), rel=1e-3)


def test_denoising_stands_beside_the_corrupted_samples_and_their_principal_components():
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6))).reshape(300, 2, 3)
    clean = train[:50]
    noisy = clean + 0.1 * rng.normal(size=clean.shape)
    squared = rng.uniform(size=50)
    found = metrics.denoising(squared, noisy, clean, train, 2)
    assert found["corrupted_mse"] == pytest.approx(squared.mean())
    assert found["corrupted_mse_stderr"] == pytest.approx(squared.std(ddof=1) / np.sqrt(50))
    assert found["corruption_mse"] == pytest.approx(((noisy - clean) ** 2).mean())
    _, _, vectors = np.linalg.svd(train.reshape(300, 6) - train.reshape(300, 6).mean(0), full_matrices=False)
    noise = (noisy - clean).reshape(50, 6) @ vectors[:2].T  # the samples lie in the plane: noise in it stays
    assert found["corrupted_pca_mse"] == pytest.approx((noise**2).sum() / 300, rel=1e-5)
    assert metrics.denoising(squared, noisy, clean, train, 6)["corrupted_pca_mse"] is None
