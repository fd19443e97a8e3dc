"""IDX, the format of the MNIST files (LeCun, Cortes & Burges), optionally gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.io.npz import MOST_INFLATED, Header

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8


def is_idx(path: Path) -> bool:
    """Whether the name is that of an IDX file: train-images-idx3-ubyte, t10k-labels.idx1-ubyte.gz, x.idx."""
    return any(part.startswith("idx") and part[3:4] in ("", *"12345678") for part in _words(path))


def header(path: Path) -> Header:
    """The header of the array. Raises UserError for files that are not IDX, truncated, or that claim wrong sizes."""
    with _opened(path) as file:
        return _header(path, file)


def read(path: Path) -> np.ndarray:
    """The array of an IDX file, in the processor's byte order. Raises UserError, as `header` does."""
    with _opened(path) as file:
        header = _header(path, file)
        content = file.read(header.nbytes + 1)
    if len(content) != header.nbytes:
        raise UserError(
            f"{path}: claims the shape {header.shape} of {header.dtype}, {header.nbytes} bytes, which is not what the "
            "file holds; copy it again"
        )
    return np.frombuffer(content, header.dtype).reshape(header.shape).astype(header.dtype.newbyteorder("="))


def _header(path: Path, file: IO[bytes]) -> Header:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in DTYPES or not 1 <= start[3] <= MOST_AXES:
        raise UserError(f"{path}: not an IDX file; copy it again, or write it with np.save")
    sizes = file.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise UserError(f"{path}: a truncated IDX file; copy it again")
    header = Header(struct.unpack(f">{start[3]}I", sizes), np.dtype(DTYPES[start[2]]))
    length = path.stat().st_size * (MOST_INFLATED if path.suffix == ".gz" else 1)
    if header.nbytes > length or math.prod(header.shape) > length:
        raise UserError(
            f"{path}: claims the shape {header.shape} of {header.dtype}, which is more than the file can hold; "
            "copy it again"
        )
    return header


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    checksum.regular(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield file  # type: ignore[misc]
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: damaged: {error}; copy it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def _words(path: Path) -> list[str]:
    return path.name.lower().replace("-", ".").replace("_", ".").split(".")
