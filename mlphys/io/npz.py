"""Untrusted npz and npy files: no pickle, and no memory is allocated for a size that the file does not have."""

from __future__ import annotations

import ast
import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.io import memory as memory_bound

LONGEST_HEADER = 10_000  # bytes; NumPy's own limit
MOST_AXES = 32  # NumPy 1's limit; 64 since NumPy 2
FEWER = "save fewer samples, or each array as an npy file in a folder, x_train.npy and so on"
MOST_INFLATED = 1032  # no deflate stream grows by a larger factor
UNREADABLE = "an array's header is unreadable"
PIECE = 16_000_000  # bytes that are inflated at once
# of each version of the format: how the length of the header is written, and what reads the header
READERS = {
    (1, 0): ("<H", np.lib.format.read_array_header_1_0),
    (2, 0): ("<I", np.lib.format.read_array_header_2_0),
}


@dataclass(frozen=True)
class Header:
    """The header of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def headers(path: Path, file: IO[bytes] | None = None) -> dict[str, Header]:
    """The arrays of an npz file by name, their data unread; `file` is the one at `path`, where it is open already.

    Raises UserError for what is not a regular file, not an npz file, truncated, or with wrong sizes.
    """
    with _archive(path, file) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        return {info.filename.removesuffix(".npy"): _header(path, archive, info) for info in members}


def read(
    path: Path, headers: Mapping[str, Header], memory: int | None = None, file: IO[bytes] | None = None
) -> dict[str, np.ndarray]:
    """The arrays named in `headers`.

    Raises UserError when they are damaged, or larger than `memory` bytes (None: what is free).
    """
    needed = sum(header.nbytes for header in headers.values())
    if memory is None:
        memory_bound.require(str(path), needed, FEWER)
    elif needed > memory:
        raise UserError(
            f"{path}: its arrays take {needed / 1e9:.3g} GB, more than the memory of {memory / 1e9:.3g} GB; {FEWER}"
        )
    arrays = {}
    with _archive(path, file) as archive:
        for name in headers:
            with archive.open(f"{name}.npy") as member:
                arrays[name] = _array(member)
    return arrays


def npy_header(path: Path) -> Header:
    """The header of an npy file. Raises UserError, as `headers` does."""
    with _npy(path) as file:
        return _npy_header(path, file)


def read_npy(path: Path) -> np.ndarray:
    """The array of an npy file. Raises UserError, as `headers` and `read` do."""
    with _npy(path) as file:
        memory_bound.require(str(path), _npy_header(path, file).nbytes, "save fewer samples")
        file.seek(0)
        return _array(file)


def mapped_npy(path: Path) -> np.ndarray:
    """The array of an npy file, memory-mapped. Raises UserError, as `headers` does."""
    with _npy(path) as file:
        _npy_header(path, file)
        file.seek(0)
        shape, fortran, dtype = _parsed(file)
        array: np.ndarray = np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")
    if not array.flags.c_contiguous:
        raise UserError(
            f"{path}: is in Fortran order, so that samples cannot be read one by one; "
            "save it again with np.save(path, np.ascontiguousarray(x))"
        )
    return array


def _array(file: IO[bytes]) -> np.ndarray:
    shape, fortran, dtype = _parsed(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    content = bytearray(math.prod(shape) * dtype.itemsize)
    rest = memoryview(content)
    while rest:
        if not (got := file.readinto(rest[:PIECE])):  # type: ignore[attr-defined]
            raise ValueError(f"EOF: reading array data, {len(rest)} of {len(content)} bytes are missing")
        rest = rest[got:]
    if not content:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")


def _npy_header(path: Path, file: IO[bytes]) -> Header:
    start = io.BytesIO(file.read(LONGEST_HEADER))
    shape, _, dtype = _parsed(start)
    header = Header(shape, dtype)
    if dtype.hasobject:
        raise UserError(f"{path}: holds Python objects, not numbers; save it again with np.save")
    if min(shape, default=0) < 0 or header.nbytes != path.stat().st_size - start.tell():
        raise UserError(
            f"{path}: claims the shape {shape} of {dtype}, which is not what the file holds; save it again with np.save"
        )
    return header


@contextmanager
def _npy(path: Path) -> Iterator[IO[bytes]]:
    checksum.regular(path)
    try:
        with path.open("rb") as file:
            yield file
    except ValueError as error:
        raise UserError(f"{path}: not an npy file, or a damaged one: {error}; write it with np.save") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def _header(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in a way that NumPy never uses")
    with archive.open(info) as member:
        start = io.BytesIO(member.read(LONGEST_HEADER))
    shape, _, dtype = _parsed(start)
    header = Header(shape, dtype)
    if dtype.hasobject:  # of unknown size, never read
        return header
    data_bytes = info.file_size - start.tell()
    assert archive.fp
    most = MOST_INFLATED * os.fstat(archive.fp.fileno()).st_size
    if min(shape, default=0) < 0 or header.nbytes != data_bytes or data_bytes > most:
        raise UserError(
            f"{path}: {info.filename} claims the shape {shape} of {dtype}, which is not what the file holds; "
            "save it again with np.savez"
        )
    return header


def _parsed(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in READERS:
        raise ValueError(f"the npy format {version[0]}.{version[1]} is not supported")
    length, reader = READERS[version]
    size = _exactly(file, struct.calcsize(length))
    text = _of_python_3(_exactly(file, *struct.unpack(length, size)))
    try:
        shape, fortran, dtype = reader(io.BytesIO(size + text))
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(UNREADABLE) from None
    if not all(type(length) is int for length in shape):  # NumPy takes True for 1
        raise ValueError(f"shape is not valid: {shape}")
    if len(shape) > MOST_AXES:
        raise ValueError(f"an array of {len(shape)} axes, more than {MOST_AXES}")
    return shape, fortran, dtype


def _exactly(file: IO[bytes], size: int) -> bytes:
    """So many bytes of a header. Raises ValueError where there are fewer, or more than a header has."""
    content = file.read(min(size, LONGEST_HEADER))
    if len(content) < size:
        raise ValueError(f"EOF: reading array header, expected {size} bytes got {len(content)}")
    return content


def _of_python_3(header: bytes) -> bytes:
    """`(3L,)`, which Python 2 wrote, as `(3 ,)`. NumPy reads it too, but warns, and a warning that one thread silences
    is silent, or stays so, in all. Raises ValueError for what NumPy, as it warns, would repair otherwise."""
    for text in (header, re.sub(rb"([0-9]\s*)L(?!\w)", rb"\1 ", header)):
        try:
            ast.literal_eval(text.decode("latin1"))
        except SyntaxError:
            continue
        except (ValueError, TypeError, MemoryError, RecursionError):
            pass  # NumPy says what is wrong
        return text
    raise ValueError(UNREADABLE)


@contextmanager
def _archive(path: Path, file: IO[bytes] | None) -> Iterator[zipfile.ZipFile]:
    if file is None:
        checksum.regular(path)
    try:
        with zipfile.ZipFile(file or path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise UserError(
            f"{path}: not an npz file, or a truncated one ({error}); copy it again, or write it with np.savez"
        ) from None
    except (zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: damaged: {error}; copy it again, or write it with np.savez") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
