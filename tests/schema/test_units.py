"""What the numbers of a file mean: the same for the training file and for every later one."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.schema import units
from mlphys.schema.units import Units

RANDOM = np.random.default_rng(0)


def decide(x, scale=None, axes=None):
    return units.decide(x.dtype, axes or x.ndim - 1, lambda: [x[:5], x[5:]], scale)


@pytest.mark.parametrize(
    ("x", "scale", "text"),
    [
        (np.full((9, 4), 200, np.uint8), 255, "uint8, divided by 255"),
        (np.arange(36, dtype=np.uint8).reshape(9, 4) % 2, 1, "uint8, unchanged"),  # spins
        (np.full((9, 4, 4, 1), 1, np.uint8), 1, "uint8, unchanged"),  # masks
        (np.full((9, 4, 4, 1), 1000, np.uint16), 1023, "uint16, divided by 1023"),
        (np.full((9, 4, 4, 1), 4000, np.uint16), 4095, "uint16, divided by 4095"),
        (np.full((9, 4, 4, 1), 4096, np.uint16), 16383, "uint16, divided by 16383"),
        (np.full((9, 4, 4, 1), 65535, np.uint16), 65535, "uint16, divided by 65535"),
        (np.full((9, 4, 4, 1), 200, np.uint16), 1, "uint16, unchanged"),  # few counts
        (np.full((9, 4), 4000, np.uint16), 1, "uint16, unchanged"),  # counts, no image
        (np.full((9, 4), 255.0), 1, "float64, unchanged"),
    ],
)
def test_the_scale_follows_from_the_dtype_and_the_largest_value(x, scale, text):
    found = decide(x)
    assert (found.scale, found.offset, str(found)) == (scale, (), text)
    assert np.array_equal(found.converted(x), (x / scale).astype(np.float32))


@pytest.mark.parametrize("x", [RANDOM.integers(0, 256, (9, 7)).astype(np.uint8), RANDOM.normal(size=(9, 7))])
def test_the_key_decides_where_it_is_given_for_every_file(x):
    found = decide(x, scale=3)
    assert (found.scale, found.given) == (3, True)
    for other in (x, x.astype(np.float64), x.astype(np.float32), x.astype(np.int64)):
        assert np.allclose(found.of_another_file("a.npy", other), other / 3, rtol=1e-6)


def test_bytes_are_divided_as_float32_divides_them():
    x = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    assert decide(x).converted(x).tobytes() == (x.astype(np.float32) / np.float32(255)).tobytes()


def test_whole_numbers_that_float32_does_not_hold_are_divided_in_float64():
    x = np.arange(2**24, 2**24 + 1000, dtype=np.int32).reshape(-1, 1)
    exact = (x / 255).astype(np.float32)
    assert np.array_equal(Units("int32", 255.0).converted(x), exact)
    assert not np.array_equal(x.astype(np.float32) / np.float32(255), exact)


def test_another_file_of_fractions_is_divided_already_and_one_of_whole_numbers_is_not():
    pixels = Units("uint8", 255.0)
    assert pixels.of_another_file("a.npy", np.array([0.2, 1.0])).tolist() == [np.float32(0.2), 1.0]
    for dtype in (np.uint8, np.int64, np.uint16):
        assert pixels.of_another_file("a.npy", np.array([51, 255], dtype)).tolist() == [np.float32(0.2), 1.0]


def test_zero_and_one_alone_leave_open_whether_they_are_pixels():
    with pytest.raises(UserError) as error:
        Units("uint8", 255.0).of_another_file("a.npy", np.array([0, 1], np.uint8))
    assert str(error.value) == (
        "a.npy: holds 0 and 1 only, and the network was trained on pixels from 0 to 255; "
        "save them as 0 and 255, or as float32"
    )
    assert Units("uint8").of_another_file("a.npy", np.array([0, 1], np.uint8)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (2459000.5 + 0.02 * RANDOM.normal(size=(300, 4)), True),  # Julian dates
        (1.7e9 + RANDOM.integers(0, 86400, (300, 1)), True),  # Unix times, seconds of a day
        (1_700_000_000_000 + RANDOM.integers(0, 10**6, (300, 2)), True),  # in milliseconds, int64
        (5e8 + RANDOM.normal(size=(300, 3)), True),  # a frequency
        (RANDOM.normal(size=(300, 3)), False),
        (100 + RANDOM.normal(size=(300, 3)), False),
        (1e9 * RANDOM.normal(size=(300, 3)), False),
        (np.full((300, 2), 2459000.5), False),  # constant
        (1000 + RANDOM.integers(0, 10, (300, 2)), False),  # whole numbers that float32 represents
        (RANDOM.integers(5_000_000, 20_000_000, (300, 2)), False),  # an offset would not make them much smaller
        ((1e8 + 100 * RANDOM.normal(size=(300, 2))).astype(np.float32), False),  # float32 already
    ],
)
def test_an_offset_is_subtracted_in_float64_where_float32_would_lose_the_steps(values, kept):
    found = decide(values)
    assert bool(found.offset) == kept
    x = found.converted(values)
    spread = values.std(axis=0) + (0 if kept else 1)
    error = (x - x[:1]).astype(np.float64) - (values - values[:1])
    assert np.abs(error / spread).max() < (1e-6 if kept else 200)
    assert np.array_equal(Units.from_json(found.as_json()).of_another_file("b.npy", values[:7]), x[:7])


def test_only_the_features_that_need_it_lose_an_offset():
    x = np.stack([2459000.5 + 0.02 * RANDOM.normal(size=300), RANDOM.normal(size=300)], axis=1)
    found = decide(x)
    assert found.offset[0] == pytest.approx(2459000.5, abs=0.2)
    assert found.offset[1] == 0
    assert np.array_equal(found.converted(x)[:, 1], x[:, 1].astype(np.float32))


def test_a_signal_loses_one_offset_so_that_it_keeps_its_shape():
    x = 1e7 + np.sin(np.arange(50) / 5) * RANDOM.uniform(0.5, 1, (300, 1))
    (offset,) = decide(x, axes=2).offset
    assert np.allclose(decide(x, axes=2).converted(x), x - offset, atol=1e-6)


def test_values_beyond_float32_are_left_to_be_refused():
    x = np.full((9, 2), 1e300)
    assert decide(x).offset == ()
    assert not np.isfinite(decide(x).converted(x)).any()


def losses(x: np.ndarray, axes: int | None = None) -> list[str]:
    found = units.decide_with_losses(x.dtype, axes or x.ndim - 1, lambda: [x[:5], x[5:]])[1]
    return [f"{loss.feature}: {loss}" for loss in found]


def test_what_float32_loses_even_with_an_offset_is_known():
    rows = np.arange(20.0)[:, None]
    numbers = np.array([[0, 1_000_000_001]] * 20) + 50_000_001 * (np.arange(20)[:, None] % 3)
    assert losses(numbers) == [
        "(0,): values from 0 to 1e+08; float32 merges those closer than 8",
        "(1,): values from 1e+09 to 1.1e+09; float32 merges those closer than 128",
    ]
    times = np.array([0.0, 1e9]) + 0.01 * rows  # a signal has one offset for all its values
    assert losses(times[..., None], axes=2) == [
        "(1, 0): values from 1e+09 to 1e+09; float32 merges those closer than 64"
    ]


def test_nothing_is_lost_of_usual_numbers():
    random = np.random.default_rng(0)
    assert losses(random.normal(size=(50, 3))) == []
    assert losses(2459000.5 + 0.02 * random.normal(size=(50, 3))) == []
    assert losses(np.array([0, 2459000.5]) + 0.02 * random.normal(size=(50, 2))) == []  # each has its own offset
    assert losses(random.integers(0, 1000, (50, 3))) == []
    assert losses(random.normal(size=(50, 3)).astype(np.float32)) == []
