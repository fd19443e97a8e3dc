import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.datasets.circles import Circles
from mlphys.numerics import pca


def images(samples=1, **keys):
    return Circles(name="circles", samples=samples, **keys).load().x


@pytest.fixture(scope="module")
def flat():
    """The images of the lecture's autoencoder, (20 000, 729)."""
    return images(20_000, size=27).reshape(20_000, -1)


def test_the_mean_image_is_off_by_what_is_known(flat):
    assert flat.var(axis=0).mean() == pytest.approx(0.144, rel=0.03)


@pytest.mark.slow
def test_nine_principal_components_leave_what_is_known(flat):
    assert pca.error(flat, flat, 9) == pytest.approx(0.0324, rel=0.03)


def test_a_pixel_is_0_or_1(flat):
    assert set(np.unique(flat)) == {0, 1}


def test_a_circle_covers_its_area():
    x = images(2000, size=50, radius=[0.3, 0.3], centre=[-0.5, 0.5])
    pixel = 2 / 49
    assert x.mean() * (50 * pixel) ** 2 == pytest.approx(np.pi * 0.3**2, rel=0.01)


def test_the_expected_area_is_that_of_a_uniform_radius():
    x = images(20_000, size=27, radius=[0.0, 0.5], centre=[-0.3, 0.3])
    pixel = 2 / 26
    assert x.mean() * (27 * pixel) ** 2 == pytest.approx(np.pi * 0.5**2 / 3, rel=0.03)


def test_pixels_nearer_to_the_centre_than_the_radius_are_inside():
    x = images(size=5, radius=[0.6, 0.6], centre=[0.0, 0.0])
    cross = [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert np.array_equal(x[0, :, :, 0], cross)


@pytest.mark.parametrize("radius", [[1.0, 0.5], [0.5], [0.1, 0.2, 0.3], "large", 0.5])
def test_a_radius_is_a_range_from_low_to_high(radius):
    with pytest.raises(ValidationError, match="range"):
        images(radius=radius)


def test_a_radius_is_not_negative():
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        images(radius=[-1.0, 1.0])
