import numpy as np
import pytest

from mlphys.datasets.moons import Moons


def generate(**keys):
    return Moons(name="moons", samples=2000, **keys).load()


def test_without_noise_the_points_lie_on_two_half_circles():
    samples = generate(noise=0.0)
    upper, lower = (samples.x[samples.y == label] for label in (0, 1))
    np.testing.assert_allclose(np.hypot(*upper.T), 1, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1, atol=1e-6)
    assert upper[:, 1].min() >= -1e-6
    assert lower[:, 1].max() <= 0.5 + 1e-6


def test_points_are_off_the_half_circles_by_the_noise():
    samples = generate(noise=0.05)
    upper = samples.x[samples.y == 0]
    assert np.hypot(*upper.T).std() == pytest.approx(0.05, rel=0.1)
