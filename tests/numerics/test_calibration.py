"""Calibrated scores: where the true probabilities are known, where there are no mistakes."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from mlphys.numerics import calibration

RANDOM = np.random.default_rng(0)


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> float:
    normal = np.log(np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)) + scores.max(axis=1)
    return float((normal - scores[np.arange(len(labels)), labels]).mean())


def parameters(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fitted = calibration.fit(scores, labels)
    return fitted.scales, fitted.biases


def test_scales_and_biases_that_made_the_labels_are_found_again():
    scores = 20 * RANDOM.normal(size=(15_000, 3)) + [100, -50, 0]
    a, b = np.array([0.1, 0.05, 0.2]), np.array([-10.0, 3.0, 0.5])
    p = np.exp(a * scores + b)
    labels = (RANDOM.random((len(p), 1)) > (p / p.sum(axis=1, keepdims=True)).cumsum(axis=1)).sum(axis=1)
    scales, biases = parameters(scores, labels)
    np.testing.assert_allclose(scales, a, rtol=0.1)
    np.testing.assert_allclose(biases - biases[0], b - b[0], atol=1)


def test_no_other_scale_or_bias_is_better():
    scores, labels = RANDOM.normal(size=(300, 4)) * [1, 5, 10, 2], RANDOM.integers(4, size=300)
    scores[np.arange(300), labels] += 2
    a, b = parameters(scores, labels)
    best = cross_entropy(a * scores + b, labels)
    assert best < cross_entropy(scores, labels)
    for _ in range(50):
        nudge = 0.1 * RANDOM.normal(size=(2, 4))
        assert cross_entropy(a * (1 + nudge[0]) * scores + b + nudge[1], labels) > best


def test_a_scale_and_a_shift_of_the_scores_change_no_probability():
    scores, labels = RANDOM.normal(size=(300, 3)), RANDOM.integers(3, size=300)
    moved = scores * [1e-3, 1, 1e5] + [1e3, -7, 0]
    (a, b), (c, d) = parameters(scores, labels), parameters(moved, labels)
    difference = (a * scores + b) - (c * moved + d)
    np.testing.assert_allclose(difference, np.zeros((300, 3)), atol=1e-6)


def test_classes_without_a_mistake_have_finite_scales_and_sure_probabilities():
    labels = np.arange(90) % 3
    scores = 1000.0 * np.eye(3)[labels] + RANDOM.normal(size=(90, 3))
    a, b = parameters(scores, labels)
    assert np.isfinite([a, b]).all()
    assert cross_entropy(a * scores + b, labels) < 0.01


def test_a_score_that_never_changes_is_left_to_its_bias():
    labels = np.arange(100) % 4 // 3
    scales, biases = parameters(np.full((100, 2), 5.0), labels)
    p = 1 / (1 + np.exp((scales[0] - scales[1]) * 5 + biases[0] - biases[1]))
    assert abs(p - 0.25) < 1e-3


def test_the_ridge_is_the_one_whose_parameters_say_most_of_left_out_samples():
    random = np.random.default_rng(4)
    scores, labels = random.normal(size=(60, 2)), random.integers(2, size=60)
    scores[np.arange(60), labels] += 1
    z, dealt = (scores - scores.mean(axis=0)) / scores.std(axis=0), calibration.folds(labels)

    def left_out(ridge: float) -> float:
        total = 0.0
        for fold in range(calibration.FOLDS):
            seen = dealt != fold

            def cost(place: np.ndarray, seen: np.ndarray = seen) -> float:
                return cross_entropy(place[:2] * z[seen] + place[2:], labels[seen]) + ridge / 2 * place @ place

            place = minimize(cost, [1, 1, 0, 0], tol=1e-10).x
            total += (~seen).sum() * cross_entropy(place[:2] * z[~seen] + place[2:], labels[~seen])
        return total

    found = calibration.fit(scores, labels)
    assert found.ridge == min(calibration.RIDGES, key=left_out)
    assert calibration.RIDGES[0] >= found.ridge > calibration.RIDGES[-1]


def test_folds_have_as_many_samples_of_each_class_as_can_be():
    labels = RANDOM.integers(3, size=200)
    counts = np.array([np.bincount(labels[calibration.folds(labels) == fold], minlength=3) for fold in range(5)])
    assert (np.ptp(counts, axis=0) <= 1).all()
