"""Significance of differences: what SciPy says, and how often intervals cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mlphys.numerics import comparison

RANDOM = np.random.default_rng


def test_mcnemar_is_the_exact_binomial_test_of_the_samples_on_which_two_nets_differ():
    first = np.array([1] * 447 + [0] * 13 + [1] * 9000 + [0] * 540, bool)
    second = np.array([0] * 447 + [1] * 13 + [1] * 9000 + [0] * 540, bool)
    found = comparison.mcnemar(first, second)
    assert (found.first_only, found.second_only) == (447, 13)
    assert found.p == pytest.approx(stats.binomtest(13, 460).pvalue, rel=1e-9)
    difference = comparison.paired(first, second)
    assert difference.value == pytest.approx(0.0434)
    assert difference.stderr == pytest.approx(0.0021, abs=5e-5)


def test_equal_nets_differ_by_nothing():
    same = np.array([True, False, True])
    assert comparison.mcnemar(same, same) == comparison.McNemar(0, 0, 1.0)
    assert comparison.paired(same, same) == comparison.Difference(0.0, 0.0, 1.0, 2)
    assert comparison.mcnemar(np.array([True, False]), np.array([False, True])).p == 1


def test_a_paired_difference_has_the_p_of_scipys_paired_test():
    first, second = RANDOM(0).normal(size=(2, 40))
    found, expected = comparison.paired(first, second + 0.3), stats.ttest_rel(first, second + 0.3)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.value / found.stderr == pytest.approx(expected.statistic)


def test_seeds_are_compared_as_by_scipys_welch_test():
    first, second = [0.944, 0.951, 0.938, 0.949], [0.962, 0.965, 0.961]
    found, expected = comparison.welch(first, second), stats.ttest_ind(first, second, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.degrees == pytest.approx(expected.df)


def test_fewer_than_three_seeds_give_no_verdict_and_one_no_error():
    assert comparison.welch([0.9, 0.91], [0.8, 0.82, 0.81]).p is None
    assert comparison.welch([0.9, 0.91], [0.8, 0.82, 0.81]).stderr > 0
    assert comparison.welch([0.9], [0.8, 0.82, 0.81]).stderr is None
    scores = RANDOM(0).normal(size=(2, 30))
    assert comparison.over_new_samples(scores, scores + 1).p is None
    assert comparison.over_new_samples(scores[:1], scores).stderr is None


def experiment(random, n, samples, seed_spread, shared):
    """Scores (n, samples): of the seed, of the sample, and of both."""
    seeds = random.normal(0, seed_spread, (n, 1))
    return shared + seeds + random.normal(0, 0.5, (n, samples))


def covered(drawn, difference, level=0.95):
    inside = 0
    for each in drawn:
        found = difference(*each)
        inside += abs(found.value) <= found.stderr * stats.t.ppf((1 + level) / 2, found.degrees)
    return inside / len(drawn)


def test_intervals_over_seeds_and_new_samples_cover_the_truth_as_often_as_they_say():
    random, draws, samples = RANDOM(1), 1500, 60
    drawn = [
        (
            experiment(random, 5, samples, 0.05, random.normal(0, 1, samples)),
            experiment(random, 4, samples, 0.10, random.normal(0, 1, samples)),
        )
        for _ in range(draws)
    ]
    assert covered(drawn, comparison.over_new_samples) == pytest.approx(0.95, abs=0.02)
    over_seeds = covered(drawn, lambda a, b: comparison.welch(a.mean(axis=1), b.mean(axis=1)))
    assert over_seeds < 0.8  # it holds the samples fixed, which were drawn again


def test_intervals_over_seeds_cover_the_truth_where_the_samples_stay():
    random = RANDOM(2)
    drawn = [(random.normal(0, 1, 5), random.normal(0, 3, 4)) for _ in range(2000)]
    assert covered(drawn, comparison.welch) == pytest.approx(0.95, abs=0.02)


def test_what_seeds_and_samples_share_counts_once():
    """Scores without a part of the sample alone: all of var_i(d_i) / N is in the variance over seeds."""
    random, variances = RANDOM(3), []
    for _ in range(200):
        first, second = random.normal(size=(2, 4, 400))
        variances.append(comparison.over_new_samples(first, second).stderr ** 2)
    expected = 2 / (4 * 400)  # sigma_e^2 / (n N) of each
    assert np.mean(variances) == pytest.approx(expected, rel=0.15)


def test_weighted_scores_have_the_weighted_mean_and_its_spread_over_repeated_samples():
    random, means, errors = RANDOM(4), [], []
    for _ in range(600):
        first, second = random.random((2, 200)) < [[0.8], [0.7]]
        weights = random.exponential(size=200) + first  # samples that the first has right weigh more
        parts = [comparison.weighted_parts(each, weights) for each in (first, second)]
        found = comparison.paired(*parts)
        assert found.value == pytest.approx(
            np.average(first, weights=weights) - np.average(second, weights=weights), abs=1e-12
        )
        means.append(found.value)
        errors.append(found.stderr)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.07)


def test_equal_weights_are_none():
    values = RANDOM(5).normal(size=9)
    np.testing.assert_allclose(comparison.weighted_parts(values, np.full(9, 3.0)), values, rtol=1e-12)


def test_folds_have_the_variance_of_nadeau_and_bengio():
    first, second = [0.90, 0.92, 0.91, 0.94, 0.90], [0.88, 0.91, 0.91, 0.90, 0.89]
    found = comparison.over_same_folds(first, second)
    s = np.std(np.subtract(first, second), ddof=1)
    assert found.stderr == pytest.approx(s * math.sqrt(1 / 5 + 1 / 4))
    assert found.p == pytest.approx(2 * stats.t.sf(found.value / found.stderr, 4))


def test_holm_multiplies_by_the_number_of_hypotheses_that_are_left():
    assert comparison.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert comparison.holm([0.9, 0.8]) == [1.0, 1.0]
    assert comparison.holm([]) == []


@pytest.mark.parametrize(("p", "sigma"), [(1.0, 0.0), (0.3173105, 1.0), (5.7330e-7, 5.0), (0.0, math.inf)])
def test_sigma_is_the_normal_quantile_of_p(p, sigma):
    assert comparison.sigma(p) == pytest.approx(sigma, abs=1e-4)
