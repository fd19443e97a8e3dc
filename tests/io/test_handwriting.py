"""Photographed characters, prepared as those of MNIST are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlphys.datasets import mnist
from mlphys.io import handwriting, sample_files
from mlphys.io.download import locate
from mlphys.io.sample_files import Expected
from mlphys.numerics import chunked, nearest
from mlphys.schema.data import Frame
from scripts.photographs import KINDS, ink

FRAME = Frame(size=28, box=20)


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits in the frame of MNIST: uint8 (n, 28, 28), and their labels."""
    from tests.helpers.digits import load_digits

    found = load_digits()
    made = np.zeros((len(found.images), 28, 28), np.uint8)
    for image, frame in zip(found.images / 16, made, strict=True):
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scale = 20 / max(cut.shape)
        size = [max(1, round(n * scale)) for n in cut.shape[::-1]]
        large = np.asarray(Image.fromarray(cut.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
        large = ((large.clip(0, 1) - 0.25) / 0.5).clip(0, 1)  # strokes as sharp as a pen's
        centre = [float((large.sum(axis=1 - k) * np.arange(n)).sum() / large.sum()) for k, n in enumerate(large.shape)]
        top, left = (min(max(round(13.5 - c), 0), 28 - n) for c, n in zip(centre, large.shape, strict=True))
        frame[top : top + large.shape[0], left : left + large.shape[1]] = (255 * large).round()
    return made, found.target


def prepared(photograph: np.ndarray) -> np.ndarray:
    return handwriting.prepared(photograph / np.float32(255), FRAME)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_photograph_becomes_the_digit_that_it_was_made_of(kind: str):
    images, labels = digits()
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:2] for digit in range(10)])
    random = np.random.default_rng(0)
    found = np.stack([prepared(KINDS[kind](images[i], random)) for i in chosen])
    assert found.shape == (20, 28, 28)
    assert found.dtype == np.float32
    others = np.setdiff1d(np.arange(len(images)), chosen)
    apart = np.array([nearest.distances(found, images[others[labels[others] == digit]] / 255) for digit in range(10)])
    assert (apart.argmin(axis=0) == labels[chosen]).sum() >= 18
    assert (found.sum(axis=(1, 2)) > 20).all()
    for image in found:  # the box around the centre of mass
        rows, columns = (np.flatnonzero((image > 0.1).any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        assert all(abs((image.sum(axis=1 - k) * np.arange(28)).sum() / image.sum() - 13.5) < 1.5 for k in (0, 1))


def test_an_image_of_the_frames_size_and_polarity_passes_unchanged():
    images = digits()[0][:200] / np.float32(255)
    assert all(handwriting.prepared(image, FRAME) is image for image in images)


def test_the_negative_of_such_an_image_is_turned():
    for image in digits()[0][:50]:
        assert prepared(255 - image) == pytest.approx(image / 255, abs=1e-6)


@pytest.mark.parametrize(
    "photograph",
    [np.full((90, 120), 200, np.uint8), np.zeros((50, 50), np.uint8), np.full((40, 40), 255, np.uint8)],
    ids=["grey", "black", "white"],
)
def test_paper_without_ink_is_refused(photograph: np.ndarray):
    with pytest.raises(ValueError, match="no ink on it"):
        prepared(photograph)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (1000, 3)])
def test_an_image_of_any_shape_gives_a_frame_or_has_no_ink(shape: tuple[int, int]):
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    if noise.size == 1:
        with pytest.raises(ValueError, match="no ink on it"):
            prepared(noise)
    else:
        assert prepared(noise).shape == (28, 28)


def test_chalk_on_a_blackboard_is_turned_to_the_same_polarity_as_ink_on_paper():
    images, _ = digits()
    for image in images[:5]:
        written = ink(image)
        paper, board = prepared((220 * (1 - written)).astype(np.uint8)), prepared((30 + 190 * written).astype(np.uint8))
        assert np.sqrt(np.square(paper - board).mean()) < 0.1


def test_thin_strokes_are_made_as_thick_as_a_pixel_or_two():
    page = np.full((800, 600), 240, np.uint8)
    page[100:700, 300:304] = 20  # a line of 4 pixels, 0.13 pixels in the box
    one = prepared(page)
    assert (one > 0.5).any(axis=1).sum() == 20
    assert 1 <= (one > 0.3).any(axis=0).sum() <= 3


MNIST = locate(*mnist.MNIST.sources())


@pytest.mark.slow
@pytest.mark.skipif(MNIST is None, reason="MNIST is not here: `mlphys data fetch mnist`, or set MLPHYS_DATA")
def test_a_thousand_test_digits_saved_as_png_are_the_samples_that_they_were(tmp_path: Path):
    samples = mnist.MNIST(name="mnist").load()
    assert samples.x_test is not None
    expected = Expected((28, 28, 1), 0.0, 1.0, frame=mnist.MNIST.FRAME)
    for i, digit in enumerate(chunked.read(samples.x_test[:1000])):
        path = tmp_path / f"{i}.png"
        Image.fromarray((255 * digit[..., 0]).round().astype(np.uint8)).save(path)
        assert sample_files.read(path, expected).tobytes() == digit.tobytes()
