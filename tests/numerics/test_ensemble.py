import numpy as np

from mlphys.numerics.class_probabilities import probability_metrics
from mlphys.numerics.ensemble import coverage, negative_log, squared_errors


def test_targets_that_are_drawn_as_the_outputs_are_covered_as_often_as_the_level_says():
    random = np.random.default_rng(0)
    middle = random.normal(size=(4000, 2))
    outputs = middle + 0.3 * random.normal(size=(5, 4000, 2))
    for row in coverage(outputs, middle + 0.3 * random.normal(size=(4000, 2))):
        assert abs(row["covered"] - row["level"]) < 4 * row["stderr"]
        assert 0 < row["stderr"] < 0.01


def test_a_bias_that_all_nets_share_is_not_covered():
    random = np.random.default_rng(0)
    outputs = 1 + 0.1 * random.normal(size=(10, 1000, 1))
    assert max(row["covered"] for row in coverage(outputs, np.zeros((1000, 1)))) < 0.01


def test_scores_are_those_of_each_net_and_of_the_mean():
    p = np.array([[[0.5, 0.5], [0.2, 0.8]], [[1.0, 0.0], [0.6, 0.4]]])
    labels = np.array([0, 1])
    np.testing.assert_allclose(negative_log(p, labels), -np.log([[0.5, 0.8], [1.0, 0.4]]))
    np.testing.assert_allclose(negative_log(p.mean(axis=0), labels), -np.log([0.75, 0.6]))
    np.testing.assert_allclose(squared_errors(p, np.zeros((2, 2))), [[0.25, 0.34], [0.5, 0.26]])


def test_the_score_of_one_net_is_its_nll_in_metrics_also_where_the_right_class_has_no_probability():
    p = np.array([[0.0, 1.0], [1e-30, 1.0], [0.3, 0.7]], np.float32)
    labels = np.array([0, 0, 1])
    for scores in (negative_log(p, labels), negative_log(p[None], labels)[0]):
        assert scores.mean() == probability_metrics(labels, p, None)["nll"]
