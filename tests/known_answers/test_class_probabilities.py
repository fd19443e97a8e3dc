"""Numbers of class probabilities compared with scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn import metrics as sklearn_metrics

from mlphys.numerics import bootstrap, discrimination, reliability
from mlphys.numerics.class_probabilities import probability_metrics, ranking_metrics
from mlphys.numerics.metrics import classification


def made_up(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities with ties, and weights."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n).astype(np.int32)
    scores = np.round(random.normal(size=(n, classes)) + 1.3 * np.eye(classes)[labels], 1)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return labels, p.astype(np.float32), random.exponential(size=n).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
def test_area_average_precision_and_efficiency_of_two_classes_are_scikit_learns(weighted):
    labels, p, w = made_up(500, 2)
    weights = w if weighted else None
    found, per_class = ranking_metrics(labels, p, weights)
    assert found["auc"] == pytest.approx(sklearn_metrics.roc_auc_score(labels, p[:, 1], sample_weight=weights))
    precision = sklearn_metrics.average_precision_score(labels, p[:, 1], sample_weight=weights)
    assert found["average_precision"] == pytest.approx(precision)
    background, efficiency, _ = sklearn_metrics.roc_curve(
        labels, p[:, 1], sample_weight=weights, drop_intermediate=False
    )
    for percent in (90, 99):
        best = efficiency[background <= 1 - percent / 100 + 1e-12].max()
        assert found[f"efficiency_at_{percent}_percent_rejection"] == pytest.approx(best)
    assert per_class == []


@pytest.mark.parametrize("weighted", [False, True])
def test_area_and_average_precision_of_several_classes_are_scikit_learns_macro_averages(weighted):
    labels, p, w = made_up(300, 4)
    weights = w if weighted else None
    found, per_class = ranking_metrics(labels, p, weights)
    one_hot = np.eye(4)[labels]
    for name, function in (
        ("auc", sklearn_metrics.roc_auc_score),
        ("average_precision", sklearn_metrics.average_precision_score),
    ):
        assert found[name] == pytest.approx(function(one_hot, p, average="macro", sample_weight=weights))
        each = [facts[name] for facts in per_class]
        assert each == pytest.approx(function(one_hot, p, average=None, sample_weight=weights))


def test_the_curves_are_scikit_learns():
    labels, p, w = made_up(200, 2)
    counts = discrimination.Ranking(p[:, 1], labels == 1).counts(w)
    background, efficiency, thresholds = sklearn_metrics.roc_curve(
        labels, p[:, 1], sample_weight=w, drop_intermediate=False
    )
    np.testing.assert_allclose(counts.background(), background[1:], rtol=1e-5)
    np.testing.assert_allclose(counts.efficiency(), efficiency[1:], rtol=1e-5)
    np.testing.assert_allclose(counts.thresholds, thresholds[1:])
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, p[:, 1], sample_weight=w)
    np.testing.assert_allclose(counts.precision()[::-1], precision[:-1], rtol=1e-5)
    np.testing.assert_allclose(counts.efficiency()[::-1], recall[:-1], rtol=1e-5)


def test_the_average_precision_of_each_set_of_weights_is_scikit_learns():
    labels, p, _ = made_up(200, 2)
    weights = np.random.default_rng(5).poisson(1.0, (4, 200)).astype(np.float64)
    weights[3, labels == 1] = 0
    with np.errstate(invalid="ignore"):
        found = discrimination.Ranking(p[:, 1], labels == 1).average_precision(weights)
    expected = [sklearn_metrics.average_precision_score(labels, p[:, 1], sample_weight=one) for one in weights[:3]]
    np.testing.assert_allclose(found[:3], expected, rtol=1e-12)
    assert np.isnan(found[3])


def test_resamples_in_which_nothing_counts_are_left_out():
    def shares(weights: np.ndarray) -> np.ndarray:
        return (weights[:, :1] / weights.sum(axis=1, keepdims=True)).astype(float)

    weights = np.zeros(50)
    weights[:2] = 1  # neither counts in every seventh resample
    [error] = bootstrap.stderr(shares, weights)
    assert 0.3 < error < 0.5


def test_the_standard_errors_are_the_spread_over_repeated_samples():
    found = [ranking_metrics(*made_up(400, 2, seed)[:2], None)[0] for seed in range(60)]
    found = [{**ranked, **probability_metrics(*made_up(400, 2, seed)[:2], None)} for seed, ranked in enumerate(found)]
    for name in ("auc", "average_precision", "efficiency_at_90_percent_rejection", "nll"):
        spread = np.std([one[name] for one in found], ddof=1)
        assert np.mean([one[f"{name}_stderr"] for one in found]) == pytest.approx(spread, rel=0.3), name


@pytest.mark.parametrize("classes", [2, 3])
def test_what_is_perfect_has_the_error_of_a_fraction_of_one_and_not_zero(classes):
    labels = np.arange(60) % classes
    found, _ = ranking_metrics(labels, np.eye(classes, dtype=np.float32)[labels] * 0.9 + 0.05, None)
    n = 60 // classes
    assert found["auc"] == found["average_precision"] == 1
    if classes == 2:
        assert found["auc_stderr"] == pytest.approx(math.sqrt(2) / (2 * (n + 1)))
        assert found["average_precision_stderr"] == found["efficiency_at_99_percent_rejection_stderr"]
        assert found["average_precision_stderr"] == pytest.approx(1 / (2 * (n + 1)))
    else:
        assert found["auc_stderr"] == found["average_precision_stderr"] == pytest.approx(1 / (2 * 61))


def test_the_error_of_a_mean_of_areas_is_that_of_repeated_samples():
    found = [ranking_metrics(*made_up(300, 3, seed)[:2], None)[0] for seed in range(60)]
    spread = np.std([one["auc"] for one in found], ddof=1)
    assert np.mean([one["auc_stderr"] for one in found]) == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_nll_is_scikit_learns_log_loss(weighted):
    labels, p, w = made_up(300, 3)
    weights = w if weighted else None
    exact = p / p.sum(axis=1, keepdims=True, dtype=np.float64)
    expected = sklearn_metrics.log_loss(labels, exact, sample_weight=weights)
    assert probability_metrics(labels, p, weights)["nll"] == pytest.approx(expected, rel=1e-6)


def test_the_calibration_error_is_that_of_its_bins_written_out():
    labels, p, w = made_up(300, 3)
    confidence, right = p.max(axis=1).astype(np.float64), p.argmax(axis=1) == labels
    total = 0.0
    for b in range(15):
        inside = (confidence >= b / 15) & (confidence < (b + 1) / 15)
        if inside.any():
            accuracy = np.average(right[inside], weights=w[inside])
            total += w[inside].sum() * abs(accuracy - np.average(confidence[inside], weights=w[inside]))
    assert probability_metrics(labels, p, w)["ece"] == pytest.approx(total / w.sum(), rel=1e-5)
    found = reliability.bins(confidence, right, w)
    filled = found.weight > 0
    gaps = np.abs(found.accuracy - found.confidence)[filled]
    assert (gaps * found.weight[filled]).sum() / w.sum() == pytest.approx(total / w.sum(), rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_temperature_is_the_minimum_of_the_nll(weighted):
    labels, p, w = made_up(400, 3)
    weights = w if weighted else None

    def nll(log_temperature: float) -> float:
        scaled = p.astype(np.float64) ** (1 / np.exp(log_temperature))
        own = (scaled / scaled.sum(axis=1, keepdims=True))[np.arange(400), labels]
        return float(np.average(-np.log(own), weights=weights))

    found = reliability.temperature(p, labels, weights)
    assert found.value == pytest.approx(np.exp(minimize_scalar(nll, bounds=(-3, 3), method="bounded").x), rel=1e-3)


def test_sharpened_probabilities_have_the_temperature_that_undoes_it():
    random = np.random.default_rng(1)
    p = random.dirichlet([1, 1, 1], 20_000)
    labels = (p.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    sharp = p**2.5 / (p**2.5).sum(axis=1, keepdims=True)
    found = reliability.temperature(sharp, labels)
    assert found.stderr is not None
    assert abs(found.value - 2.5) < 4 * found.stderr
    assert found.stderr < 0.05
    np.testing.assert_allclose(found.applied(sharp)[:, 0], p[:, 0], atol=0.05)


def test_perfect_probabilities_are_colder_than_can_be_told():
    found = reliability.temperature(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
    assert found.value < 0.1
    assert found.stderr is None


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracies_precisions_and_recalls_are_scikit_learns(weighted):
    labels, p, w = made_up(300, 3)
    weights = w if weighted else None
    found = classification(labels, p, np.ones(300), ("a", "b", "c"), weights)
    guesses, each = p.argmax(axis=1), {"sample_weight": weights}
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, guesses, **each))
    balanced = sklearn_metrics.balanced_accuracy_score(labels, guesses, **each)
    assert found["balanced_accuracy"] == pytest.approx(balanced)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(labels, guesses, **each)
    for k, facts in enumerate(found["per_class"].values()):
        assert [facts["precision"], facts["recall"], facts["f1"]] == pytest.approx([precision[k], recall[k], f1[k]])


def test_equal_weights_change_no_number():
    labels, p, _ = made_up(200, 2)
    plain = classification(labels, p, np.arange(200.0), ("a", "b"))
    same = classification(labels, p, np.arange(200.0), ("a", "b"), np.full(200, 0.25, np.float32))
    assert same.pop("effective_samples") == 200
    per_class = plain.pop("per_class"), same.pop("per_class")
    assert same == pytest.approx(plain, rel=1e-9)
    for name in per_class[0]:
        assert per_class[0][name] == pytest.approx(per_class[1][name])


def test_negative_weights_leave_what_they_define_and_nothing_else():
    labels, p, w = made_up(400, 2)
    w[::9] *= -0.5
    found = classification(labels, p, np.ones(400), ("a", "b"), w)
    right = p.argmax(axis=1) == labels
    assert found["accuracy"] == pytest.approx(np.average(right, weights=w))
    assert found["auc"] == pytest.approx(_pairs(p[:, 1], labels, w))
    undefined = [name for name, value in found.items() if value is None and not name.endswith("_stderr")]
    assert undefined == [
        "average_precision", "efficiency_at_90_percent_rejection", "efficiency_at_99_percent_rejection", "ece",
    ]  # fmt: skip


def _pairs(scores: np.ndarray, labels: np.ndarray, w: np.ndarray) -> float:
    """The area as the weighted fraction of ordered pairs, one by one."""
    total = won = 0.0
    for i in np.flatnonzero(labels == 1):
        for j in np.flatnonzero(labels == 0):
            pair = float(w[i]) * float(w[j])
            total += pair
            won += pair * (0.5 * (scores[i] == scores[j]) + (scores[i] > scores[j]))
    return won / total
