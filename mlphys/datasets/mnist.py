"""MNIST (LeCun, Bottou, Bengio & Haffner 1998)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mlphys.errors import UserError
from mlphys.io import npz
from mlphys.io.download import KERAS_FILES, fetch
from mlphys.schema.data import Dataset, Description, Frame, RemoteFile
from mlphys.schema.samples import Samples

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class MNIST(Dataset):
    """70 000 handwritten digits, 28 x 28 pixels, the last 10 000 as official test set."""

    LICENCE: ClassVar[str | None] = "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)"
    FRAME: ClassVar[Frame | None] = Frame(size=28, box=20)

    name: Literal["mnist"]

    @classmethod
    def sources(cls) -> tuple[RemoteFile, ...]:
        return sources()

    def describe(self) -> Description:
        return Description(shape=(28, 28, 1), classes=tuple("0123456789"), samples=60_000, test_samples=10_000)

    def load(self) -> Samples:
        (source,) = sources()
        x, y, x_test, y_test = arrays(fetch(source))
        return Samples(_pixels(x), y.astype(np.int32), _pixels(x_test), y_test.astype(np.int32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "mnist"}


def sources(base: str = KERAS_FILES) -> tuple[RemoteFile, ...]:
    return (
        RemoteFile(
            dataset="mnist",
            name="mnist.npz",
            url=f"{base}mnist.npz",
            # Checksum of the content: the same digits exist in npz files with different compression.
            sha256="06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
            digest=content_sha256,
            digested="its arrays",
        ),
    )


def arrays(path: Path) -> list[np.ndarray]:
    """x_train, y_train, x_test, y_test as they are in the file."""
    headers = npz.headers(path)
    missing = [name for name in ARRAYS if name not in headers]
    if missing:
        raise UserError(f"{path}: not the file of MNIST: without {', '.join(missing)}")
    arrays = npz.read(path, {name: headers[name] for name in ARRAYS})
    return [arrays[name] for name in ARRAYS]


def content_sha256(path: Path) -> str:
    """SHA-256 of the bytes of the four arrays, concatenated."""
    digest = hashlib.sha256()
    for array in arrays(path):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _pixels(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, 28, 28, 1) / np.float32(255)
