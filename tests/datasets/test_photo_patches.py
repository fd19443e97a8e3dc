import re

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_sample_image

from mlphys.datasets import photo_patches


@pytest.fixture(scope="module")
def photographs():
    """uint8, (2, 427, 640, 3)."""
    return np.stack([load_sample_image("china.jpg"), load_sample_image("flower.jpg")])


def patches(samples, **keys):
    return photo_patches.PhotoPatches(name="photo_patches", samples=samples, **keys).load().x


def test_every_patch_is_a_piece_of_a_photograph(photographs):
    x = patches(50, size=20, greyscale=False)
    assert x.dtype == np.float32
    windows = np.lib.stride_tricks.sliding_window_view(photographs, (20, 20), axis=(1, 2))
    for patch in np.rint(x * 255).astype(np.uint8):
        corners = np.argwhere((photographs[:, :-19, :-19] == patch[0, 0]).all(axis=-1))
        assert any(np.array_equal(windows[tuple(corner)].transpose(1, 2, 0), patch) for corner in corners)


def test_the_largest_patch_spans_the_photographs_height(photographs):
    x = np.rint(patches(1, size=427, greyscale=False)[0] * 255)
    assert any(np.array_equal(x, photo[:, left : left + 427]) for photo in photographs for left in range(214))


def test_places_are_drawn_uniformly_over_both_photographs(photographs):
    mean = patches(200_000, size=1, greyscale=False).mean(axis=(0, 1, 2))
    error = photographs.std(axis=(0, 1, 2)) / 255 / np.sqrt(200_000)
    assert (abs(mean - photographs.mean(axis=(0, 1, 2)) / 255) < 4 * error).all()


def test_grey_is_the_luminance():
    red, green, blue, white = photo_patches.luminance(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]]))
    assert (red, green, blue, white) == pytest.approx((0.299, 0.587, 0.114, 1))
    colour, grey = patches(20, greyscale=False), patches(20)
    assert np.array_equal(grey[..., 0], photo_patches.luminance(colour))


@pytest.mark.parametrize(("greyscale", "channels"), [(True, 1), (False, 3)])
def test_values_lie_between_0_and_1_and_there_is_no_target(greyscale, channels):
    spec = photo_patches.PhotoPatches(name="photo_patches", samples=5000, greyscale=greyscale)
    samples = spec.load()
    assert spec.describe().shape == samples.x.shape[1:] == (12, 12, channels)
    assert 0 <= samples.x.min() < 0.05
    assert 0.95 < samples.x.max() <= 1
    assert samples.y.shape == (5000, 0)


def test_a_patch_larger_than_the_photographs_is_refused():
    text = "patches of 428 x 428 pixels do not fit into photographs of 427 x 640; lower size to 427 or less"
    with pytest.raises(ValidationError, match=re.escape(text)) as refused:
        patches(1, size=428)
    assert refused.value.errors()[0]["loc"] == ("size",)


def test_three_colours_take_three_times_the_memory():
    keys = {"name": "photo_patches", "samples": 100_000, "size": 50}
    assert photo_patches.PhotoPatches(**keys).images() == 100_000
    with pytest.raises(ValidationError, match="300000 images of 50 x 50 are 750000000 pixels, more than 250000000"):
        photo_patches.PhotoPatches(**keys, greyscale=False)
