"""Keras's files, read as data: the architecture as JSON, the weights as arrays; nothing of them is executed."""

from __future__ import annotations

import contextlib
import json
import math
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum, confined, memory
from mlphys.schema.fields import Shape

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LARGEST_CONFIG = 32_000_000  # bytes
LARGEST_METADATA = 100_000
# Beside the weights a file has the optimizer's state, up to three times as much, and HDF5's own tables.
MOST_COPIES, TABLES = 8, 64_000_000
PIECE = 1_000_000
HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK"
WRITE_AGAIN = "write it again with model.save('name.keras') in Keras 3"


def architecture(path: Path) -> Any:
    """The JSON of a .keras file's config.json, or of a file with the text of model.to_json().

    Raises UserError for everything else, for damaged files, and beyond the bounds.
    """
    if _is_archive(path):
        with _archive(path) as archive:
            content = _member(path, archive, CONFIG, LARGEST_CONFIG)
        return _json(f"{path}: {CONFIG}", content)
    return _json(str(path), _start(path, LARGEST_CONFIG + 1))


def version(path: Path) -> str:
    """Which Keras wrote the file; empty where it does not say."""
    if not _is_archive(path):
        return ""
    with _archive(path) as archive:
        if METADATA not in archive.namelist():
            return ""
        facts = _json(f"{path}: {METADATA}", _member(path, archive, METADATA, LARGEST_METADATA))
    keras_version = facts.get("keras_version") if isinstance(facts, dict) else None
    return keras_version if isinstance(keras_version, str) and re.fullmatch(r"[0-9a-z.+-]{1,20}", keras_version) else ""


def weights(path: Path, expected: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    """The arrays of a .keras file by their places in its HDF5 file, float32, parsed by a process of its own.

    Raises UserError where one is missing, has another shape or is not finite, and for a file too large for them.
    """
    if not _is_archive(path):
        raise UserError(f"{path}: the text of a model has no weights; {WRITE_AGAIN}, or leave --weights out")
    needed = 4 * sum(math.prod(shape) for shape in expected.values())
    memory.require(str(path), 2 * needed, "open it on a machine with more memory")
    with tempfile.TemporaryDirectory() as folder, _archive(path) as archive:
        copy = Path(folder) / WEIGHTS
        _copy(path, archive, copy, MOST_COPIES * needed + TABLES)
        try:
            return _checked(path, copy, expected)
        except UserError as error:
            raise UserError(str(error).replace(str(copy), f"{path}: {WEIGHTS}")) from None


def _checked(path: Path, copy: Path, expected: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    descriptions = confined.described(copy, "hdf5")
    for name, shape in expected.items():
        if name not in descriptions:
            raise UserError(f"{copy}: has no array {name}, which {CONFIG} needs; {WRITE_AGAIN}")
        header, refusal = descriptions[name]
        if refusal:
            raise UserError(f"{copy}: {name} {refusal}")
        if header.shape != shape or header.dtype.kind != "f":
            actual = f"{header.shape} of {header.dtype}"
            raise UserError(f"{copy}: {name} is {actual}; {CONFIG} says {shape} of float32; {WRITE_AGAIN}")
    arrays = confined.read(copy, "hdf5", list(expected)) if expected else {}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise UserError(f"{copy}: {name} holds values that are not finite; train it again")
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def _is_archive(path: Path) -> bool:
    """Whether it is a zip file; False for text. Raises UserError for what is neither."""
    start = _start(path, len(HDF5))
    if start == HDF5:
        raise UserError(
            f"{path}: is Keras's older HDF5 format, which can run code when it is opened, so it is not; if you trust "
            f"it: keras.saving.load_model('{path.name}').save('{path.stem}.keras')"
        )
    if start.startswith(ZIP):
        return True
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        raise UserError(f"{path}: neither a .keras file nor the text of model.to_json(); {WRITE_AGAIN}")
    return False


def _start(path: Path, most: int) -> bytes:
    checksum.regular(path)
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path}: a damaged or truncated .keras file ({error}); copy it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


@contextlib.contextmanager
def _opened(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> Iterator[IO[bytes]]:
    """A member of at most so many bytes, which are counted when they are read too."""
    if (times := archive.namelist().count(name)) != 1:
        raise UserError(f"{path}: not a .keras file: it has {name} {times} times; {WRITE_AGAIN}")
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"{path}: {name} is packed in a way that Keras never uses; {WRITE_AGAIN}")
    if info.file_size > most:
        raise _too_large(path, name, info.file_size, most)
    with archive.open(info) as file:
        yield file


def _member(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    with _opened(path, archive, name, most) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise _too_large(path, name, len(content), most)
    return content


def _copy(path: Path, archive: zipfile.ZipFile, target: Path, most: int) -> None:
    done = 0
    with _opened(path, archive, WEIGHTS, most) as file, target.open("wb") as copy:
        while piece := file.read(PIECE):
            done += len(piece)
            if done > most:
                raise _too_large(path, WEIGHTS, done, most)
            copy.write(piece)


def _too_large(path: Path, name: str, size: int, most: int) -> UserError:
    return UserError(f"{path}: {name} has {size:,} bytes, more than the {most:,} that this model's can have")


def _json(where: str, content: bytes) -> Any:
    if len(content) > LARGEST_CONFIG:
        raise UserError(f"{where}: larger than {LARGEST_CONFIG:,} bytes, so not a model's")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not readable as JSON ({str(error)[:100]}); {WRITE_AGAIN}") from None
