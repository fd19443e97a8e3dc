"""Fashion-MNIST (Xiao, Rasul & Vollgraf 2017)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mlphys.io.download import KERAS_FILES, fetch
from mlphys.schema.data import Dataset, Description, RemoteFile
from mlphys.schema.samples import Samples

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


class FashionMNIST(Dataset):
    """70 000 pictures of clothes, 28 x 28 pixels, the last 10 000 as official test set."""

    LICENCE: ClassVar[str | None] = "MIT (Zalando SE)"

    name: Literal["fashion_mnist"]

    @classmethod
    def sources(cls) -> tuple[RemoteFile, ...]:
        return sources()

    def describe(self) -> Description:
        return Description(shape=(28, 28, 1), classes=CLASSES, samples=60_000, test_samples=10_000)

    def load(self) -> Samples:
        x, y, x_test, y_test = (fetch(source) for source in sources())
        return Samples(pixels(x), labels(y), pixels(x_test), labels(y_test))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "fashion_mnist"}


def sources(base: str = KERAS_FILES) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile("fashion_mnist", name, f"{base}{name}", sha256, folder="fashion-mnist")
        for name, sha256 in SHA256.items()
    )


def pixels(path: Path) -> np.ndarray:
    """Images of a gzipped IDX file: float32 in [0, 1], (n, height, width, 1)."""
    content = gzip.decompress(path.read_bytes())
    n, height, width = np.frombuffer(content, ">u4", count=3, offset=4)
    return np.frombuffer(content, np.uint8, offset=16).reshape(n, height, width, 1) / np.float32(255)


def labels(path: Path) -> np.ndarray:
    """Labels of a gzipped IDX file: int32, (n,)."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=8).astype(np.int32)
