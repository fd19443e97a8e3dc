import numpy as np
import pytest

from mlphys.datasets.circle_or_square import CircleOrSquare


@pytest.fixture(scope="module")
def samples():
    return CircleOrSquare(name="circle_or_square", samples=4000, size=50).load()


def test_images_are_20_pixels_wide_by_default():
    spec = CircleOrSquare(name="circle_or_square", samples=10)
    assert spec.describe().shape == (20, 20, 1)
    assert spec.describe().classes == ("circle", "square")


def test_a_pixel_is_0_or_1(samples):
    assert set(np.unique(samples.x)) == {0, 1}


def test_what_fits_into_the_image_covers_the_area_of_its_box_or_pi_quarters_of_it(samples):
    inside = samples.x[..., 0]
    border = np.ones((50, 50), bool)
    border[1:-1, 1:-1] = False
    whole = (inside[:, border] == 0).all(axis=1)
    rows, columns = inside.max(axis=2).sum(axis=1), inside.max(axis=1).sum(axis=1)
    filled = inside.sum(axis=(1, 2)) / (rows * columns)
    assert (filled[whole & (samples.y == 1)] == 1).all()
    assert filled[whole & (samples.y == 0)].mean() == pytest.approx(np.pi / 4, rel=0.03)
