import re

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from mlphys.datasets.crosses_and_noughts import CrossesAndNoughts

CROSS_OF_THE_SLIDES = """
.....
.#.#.
..#..
.#.#.
.....
"""
SMALLEST_NOUGHT = """
.....
.###.
.#.#.
.###.
.....
"""
CROSS = """
.........
.#.....#.
..#...#..
...#.#...
....#....
...#.#...
..#...#..
.#.....#.
.........
"""
NOUGHT = """
.........
...###...
..#...#..
.#.....#.
.#.....#.
.#.....#.
..#...#..
...###...
.........
"""
BOTH = [0, 1]


def generate(samples=2, **keys):
    return CrossesAndNoughts(name="crosses_and_noughts", samples=samples, **keys)


def images(samples=2, **keys):
    return generate(samples, **keys).load().x[..., 0]


def drawn(picture):
    return np.array([[1 if pixel == "#" else -1 for pixel in row] for row in picture.split()])


def test_the_cross_is_that_of_the_slides():
    x = images(size=5, arm=1, shift=0, flips=0)
    assert np.argwhere(x[0] == 1).tolist() == [[1, 1], [1, 3], [2, 2], [3, 1], [3, 3]]
    assert (x[0] == 1).sum() + (x[0] == -1).sum() == 25
    assert np.array_equal(x, [drawn(CROSS_OF_THE_SLIDES), drawn(SMALLEST_NOUGHT)])


def test_the_slides_kernel_finds_the_falling_diagonal_of_the_cross():
    """A valid convolution, as the slides compute it (they print one -1 where -3 is right)."""
    windows = np.lib.stride_tricks.sliding_window_view(images(size=5, arm=1, shift=0, flips=0)[0], (3, 3))
    kernel = 2 * np.eye(3) - 1
    assert (windows * kernel).sum(axis=(2, 3)).tolist() == [[7, -3, 3], [-3, 5, -3], [3, -3, 7]]


def test_in_the_middle_they_are_drawn_like_this():
    assert np.array_equal(images(shift=0, flips=0), [drawn(CROSS), drawn(NOUGHT)])


@pytest.mark.parametrize("arm", range(1, 20))
def test_a_nought_is_closed_and_as_large_as_the_cross(arm):
    cross, nought = images(size=2 * arm + 3, arm=arm, shift=0, flips=0)
    _, regions = ndimage.label(nought == -1)  # pixels are neighbours where they share a side
    assert regions == 2
    for symbol in (cross, nought):
        assert [(int(places.min()), int(places.max())) for places in np.nonzero(symbol == 1)] == [(1, 2 * arm + 1)] * 2


@pytest.mark.parametrize("k", BOTH)
def test_each_is_its_own_mirror_image(k):
    symbol = images(size=21, arm=8, shift=0, flips=0)[k]
    assert all(np.array_equal(symbol, mirrored) for mirrored in (symbol[::-1], symbol[:, ::-1], symbol.T))


@pytest.mark.parametrize("size", [13, 14])
@pytest.mark.parametrize("k", BOTH)
def test_every_shift_is_equally_likely_and_leaves_the_symbol_whole(size, k):
    x = images(20_000, size=size, arm=4, shift=2, flips=0)[k::2]
    middle = images(size=size, arm=4, shift=0, flips=0)[k]
    counts = [
        (x == np.roll(middle, (down, right), axis=(0, 1))).all(axis=(1, 2)).sum()
        for down in range(-2, 3)
        for right in range(-2, 3)
    ]
    assert sum(counts) == 10_000
    chi_squared = sum((count - 400) ** 2 / 400 for count in counts)
    assert chi_squared < 53  # 24 degrees of freedom, p = .0006


def test_each_pixel_is_flipped_by_itself_with_the_probability_that_is_given():
    flipped = images(20_000, shift=0, flips=0.1) != np.tile(images(shift=0, flips=0), (10_000, 1, 1))
    assert flipped.mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / flipped.size))
    assert flipped.sum(axis=(1, 2)).var() == pytest.approx(81 * 0.1 * 0.9, rel=0.04)  # that of a binomial
    assert flipped.mean(axis=0).std() == pytest.approx(np.sqrt(0.09 / 20_000), rel=0.3)


def test_with_all_pixels_flipped_the_image_is_its_negative():
    assert np.array_equal(images(flips=1.0, shift=0), -images(flips=0.0, shift=0))


def test_a_pixel_is_plus_or_minus_1():
    x = images(100)
    assert x.dtype == np.float32
    assert set(np.unique(x)) == {-1, 1}


def test_the_labels_take_turns():
    spec = generate(5)
    assert spec.describe().classes == ("cross", "nought")
    assert spec.load().y.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"shift": 2}, "arm 3 and shift 2 need 11 x 11 pixels, the size is 9"),
        ({"size": 8}, "arm 3 and shift 1 need 9 x 9 pixels, the size is 8"),
        ({"arm": 5, "shift": 0}, "arm 5 and shift 0 need 11 x 11 pixels, the size is 9"),
    ],
)
def test_a_symbol_that_could_leave_the_image_is_refused(keys, text):
    with pytest.raises(ValidationError, match=re.escape(f"{text}; lower arm or shift, or raise size")):
        generate(**keys)


@pytest.mark.parametrize("keys", [{"arm": 0}, {"shift": -1}, {"flips": -0.1}, {"flips": 1.1}])
def test_impossible_keys_are_refused(keys):
    with pytest.raises(ValidationError, match=next(iter(keys))):
        generate(**keys)
