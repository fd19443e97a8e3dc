"""IDX files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.io import idx

KINDS = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def content(values: np.ndarray) -> bytes:
    code = KINDS[values.dtype.str[1:]]
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, code, values.ndim]) + sizes + values.astype(values.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_an_array_is_read_as_it_was_written(dtype: str, ending: str, tmp_path: Path):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / f"train-images-idx3-ubyte{ending}"
    path.write_bytes(gzip.compress(content(values)) if ending else content(values))
    assert idx.header(path).shape == (2, 3, 4)
    found = idx.read(path)
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    ("name", "is_idx"),
    [
        ("train-images-idx3-ubyte", True),
        ("t10k-labels-idx1-ubyte.gz", True),
        ("t10k-labels.idx1-ubyte", True),
        ("spins.idx", True),
        ("index.npy", False),
        ("idxs.csv", False),
        ("train.gz", False),
    ],
)
def test_an_idx_file_is_known_by_its_name(name: str, is_idx: bool):
    assert idx.is_idx(Path(name)) == is_idx


WHOLE = content(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "not an IDX file; copy it again, or write it with np.save"),
        (b"\x00\x00\x08", "not an IDX file; copy it again, or write it with np.save"),
        (b"\x00\x00\x08\x00" + bytes(1), "not an IDX file; copy it again, or write it with np.save"),
        (
            b"\x00\x00\x08\x09" + bytes([0, 0, 0, 1] * 9 + [0]),
            "not an IDX file; copy it again, or write it with np.save",
        ),
        (b"\x00\x00\x07\x01" + bytes(8), "not an IDX file; copy it again, or write it with np.save"),
        (WHOLE[:9], "a truncated IDX file; copy it again"),
        (
            WHOLE[:-1],
            "claims the shape (2, 3, 4) of uint8, 24 bytes, which is not what the file holds; copy it again",
        ),
        (
            WHOLE + b"\x00",
            "claims the shape (2, 3, 4) of uint8, 24 bytes, which is not what the file holds; copy it again",
        ),
        (
            bytes([0, 0, 8, 2]) + struct.pack(">2I", 2**32 - 1, 2**32 - 1),
            "claims the shape (4294967295, 4294967295) of uint8, which is more than the file can hold; copy it again",
        ),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_what_is_damaged_or_lies_about_its_size_is_refused(damaged: bytes, message: str, pack, tmp_path: Path):
    path = tmp_path / ("a-idx3-ubyte.gz" if pack is gzip.compress else "a-idx3-ubyte")
    path.write_bytes(pack(damaged))
    with pytest.raises(UserError) as error:
        idx.read(path)
    assert str(error.value) == f"{path}: {message}"


def test_a_gzip_file_that_breaks_off_is_refused(tmp_path: Path):
    path = tmp_path / "a-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(WHOLE)[:-12])
    with pytest.raises(UserError, match="damaged: "):
        idx.read(path)
