"""File formats of C libraries, parsed in a separate process with limits on memory and time."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

import mlphys
from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.io.formats.content import MOST_GROWTH
from mlphys.io.npz import Header

LEAST_MEMORY = 200_000_000  # bytes
COPIES = 4  # of all that a packed file can hold: the library's, and those in which text is decoded
SECONDS = 60  # of processor time, more for large files
BYTES_A_SECOND = 20_000_000
WAIT = 4  # wall time per processor time
GRACE = 5  # seconds for a process to end after its answer
LONGEST_LINE = 10_000_000
START = """
import importlib
import sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2]).main()
"""

# What an answer raises that is incomplete, or not what a reading process writes.
WRONG_ANSWER = (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError)

Described = tuple[Header, str]  # and the reason why it cannot be read, or ""


@dataclass(frozen=True)
class Limits:
    """Bytes of memory, and seconds of processor time."""

    memory: int
    seconds: int

    @classmethod
    def of(cls, path: Path, memory: int | None = None) -> Limits:
        """The limits for a file of this size, at most the machine's; `memory` None: for what it holds when packed."""
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        size = path.stat().st_size
        if memory is None:
            memory = LEAST_MEMORY + COPIES * MOST_GROWTH * size
        return cls(min(machine, memory), SECONDS + size // BYTES_A_SECOND)


def headers(path: Path, kind: str) -> dict[str, Header]:
    """The readable arrays of a file of the format `kind` (hdf5, mat, fits). Raises UserError."""
    return {name: header for name, (header, refusal) in described(path, kind).items() if not refusal}


def described(path: Path, kind: str, limits: Limits | None = None) -> dict[str, Described]:
    """All arrays of a file by name, each with the reason why it cannot be read, or an empty text."""
    checksum.regular(path)
    return _described(path, kind, limits or Limits.of(path), checksum.version(path))


@lru_cache(maxsize=16)
def _described(path: Path, kind: str, limits: Limits, version: checksum.Version) -> dict[str, Described]:
    with _process(path, kind, [], limits) as content:
        return _checked(path, content.readline(LONGEST_LINE))


def read(path: Path, kind: str, names: Sequence[str], limits: Limits | None = None) -> dict[str, np.ndarray]:
    """The arrays called `names`. Raises UserError for damaged files, and beyond the limits."""
    checksum.regular(path)
    limits = limits or Limits.of(path)
    with _process(path, kind, list(names), limits) as content:
        known = _checked(path, content.readline(LONGEST_LINE))
        for name in names:
            if name not in known:
                raise UserError(f"{path}: no array {name}; it has {', '.join(list(known)[:20]) or 'none'}")
            if refusal := known[name][1]:
                raise UserError(f"{path}: {name} {refusal}")
        if (needed := sum(known[name][0].nbytes for name in names)) > limits.memory:
            raise UserError(
                f"{path}: its arrays take {needed / 1e9:.3g} GB, more than the memory of {limits.memory / 1e9:.3g} GB; "
                "save fewer samples, or each array as an npy file in a folder, x_train.npy and so on"
            )
        return {name: _array(content, limits) for name in names}


def _array(content: IO[bytes], limits: Limits) -> np.ndarray:
    facts = _facts(content.readline(LONGEST_LINE))
    header = _header(facts["shape"], facts["dtype"])
    if header.nbytes > limits.memory:
        raise ValueError
    values = np.empty(header.shape, header.dtype)
    view = memoryview(values.reshape(-1).view(np.uint8).data) if values.size else memoryview(b"")
    while len(view):
        if not (got := content.readinto(view)):  # type: ignore[attr-defined]
            raise ValueError
        view = view[got:]
    return values


class _Reported(Exception):
    """An error that the reading process reports."""


@contextmanager
def _process(path: Path, kind: str, names: list[str], limits: Limits) -> Iterator[IO[bytes]]:
    """The answer of a reading process: a description of all arrays, and those called `names`.

    An incomplete or invalid answer (ValueError, KeyError, TypeError) becomes a UserError.
    """
    process = started("mlphys.io.reading_process")
    assert process.stdin is not None
    assert process.stdout is not None
    late = threading.Timer(WAIT * limits.seconds, process.kill)
    late.daemon = True
    late.start()
    request = {"format": kind, "path": str(path.resolve()), "names": names, **asdict(limits)}
    try:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        yield process.stdout
    except _Reported as reported:
        raise UserError(f"{path}: {reported}") from None
    except WRONG_ANSWER:
        raise UserError(
            f"{path}: {end(process, limits, not late.is_alive())}; copy it again, or save it again"
        ) from None
    finally:
        late.cancel()
        process.kill()
        process.stdout.close()
        process.wait()


def started(module: str) -> subprocess.Popen[bytes]:
    """A process that runs the function main of a module, with pipes to its input and from its output."""
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}  # and without plugins
    root = str(Path(mlphys.__file__).parent.parent)
    return subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-c",
            START,
            root,
            module,
        ],  # -P: nothing is imported from the folder that the user is in
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **quiet},
        start_new_session=True,  # Ctrl-C reaches this process, which ends the other
    )


def end(process: subprocess.Popen[bytes], limits: Limits, late: bool) -> str:
    """The reason why a process gave no answer."""
    if late:
        return _too_slow(limits)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    code = process.poll()
    if code == -signal.SIGXCPU:
        return _too_slow(limits)
    if code is not None and code < 0:
        return f"makes the library that reads it crash ({signal.Signals(-code).name})"
    return "damaged: it cannot be read to its end"


def _too_slow(limits: Limits) -> str:
    return f"takes more than {limits.seconds} s of processor time to read"


def _facts(line: bytes) -> dict[str, Any]:
    facts = json.loads(line)
    if "error" in facts:
        raise _Reported(facts["error"])
    return dict(facts)


def _header(shape: Any, dtype: Any) -> Header:
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError
    return Header(tuple(shape), dtype_of(dtype))


def dtype_of(text: Any) -> np.dtype[Any]:
    """Numbers or text, as NumPy writes it, such as <f8. Raises ValueError for all else, which NumPy would parse."""
    if not re.fullmatch(r"[<>|=][buifU][0-9]{1,9}", str(text)):
        raise ValueError
    return np.dtype(str(text))


def _checked(path: Path, line: bytes) -> dict[str, Described]:
    """The descriptions of all arrays from a reading process, validated against the size of the file."""
    descriptions = {}
    for name, (shape, dtype, refusal) in _facts(line)["arrays"].items():
        header = _header(shape, dtype)
        if not refusal and header.dtype.kind != "U" and header.nbytes > MOST_GROWTH * path.stat().st_size:
            refusal = f"claims the shape {header.shape} of {header.dtype}, which is more than the file can hold"
        descriptions[name] = (header, str(refusal))
    return descriptions
