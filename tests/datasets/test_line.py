import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.datasets.line import Line


def generate(**keys):
    return Line(name="line", **keys).load()


def test_the_points_are_those_of_the_lecture_by_default():
    samples = generate()
    assert samples.x.shape == samples.y.shape == (160, 1)
    np.testing.assert_allclose(samples.x[[0, 1, 159], 0], [3, 3.1, 18.9], rtol=1e-6)
    np.testing.assert_allclose(samples.y[[0, 1, 159], 0], [73, 75.1, 406.9], rtol=1e-6)


@pytest.mark.parametrize(
    ("start", "stop", "step", "x"),
    [(0, 1, 0.25, [0, 0.25, 0.5, 0.75]), (0, 0.9, 0.25, [0, 0.25, 0.5, 0.75]), (1, 1.3, 0.1, [1, 1.1, 1.2])],
)
def test_x_goes_from_start_to_below_stop(start, stop, step, x):
    np.testing.assert_allclose(generate(start=start, stop=stop, step=step).x[:, 0], x, rtol=1e-6)


def test_noise_has_its_standard_deviation():
    noisy = generate(slope=2, intercept=-1, step=0.001, noise=5)
    rest = noisy.y - (2 * noisy.x - 1)
    assert rest.std() == pytest.approx(5, rel=0.03)
    assert rest.mean() == pytest.approx(0, abs=0.2)


def test_outliers_are_the_last_points_moved_by_their_shift():
    moved = generate(outliers=8, outlier_shift=100)
    np.testing.assert_allclose((moved.y - generate().y)[:, 0], [0] * 152 + [100] * 8, rtol=1e-5)


def test_outliers_pull_the_slope_of_least_squares():
    samples = generate(outliers=8)
    slope, _ = np.polyfit(samples.x[:, 0], samples.y[:, 0], 1)
    assert slope < 17


REFUSED = [
    ({"start": 2, "stop": 2}, "no points: stop is 2 and start 2; raise stop"),
    ({"step": 1e-9}, "more than 100000000 points from start to stop; raise step"),
    ({"step": 1e-320}, "more than 100000000 points from start to stop; raise step"),
    ({"outliers": 161}, "161 outliers among 160 points; lower outliers"),
]


@pytest.mark.parametrize(("keys", "text"), REFUSED)
def test_a_line_that_cannot_be_drawn_is_refused(keys, text):
    with pytest.raises(ValidationError, match=text):
        Line(name="line", **keys)
