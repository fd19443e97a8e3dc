"""Processes that decode images, with limits on memory and time; they stay ready for the next image."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import select
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum, confined
from mlphys.io.confined import WAIT, WRONG_ANSWER, Limits
from mlphys.io.decoding_process import LENGTH

PROCESSES = min(4, os.cpu_count() or 1)
MEMORY = 2_000_000_000  # bytes beside the file; 50 million pixels with transparency take half of it
LONGEST_ANSWER = 100_000  # bytes, without pixels

Answer = tuple[dict[str, Any], np.ndarray | None]


def answers(paths: Sequence[Path], request: dict[str, Any], limits: Limits | None = None) -> list[Answer | UserError]:
    """What a decoding process answers about each image; a UserError for damaged ones, and beyond the limits.

    `request` has most_pixels, wanted, and what `decoding_process` takes with it. Where a process fails that has
    decoded other images, a new one decodes this image once more.
    """
    results: list[Answer | UserError | None] = [_refusal(path) for path in paths]
    places = [place for place, refusal in enumerate(results) if refusal is None]
    decoded = _answers([paths[place] for place in places], request, limits)
    for place, answer in zip(places, decoded, strict=True):
        results[place] = answer
    return [answer for answer in results if answer is not None]


def answer(path: Path, request: dict[str, Any], limits: Limits | None = None) -> Answer:
    """The answer about one image. Raises UserError."""
    (result,) = answers([path], request, limits)
    if isinstance(result, UserError):
        raise result
    return result


def close() -> None:
    """End the processes that wait for images."""
    while idle:
        idle.pop().close()


class Decoder:
    """A decoding process; `fresh` until its first answer."""

    def __init__(self) -> None:
        self.process = confined.started("mlphys.io.decoding_process")
        self.fresh = True

    def answers(self, paths: Sequence[Path], request: dict[str, Any], limits: Sequence[Limits]) -> Iterator[Answer]:
        """The array is None unless the answer describes one. Raises Failed where no answer comes."""
        images = [(os.path.abspath(path), asdict(limit)) for path, limit in zip(paths, limits, strict=True)]
        limit = limits[0]
        try:
            self._send({"images": images, **request})
            for limit in limits:
                yield self._next(request, limit)
                self.fresh = False
        except WRONG_ANSWER as error:
            raise Failed(confined.end(self.process, limit, late=isinstance(error, TimeoutError))) from None

    def _send(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def _next(self, request: dict[str, Any], limit: Limits) -> Answer:
        until = time.monotonic() + WAIT * (1 + limit.seconds)
        length = int.from_bytes(self._received(LENGTH, until), "little")
        if length > LONGEST_ANSWER:
            raise ValueError
        facts = dict(json.loads(self._received(length, until)))
        if "out_of_memory" in facts:
            raise Failed(f"takes more than {limit.memory / 1e9:.3g} GB of memory to read")
        if "error" in facts or request["wanted"] != "pixels":
            return _checked(facts, request), None
        shape, dtype = _array_of(facts, request)
        content = self._received(math.prod(shape) * dtype.itemsize, until)
        return facts, np.frombuffer(content, dtype).reshape(shape)

    def _received(self, length: int, until: float) -> bytearray:
        """Raises TimeoutError after the time `until`, ValueError where the process has ended."""
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


idle: list[Decoder] = []  # ready for the next image
atexit.register(close)
os.register_at_fork(after_in_child=idle.clear)  # a pipe has one reader


class Failed(Exception):
    """The reason why a process gave no answer."""


def _answers(paths: Sequence[Path], request: dict[str, Any], limits: Limits | None) -> list[Answer | UserError]:
    of_each = [limits or _limits(path) for path in paths]
    results: list[Answer | UserError] = []
    decoder = _ready() if paths else None
    while decoder and len(results) < len(paths):
        try:
            for facts, values in decoder.answers(paths[len(results) :], request, of_each[len(results) :]):
                path = paths[len(results)]
                results.append(UserError(f"{path}: {facts['error']}") if "error" in facts else (facts, values))
        except Failed as failed:
            decoder.close()
            if decoder.fresh:
                results.append(UserError(f"{paths[len(results)]}: {failed}; save it again, or leave it out"))
            decoder = Decoder()
        except BaseException:
            decoder.close()
            raise
    if decoder:
        _keep(decoder)
    return results


def _ready() -> Decoder:
    try:
        return idle.pop()
    except IndexError:
        return Decoder()


def _keep(decoder: Decoder) -> None:
    if len(idle) < PROCESSES:
        idle.append(decoder)
    else:
        decoder.close()


def _refusal(path: Path) -> UserError | None:
    try:
        checksum.regular(path)
    except UserError as error:
        return error
    return None


def _limits(path: Path) -> Limits:
    return Limits.of(path, MEMORY + path.stat().st_size)


def _checked(facts: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """What is said of an image, from a process that a stranger's file may have taken over. Raises ValueError."""
    if "error" in facts:
        return {"error": str(facts["error"])}
    if request["wanted"] == "largest":
        if facts["largest"] is not None and type(facts["largest"]) is not int:
            raise ValueError
        return facts
    height, width = facts["size"]
    if not all(type(n) is int and n > 0 for n in (height, width, facts["frames"])):
        raise ValueError
    if height * width > request["most_pixels"]:
        raise ValueError
    return facts


def _array_of(facts: dict[str, Any], request: dict[str, Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an image, from the same process. Raises ValueError."""
    shape, dtype = tuple(facts["shape"]), confined.dtype_of(facts["dtype"])
    if dtype not in (np.uint8, np.float32) or not all(type(n) is int and n > 0 for n in shape):
        raise ValueError
    colours = () if dtype == np.float32 or request["greyscale"] else (3,)
    if len(shape) < 2 or shape[2:] != colours or shape[0] * shape[1] > request["most_pixels"]:
        raise ValueError
    if request["size"] and shape[:2] != tuple(request["size"]):
        raise ValueError
    return shape, dtype
