import numpy as np
import pytest

from mlphys.datasets import lorentz_gauss

AMPLITUDE, CENTRE, WIDTH = 0.8, 0.1, 0.3


@pytest.mark.parametrize(
    ("peak", "one_width_away"), [(lorentz_gauss.lorentz, AMPLITUDE / 2), (lorentz_gauss.gauss, AMPLITUDE / np.e)]
)
def test_a_peak_has_its_height_at_its_centre_and_falls_as_it_should(peak, one_width_away):
    values = peak(np.array([CENTRE, CENTRE + WIDTH, CENTRE - WIDTH]), AMPLITUDE, CENTRE, WIDTH)
    np.testing.assert_allclose(values, [AMPLITUDE, one_width_away, one_width_away])


def test_curves_have_100_points_and_stay_between_0_and_1():
    spec = lorentz_gauss.LorentzGauss(name="lorentz_gauss", samples=1000)
    samples = spec.load()
    assert samples.x.shape == (1000, 100)
    assert samples.x.min() >= 0
    assert samples.x.max() <= 1
    assert spec.describe().classes == ("lorentz", "gauss")


def test_a_curve_is_its_label_s_peak():
    """1 / y is a parabola for Lorentz, log y for Gauss: the third difference vanishes."""
    samples = lorentz_gauss.LorentzGauss(name="lorentz_gauss", samples=400).load()
    x = samples.x.astype(np.float64)
    clear = x.min(axis=1) > 1e-3
    for label, straightened in ((0, 1 / x[clear]), (1, np.log(x[clear]))):
        second = np.diff(straightened, 2, axis=1)
        bent = np.ptp(second, axis=1) / abs(second).mean(axis=1)
        of_label = samples.y[clear] == label
        assert np.median(bent[of_label]) < 0.02
        assert np.median(bent[~of_label]) > 0.1


def test_peaks_stand_anywhere_and_are_equally_high_on_average():
    samples = lorentz_gauss.LorentzGauss(name="lorentz_gauss", samples=20_000).load()
    place = samples.x.argmax(axis=1) / 99
    assert place.mean() == pytest.approx(0.5, abs=0.01)
    assert place.var() == pytest.approx(1 / 12, rel=0.05)
    for label in (0, 1):
        assert samples.x[samples.y == label].max(axis=1).mean() == pytest.approx(0.5, abs=0.02)
