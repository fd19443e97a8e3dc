import numpy as np
import pytest

from mlphys.datasets.spirals import Spirals


def generate(**keys):
    return Spirals(name="spirals", samples_per_class=100, **keys).load()


def test_without_noise_the_points_are_those_of_the_formula():
    samples = generate(noise=0.0)
    for j in range(3):
        r, t = np.linspace(0, 1, 100), np.linspace(4 * j, 4 * (j + 1), 100)
        expected = np.stack([r * np.sin(t), r * np.cos(t)], axis=1)
        np.testing.assert_allclose(samples.x[samples.y == j], expected, atol=1e-6)


def test_noise_turns_the_points_and_leaves_their_distance_from_the_middle():
    samples = generate()
    distance = np.hypot(*samples.x.T).reshape(3, 100)
    np.testing.assert_allclose(distance, np.tile(np.linspace(0, 1, 100), (3, 1)), atol=1e-6)


def test_the_angles_spread_by_the_noise():
    noisy, clean = (Spirals(name="spirals", samples_per_class=3000, noise=s).load() for s in (0.3, 0.0))
    (x, y), (x0, y0) = noisy.x.T, clean.x.T
    turned = np.arctan2(x * y0 - y * x0, x * x0 + y * y0)[np.hypot(x0, y0) > 0]
    assert turned.std() == pytest.approx(0.3, rel=0.05)
    assert turned.mean() == pytest.approx(0, abs=0.02)
