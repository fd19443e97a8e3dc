import numpy as np

from mlphys.datasets.digits import Digits

SPEC = Digits(name="digits")


def test_what_is_described_is_what_is_loaded():
    description, samples = SPEC.describe(), SPEC.load()
    assert samples.x.shape == (description.samples, *description.shape)
    assert samples.y.shape == (description.samples,)
    assert set(samples.y) == set(range(len(description.classes)))
    assert samples.x_test is None
    assert description.test_samples is None


def test_pixels_are_float32_from_0_to_1_and_labels_int32():
    samples = SPEC.load()
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.int32)
    assert (samples.x.min(), samples.x.max()) == (0, 1)


def test_no_file_is_needed():
    assert SPEC.sources() == ()
    assert SPEC.files() == ()
