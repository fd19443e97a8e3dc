"""Processes that decode images, with limits on memory and time; they stay ready for the next image."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum, confined
from mlphys.io.confined import WAIT, Limits
from mlphys.io.decoding_process import LENGTH

PROCESSES = min(4, os.cpu_count() or 1)
MEMORY = 4_000_000_000  # bytes; 50 million pixels with transparency take half of it
LONGEST_ANSWER = 100_000  # bytes, without pixels

Answer = tuple[dict[str, Any], np.ndarray | None]


def answer(path: Path, request: dict[str, Any], limits: Limits | None = None) -> Answer:
    """What a decoding process answers about an image. Raises UserError for damaged ones, and beyond the limits.

    Where a process fails that has decoded other images, a new one decodes this image once more.
    """
    checksum.regular(path)
    whole = Limits.of(path)
    limits = limits or Limits(min(whole.memory, MEMORY), whole.seconds)
    try:
        if _idle:
            try:
                return _answer(_idle.pop(), path, request, limits)
            except (_Failed, IndexError):  # another thread may have taken the last one
                pass
        return _answer(Decoder(), path, request, limits)
    except _Failed as failed:
        raise UserError(f"{path}: {failed}; save it again, or leave it out") from None


def close() -> None:
    """End the processes that wait for images."""
    while _idle:
        _idle.pop().close()


class Decoder:
    """A decoding process."""

    def __init__(self) -> None:
        self.process = confined.started("mlphys.io.decoding_process")

    def answer(self, path: Path, request: dict[str, Any], limits: Limits) -> Answer:
        """The array is None unless the answer describes one. Raises ValueError, KeyError, TypeError, OSError."""
        assert self.process.stdin is not None
        line = json.dumps({"path": os.path.abspath(path), **request, **asdict(limits)})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        until = time.monotonic() + WAIT * (1 + limits.seconds)
        length = int.from_bytes(self._received(LENGTH, until), "little")
        if length > LONGEST_ANSWER:
            raise ValueError
        facts = json.loads(self._received(length, until))
        if "shape" not in facts:
            return facts, None
        shape, dtype = _array_of(facts, request["most_pixels"])
        content = self._received(int(np.prod(shape)) * dtype.itemsize, until)
        return facts, np.frombuffer(content, dtype).reshape(shape)

    def _received(self, length: int, until: float) -> bytearray:
        """Raises TimeoutError after the time `until`, EOFError where the process ends."""
        assert self.process.stdout is not None
        file = self.process.stdout.fileno()
        ready = select.poll()
        ready.register(file, select.POLLIN)
        content = bytearray(length)
        rest = memoryview(content)
        while rest:
            if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
                raise TimeoutError
            if not (got := os.readv(file, [rest])):
                raise ValueError
            rest = rest[got:]
        return content

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(OSError):  # part of a request was left in the buffer
            self.process.stdin.close()


_idle: list[Decoder] = []
atexit.register(close)
os.register_at_fork(after_in_child=_idle.clear)  # a pipe has one reader


class _Failed(Exception):
    """The reason why a process gave no answer."""


def _answer(decoder: Decoder, path: Path, request: dict[str, Any], limits: Limits) -> Answer:
    """The answer of a process, which is ready again then; it ends where there is none."""
    try:
        facts, values = decoder.answer(path, request, limits)
        if "out_of_memory" in facts:
            raise _Failed(f"takes more than {limits.memory / 1e9:.3g} GB of memory to read")
    except (ValueError, KeyError, TypeError, OSError) as error:
        reason = confined.end(decoder.process, limits, late=isinstance(error, TimeoutError))
        decoder.close()
        raise _Failed(reason) from None
    except BaseException:
        decoder.close()
        raise
    if len(_idle) < PROCESSES:
        _idle.append(decoder)
    else:
        decoder.close()
    if "error" in facts:
        raise UserError(f"{path}: {facts['error']}")
    return facts, values


def _array_of(facts: dict[str, Any], most_pixels: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an image, from a process that a stranger's file may have damaged."""
    shape, dtype = tuple(facts["shape"]), np.dtype(str(facts["dtype"]))
    if dtype not in (np.uint8, np.float32) or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise ValueError
    if not all(type(n) is int and n > 0 for n in shape) or shape[0] * shape[1] > most_pixels:
        raise ValueError
    return shape, dtype
