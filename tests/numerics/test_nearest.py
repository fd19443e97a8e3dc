import numpy as np
import pytest

from mlphys.numerics import nearest


def test_the_distance_is_the_root_mean_square_difference_to_the_nearest():
    known = np.array([[0.0, 0.0], [3.0, 4.0]])
    x = np.array([[0.0, 2.0], [3.0, 4.0], [3.0, 5.0]])
    assert nearest.distances(x, known) == pytest.approx([np.sqrt(2), 0, np.sqrt(0.5)])


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_it_does_not_depend_on_how_many_are_compared_at_once(at_once, monkeypatch):
    random = np.random.default_rng(0)
    x, known = random.normal(size=(20, 3, 3, 1)), random.normal(size=(7, 3, 3, 1))
    expected = np.sqrt(np.square(x[:, None] - known[None]).reshape(20, 7, 9).mean(axis=2).min(axis=1))
    monkeypatch.setattr(nearest, "AT_ONCE", at_once)
    assert nearest.distances(x, known) == pytest.approx(expected, abs=1e-6)


def test_the_share_below_counts_smaller_values():
    assert list(nearest.share_below(np.array([0.5, 1.0, 4.0]), np.array([3.0, 1.0, 2.0, 1.0]))) == [0, 0, 1]
