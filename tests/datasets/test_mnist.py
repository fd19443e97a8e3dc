import hashlib
from pathlib import Path

import numpy as np
import pytest

from mlphys.datasets import mnist
from mlphys.errors import UserError
from mlphys.io.download import fetch, locate

SPEC = mnist.MNIST(name="mnist")
(SOURCE,) = mnist.sources()

REAL = locate(SOURCE)

real = pytest.mark.skipif(REAL is None, reason="mnist.npz is not here: `mlphys data fetch mnist`, or set MLPHYS_DATA")


@pytest.fixture
def only_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MLPHYS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@real
def test_what_is_described_is_what_is_loaded():
    description, samples = SPEC.describe(), SPEC.load()
    assert samples.x.shape == (description.samples, *description.shape)
    assert samples.x_test.shape == (description.test_samples, *description.shape)
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.int32)
    assert (samples.x.min(), samples.x.max()) == (0, 1)
    assert samples.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert samples.y_test[:5].tolist() == [7, 2, 1, 0, 4]


@real
def test_the_same_digits_zipped_differently_are_accepted(only_folder):
    np.savez(only_folder / "mnist.npz", **dict(zip(mnist.ARRAYS, mnist.arrays(REAL), strict=True)))
    assert fetch(SOURCE) == only_folder / "mnist.npz"


def test_the_content_checksum_is_that_of_the_four_arrays_bytes(tmp_path):
    arrays = {name: np.arange(i, i + 3, dtype=np.uint8) for i, name in enumerate(mnist.ARRAYS)}
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    expected = hashlib.sha256(bytes([0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5])).hexdigest()
    assert mnist.content_sha256(tmp_path / "small.npz") == expected


def test_other_digits_are_refused_with_the_checksum_and_the_places(only_folder):
    path = only_folder / "mnist.npz"
    np.savez(path, **{name: np.zeros(3, np.uint8) for name in mnist.ARRAYS})
    with pytest.raises(UserError) as error:
        SPEC.load()
    cache = only_folder.parent / "keras" / "datasets"
    assert str(error.value) == (
        f"{path}: damaged or another file (sha256 of its arrays: {mnist.content_sha256(path)}); "
        "remove it, then `mlphys data fetch mnist` downloads it where there is a network; "
        f"or put mnist.npz into {only_folder} or {cache} (expected sha256 of its arrays: {SOURCE.sha256})"
    )


def test_a_truncated_file_is_refused(only_folder):
    path = only_folder / "mnist.npz"
    np.savez(path, **{name: np.zeros(3, np.uint8) for name in mnist.ARRAYS})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError) as error:
        SPEC.load()
    assert str(error.value).startswith(
        f"{path}: not an npz file, or a truncated one (File is not a zip file); "
        "remove it, then `mlphys data fetch mnist` downloads it"
    )


def test_a_file_without_an_array_is_refused(only_folder):
    path = only_folder / "mnist.npz"
    np.savez(path, x_train=np.zeros(3, np.uint8))
    with pytest.raises(UserError) as error:
        SPEC.load()
    assert str(error.value).startswith(f"{path}: not the file of MNIST: without y_train, x_test, y_test; remove it")
