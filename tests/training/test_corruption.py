"""What corruption does to samples, counted on many values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.schema.autoencoding import Corruption
from mlphys.schema.samples import Split
from mlphys.training.corruption import Corrupter

GREY = np.full((2500, 8, 8, 1), 0.5, np.float32)  # 160 000 values


def corrupted(x: np.ndarray = GREY, epoch: int = 1, seed: int = 0, purpose: str = "train", **keys: Any) -> np.ndarray:
    labels = np.arange(len(x), dtype=np.int32)
    split = Corrupter(Corruption.model_validate(keys), seed, purpose)(Split(x, labels), epoch)
    assert split.y is x  # the target stays clean
    assert split.x.shape == x.shape
    assert split.x.dtype == np.float32
    return split.x


def test_gaussian_noise_has_its_standard_deviation_and_no_mean():
    noise = corrupted(GaussianNoise={"stddev": 0.2}) - GREY
    assert noise.mean() == pytest.approx(0, abs=4 * 0.2 / 400)
    assert noise.std() == pytest.approx(0.2, rel=4 / np.sqrt(2 * 160_000))
    assert abs(np.corrcoef(noise[:, 0, 0, 0], noise[:, 0, 1, 0])[0, 1]) < 4 / np.sqrt(2500)


def test_masking_sets_its_fraction_to_zero_and_leaves_the_others():
    x = corrupted(masking=0.3)
    assert set(np.unique(x)) == {0, 0.5}
    assert (x == 0).mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 160_000))


def test_salt_and_pepper_are_as_many_zeros_as_ones():
    x = corrupted(salt_and_pepper=0.4)
    for value, fraction in ((0, 0.2), (1, 0.2), (0.5, 0.6)):
        assert (x == value).mean() == pytest.approx(fraction, abs=4 * np.sqrt(0.24 / 160_000))


def test_occlusion_is_a_square_at_every_place_alike():
    covered = corrupted(occlude={"size": 3})[..., 0] == 0
    assert (covered.sum((1, 2)) == 9).all()
    corners = set()
    for image in covered:
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        assert (len(rows), len(columns)) == (3, 3)
        corners.add((rows[0], columns[0]))
    assert corners == {(row, column) for row in range(6) for column in range(6)}


def test_several_squares_cover_more_and_all_channels():
    x = np.ones((500, 9, 7, 3), np.float32)
    covered = corrupted(x, occlude={"size": 2, "count": 3}) == 0
    assert (covered.all(-1) == covered.any(-1)).all()
    counts = covered[..., 0].sum((1, 2))
    assert counts.min() >= 4
    assert counts.max() == 12


def test_values_are_cut_to_the_clip():
    x = corrupted(GaussianNoise={"stddev": 1.0}, clip=[0, 1])
    assert (x.min(), x.max()) == (0, 1)
    assert (x == 0).mean() == pytest.approx(0.3085, abs=0.01)  # P(N(0, 1) < -.5)


@pytest.mark.parametrize(
    "keys",
    [{"GaussianNoise": {"stddev": 0.2}}, {"masking": 0.3}, {"salt_and_pepper": 0.4}, {"occlude": {"size": 3}}],
    ids=lambda keys: next(iter(keys)),
)
def test_what_is_drawn_follows_from_seed_purpose_and_epoch_and_with_fixed_not_from_the_epoch(keys):
    x = GREY[:20]
    first = corrupted(x, **keys).tobytes()
    assert corrupted(x, **keys).tobytes() == first
    assert corrupted(x, epoch=2, **keys).tobytes() != first
    assert corrupted(x, seed=1, **keys).tobytes() != first
    assert corrupted(x, purpose="validation", **keys).tobytes() != first
    fixed = corrupted(x, **keys, fixed=True).tobytes()
    assert corrupted(x, epoch=2, **keys, fixed=True).tobytes() == fixed
    assert corrupted(x, seed=1, **keys, fixed=True).tobytes() != fixed


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, "one of GaussianNoise, masking, salt_and_pepper and occlude must be given; received 0"),
        (
            {"masking": 0.1, "salt_and_pepper": 0.1},
            "one of GaussianNoise, masking, salt_and_pepper and occlude must be given; received 2",
        ),
        (
            {"GaussianNoise": {"stddev": 0.1}, "emphasis": {"corrupted": 2.0}},
            "emphasis distinguishes corrupted values from others; GaussianNoise corrupts all of them",
        ),
    ],
)
def test_not_one_corruption_is_refused(keys, why):
    with pytest.raises(ValidationError) as caught:
        Corruption.model_validate(keys)
    assert [str(error["ctx"]["error"]) for error in caught.value.errors()] == [why]
