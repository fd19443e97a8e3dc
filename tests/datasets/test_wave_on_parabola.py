import numpy as np
import pytest

from mlphys.datasets.wave_on_parabola import WaveOnParabola


def test_a_curve_has_its_values_at_equidistant_places():
    samples = WaveOnParabola(name="wave_on_parabola", samples=2, points=5, reach=1.0).load()
    assert samples.x.shape == (2, 5)
    assert samples.x[1] == pytest.approx([2 - np.sin(4), 1.25 - np.sin(2), 1, 1.25 + np.sin(2), 2 + np.sin(4)])


def test_the_kernel_1_2_1_gives_the_second_derivative():
    """Of sin(w x) the second difference is -4 sin^2(w h / 2) sin(w x), of x^2 it is 2 h^2, both exactly."""
    spec = WaveOnParabola(name="wave_on_parabola")
    step, x = 4.0 / 200, np.linspace(-2, 2, 201)
    found = np.convolve(spec.load().x[0].astype(np.float64), [1, -2, 1], "valid")
    assert found == pytest.approx(-4 * np.sin(2 * step) ** 2 * np.sin(4 * x[1:-1]) + 2 * step**2, abs=2e-6)
    assert found / step**2 == pytest.approx(2 - 16 * np.sin(4 * x[1:-1]), abs=0.02)


def test_noise_has_its_standard_deviation_and_differs_between_samples():
    clean, noisy = (WaveOnParabola(name="wave_on_parabola", samples=100, noise=s).load().x for s in (0.0, 0.3))
    assert np.ptp(clean, axis=0).max() == 0
    assert (noisy - clean).std() == pytest.approx(0.3, rel=0.03)
