"""CIFAR-10 (Krizhevsky 2009)."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.io.download import fetch
from mlphys.schema.data import Dataset, Description, RemoteFile
from mlphys.schema.samples import Samples

TORONTO = "https://www.cs.toronto.edu/~kriz/"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

FOLDER = "cifar-10-batches-bin/"
TRAINING = tuple(f"{FOLDER}data_batch_{k}.bin" for k in range(1, 6))
TEST = f"{FOLDER}test_batch.bin"
RECORDS = 10_000  # in each of the six files files files files files files
SHAPE = (3, 32, 32)  # red, green, blue, row by row
RECORD = 1 + 3 * 32 * 32  # bytes: the label and the pixels


class CIFAR10(Dataset):
    """60 000 colour photographs of ten kinds, 32 x 32 pixels, the last 10 000 as official test set."""

    name: Literal["cifar10"]

    @classmethod
    def sources(cls) -> tuple[RemoteFile, ...]:
        return sources()

    def describe(self) -> Description:
        return Description(shape=(32, 32, 3), classes=CLASSES, samples=50_000, test_samples=10_000)

    def load(self) -> Samples:
        (source,) = sources()
        return read(fetch(source))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "cifar10"}


def sources(base: str = TORONTO) -> tuple[RemoteFile, ...]:
    name = "cifar-10-binary.tar.gz"  # the other two archives need unpickling
    sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    return (RemoteFile("cifar10", name, f"{base}{name}", sha256),)


def read(path: Path, records: int = RECORDS) -> Samples:
    """The samples of an archive with `records` in each of its files.

    Raises UserError for a damaged or another archive.
    """
    files = _members(path, dict.fromkeys((*TRAINING, TEST), records * RECORD))
    x, y = _samples(path, b"".join(files[name] for name in TRAINING))
    x_test, y_test = _samples(path, files[TEST])
    return Samples(x, y, x_test, y_test)


def _members(path: Path, sizes: dict[str, int]) -> dict[str, bytes]:
    """The content of the files named in `sizes`, which have that many bytes; nothing is extracted."""
    checksum.regular(path)
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                size = sizes.get(member.name)
                if size is None or not member.isreg():
                    continue
                if member.size != size:
                    raise _not_it(path, f"{member.name} has {member.size} bytes; expected {size}")
                content = archive.extractfile(member)
                assert content is not None  # a regular member has one
                contents[member.name] = content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise _not_it(path, str(error)) from None
    if missing := [name for name in sizes if name not in contents]:
        raise _not_it(path, f"without {', '.join(missing)}")
    return contents


def _samples(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """x float32 in [0, 1], (n, 32, 32, 3), and y int32, (n,)."""
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() >= len(CLASSES):
        raise _not_it(path, f"a label is {labels.max()}; expected 0 to {len(CLASSES) - 1}")
    pixels = records[:, 1:].reshape(-1, *SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pixels) / np.float32(255), labels


def _not_it(path: Path, why: str) -> UserError:
    return UserError(
        f"{path}: damaged or not the archive of CIFAR-10: {why}; "
        "remove it, then `mlphys data fetch cifar10` downloads it again"
    )
