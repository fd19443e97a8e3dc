import gzip
import struct

import numpy as np

from mlphys.datasets import fashion_mnist

SPEC = fashion_mnist.FashionMNIST(name="fashion_mnist")


def test_images_of_an_idx_file_are_float32_from_0_to_1(tmp_path):
    pixels = np.array([[[0, 51], [102, 255]], [[255, 0], [0, 0]], [[0, 0], [0, 51]]], np.uint8)
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(struct.pack(">4I", 2051, 3, 2, 2) + pixels.tobytes()))
    images = fashion_mnist.pixels(path)
    assert images.dtype == np.float32
    assert images.shape == (3, 2, 2, 1)
    assert np.array_equal(images[..., 0], pixels / np.float32(255))


def test_labels_of_an_idx_file_are_int32(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(struct.pack(">2I", 2049, 4) + bytes([9, 0, 3, 7])))
    labels = fashion_mnist.labels(path)
    assert labels.dtype == np.int32
    assert labels.tolist() == [9, 0, 3, 7]


def test_its_four_files_are_those_of_keras():
    sources = fashion_mnist.sources("http://host/")
    assert [source.url for source in sources] == [
        "http://host/train-images-idx3-ubyte.gz",
        "http://host/train-labels-idx1-ubyte.gz",
        "http://host/t10k-images-idx3-ubyte.gz",
        "http://host/t10k-labels-idx1-ubyte.gz",
    ]
    assert {source.folder for source in sources} == {"fashion-mnist"}
    assert all(len(source.sha256) == 64 for source in sources)


def test_it_is_described_without_a_file():
    description = SPEC.describe()
    assert (description.shape, description.samples, description.test_samples) == ((28, 28, 1), 60_000, 10_000)
    assert (description.classes[0], description.classes[9]) == ("T-shirt/top", "Ankle boot")
