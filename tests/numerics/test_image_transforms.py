"""Shifts, turns and scalings whose result is known."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.numerics.image_transforms import four_ways, scaled, shifted, turned

# One bright pixel in the middle of 5 x 5.
POINT = np.zeros((1, 5, 5, 1), np.float32)
POINT[0, 2, 2, 0] = 1
NOISE = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("down", "right", "place"), [(0, 0, (2, 2)), (1, 0, (3, 2)), (-2, 0, (0, 2)), (0, 2, (2, 4)), (0, -1, (2, 1))]
)
def test_a_shift_moves_the_point(down: int, right: int, place: tuple[int, int]):
    moved = shifted(POINT, down, right)
    assert np.argwhere(moved[0, ..., 0]).tolist() == [list(place)]


def test_what_leaves_the_image_is_gone_and_zeros_come_in():
    assert shifted(POINT, 3, 0).sum() == 0
    assert shifted(np.ones((1, 4, 4, 1), np.float32), 0, -1)[0, :, :, 0].tolist() == [[1, 1, 1, 0]] * 4


def test_there_are_four_ways_to_shift_and_one_to_stay():
    assert four_ways(2) == [(0, -2), (0, 2), (-2, 0), (2, 0)]
    assert four_ways(0) == [(0, 0)]


@pytest.mark.parametrize("images", [NOISE, NOISE[:, :5, :5]], ids=["even", "odd"])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_quarter_turns_are_those_of_the_array(images: np.ndarray, quarters: int):
    assert turned(images, 90 * quarters) == pytest.approx(np.rot90(images, quarters, axes=(1, 2)), abs=1e-6)


def test_a_turn_and_its_opposite_give_a_smooth_image_back():
    r = np.indices((21, 21)) - 10
    bump = np.exp(-((r[0] - 3) ** 2 + r[1] ** 2) / 18)[None, :, :, None].astype(np.float32)
    there = turned(bump, 40)
    assert np.unravel_index(there.argmax(), there.shape)[1:3] == (12, 12)  # 3 down becomes 3 cos, 3 sin
    assert turned(there, -40) == pytest.approx(bump, abs=0.05)


def test_an_image_scaled_by_one_stays_and_twice_as_large_a_square_has_four_times_the_area():
    assert scaled(NOISE, 1) == pytest.approx(NOISE)
    square = np.zeros((1, 12, 12, 1), np.float32)
    square[:, 4:8, 4:8] = 1
    assert scaled(square, 2).sum() == pytest.approx(4 * 16, rel=0.02)
    assert scaled(square, 0.5).sum() == pytest.approx(4, rel=0.02)
