import weakref

import numpy as np
import pytest

from mlphys.numerics import central_pixel, chunked
from mlphys.numerics.chunked import lazy_array


def coloured(colours):
    """Images 5 x 5 of noise around a central pixel."""
    x = np.random.default_rng(0).random((len(colours), 5, 5, 3)).astype(np.float32)
    x[:, 2, 2] = colours
    return x


def test_each_image_has_the_mean_target_of_the_training_images_of_its_colour():
    colours = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    targets = np.stack([np.arange(30), -np.arange(30)], axis=1).astype(np.float32)
    expected = np.stack([targets[k::3].mean(axis=0) for k in range(3)])
    y = np.array([expected[2] + 1, expected[0] - 1])
    x = coloured(np.eye(3, dtype=np.float32)[[2, 0]])
    train = coloured(colours)
    assert central_pixel.error(x, y, train, targets) == pytest.approx(1)
    streamed = lazy_array(30, (5, 5, 3), lambda rows: train[rows])
    assert central_pixel.error(x, y, streamed, targets) == pytest.approx(1)


def test_of_images_on_disk_one_piece_at_a_time_is_in_memory(monkeypatch):
    monkeypatch.setattr(chunked, "AT_ONCE", 10)
    colours = np.eye(3, dtype=np.float32)[np.arange(40) % 3]
    pieces = []

    def fetch(rows):
        assert len(rows) == 10
        assert all(piece() is None for piece in pieces[:-1])
        images = coloured(colours)[rows]
        pieces.append(weakref.ref(images))
        return images

    x = coloured(colours)
    assert central_pixel.error(x, colours, lazy_array(40, (5, 5, 3), fetch), colours) == pytest.approx(0)
    assert len(pieces) == 4


def test_a_target_that_follows_from_the_colour_has_a_small_error():
    random = np.random.default_rng(1)
    colours = random.random((2000, 3)).astype(np.float32)
    targets = colours[:, :1] + colours[:, 1:2]
    found = central_pixel.error(coloured(colours), targets, coloured(colours), targets)
    assert found < 0.5 * targets.std()


def test_weights_count_as_copies_of_a_sample():
    random = np.random.default_rng(2)
    colours = np.eye(3, dtype=np.float32)[np.arange(12) % 3]
    targets, weights = random.normal(size=(12, 2)), np.arange(12) % 4 + 1.0
    x = coloured(colours)
    copied = np.repeat(np.arange(12), weights.astype(int))
    expected = central_pixel.error(x[copied], targets[copied] + 1, x[copied], targets[copied])
    assert central_pixel.error(x, targets + 1, x, targets, weights, weights) == pytest.approx(expected)


def test_a_colour_whose_weights_do_not_sum_above_0_has_the_mean_target_of_all():
    x, targets = coloured(np.eye(3, dtype=np.float32)), np.array([[1.0], [2.0], [6.0]])
    assert central_pixel.error(x[2:], targets[2:], x, targets, None, np.array([1.0, 1.0, 0.0])) == pytest.approx(4.5)
