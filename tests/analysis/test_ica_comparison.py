"""Independent components: distances that are known, and filters that unmix what was mixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.ica_comparison import ICAComparison, _compared, _fast_ica, amari_distance
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from tests.analysis.runs import TIED, UNTIED, random_run

RANDOM = np.random.default_rng(0)
SQUARE = UNTIED.replace("units: 5, activation: tanh", "units: 2")


def test_the_distance_of_a_scaled_permutation_is_0_and_that_of_equal_numbers_is_1():
    assert amari_distance(np.array([[0, -3.0, 0], [0.5, 0, 0], [0, 0, 2]])) == 0
    assert amari_distance(np.ones((4, 4))) == pytest.approx(1)


def test_a_filter_that_died_is_as_far_as_one_of_equal_numbers():
    """Its row counts 2 of 2, and so does the column that no filter is left for."""
    assert amari_distance(np.diag([1.0, 1.0, 0.0])) == pytest.approx((2 + 2) / (2 * 3 * 2))


def test_order_sign_and_length_of_the_filters_change_nothing():
    random = np.random.default_rng(1)
    known, filters, z = (random.normal(size=(count, 5)) for count in (3, 3, 40))
    one, other = _compared(filters, known, z), _compared(filters[[2, 0, 1]] * [[-3.0], [0.1], [7]], 2 * known, z)
    assert other.amari == pytest.approx(one.amari)
    assert other.cosines == pytest.approx(one.cosines)
    assert other.sparseness == pytest.approx(one.sparseness)


def test_a_rotation_by_an_angle_has_the_distance_tan():
    """|cos| and |sin| in every row and column: the sum over the larger, minus 1, is tan a."""
    a = 0.3
    assert amari_distance(np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])) == pytest.approx(np.tan(a))


def test_filters_that_unmix_sparse_sources_are_those_of_fast_ica_and_their_rotation_is_not():
    sources = RANDOM.laplace(size=(5000, 3))
    mixing = RANDOM.normal(size=(3, 3))
    z = sources @ mixing.T
    known = _fast_ica(z - z.mean(axis=0), 3, 0, 200)
    right = _compared(np.linalg.inv(mixing), known.filters, z)
    assert right.amari < 0.05
    assert right.cosines.min() > 0.99
    assert right.sparseness == pytest.approx(np.sqrt(1 / 2), abs=0.01)  # E|y| of a Laplace distribution of variance 1
    turned = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0] @ np.linalg.inv(mixing)
    wrong = _compared(turned, known.filters, z)
    assert wrong.amari > 0.2
    assert wrong.sparseness > right.sparseness


def test_a_linear_autoencoder_is_measured_on_training_samples(tmp_path: Path):
    run = random_run(tmp_path, SQUARE)
    spec = ICAComparison(samples=20)
    spec.check(run.loaded)
    with theme.applied():
        numbers = spec.measure(run).numbers
    assert (numbers["split"], numbers["components"], numbers["samples"]) == ("train", 2, 20)


def test_units_that_are_not_linear_are_refused(tmp_path: Path):
    with pytest.raises(NotApplicable, match="only an autoencoder of linear Dense layers"):
        ICAComparison().check(random_run(tmp_path, TIED).loaded)
