"""Event files as TensorBoard reads them: TFRecords of protocol buffers, of which only a few fields are used."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mlphys.io.run_folder import RunFolder

VERSION = b"brain.Event:2"
LARGEST = 1 << 30  # bytes of an event file that is read again
STRING = 7  # TensorFlow's number of the type of texts
POLYNOMIAL = 0x82F63B78  # of CRC-32C, reflected (Castagnoli et al. 1993)


@dataclass(frozen=True)
class Image:
    """A picture of some size, as PNG."""

    width: int
    height: int
    png: bytes


Value = float | str | Image


def event(tag: str, value: Value, step: int, time: float) -> bytes:
    """The record of a number, a text (Markdown) or an image at a step; `time` in seconds since 1970."""
    if isinstance(value, Image):
        content = _bytes(4, _number(1, value.height) + _number(2, value.width) + _number(3, 3) + _bytes(4, value.png))
    elif isinstance(value, str):
        plugin = _bytes(1, _bytes(1, b"text"))
        content = _bytes(8, _number(1, STRING) + _bytes(2, b"") + _bytes(8, value.encode())) + _bytes(9, plugin)
    else:
        content = _key(2, 5) + struct.pack("<f", value)
    summary = _bytes(1, _bytes(1, tag.encode()) + content)
    return record(_key(1, 1) + struct.pack("<d", time) + _number(2, step) + _bytes(5, summary))


def record(content: bytes) -> bytes:
    """A TFRecord: length and content, each followed by its checksum."""
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


class EventFile:
    """An event file of a run, which grows by whole records."""

    def __init__(self, folder: RunFolder, name: str):
        self._folder, self._name = folder, name

    def begin(self, time: float, last_step: int) -> None:
        """A new file, or the one that is there with the events up to a step, if a training goes on behind it."""
        previous = b""
        if last_step and self._folder.has(self._name):
            content = self._folder.read(self._name, LARGEST)
            previous = b"".join(whole for whole, inside in _records(content) if _step(inside) <= last_step)
        version = record(_key(1, 1) + struct.pack("<d", time) + _bytes(3, VERSION))
        self._folder.write(self._name, previous or version)

    def append(self, events: bytes) -> None:
        self._folder.append(self._name, events, new=False)


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The whole records of a file, each with what is in it; one that a killed process left half written ends them."""
    start = 0
    while start + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + 16 + length
        if end > len(content):
            return
        yield content[start:end], content[start + 12 : end - 4]
        start = end


def _step(content: bytes) -> int:
    """The step of an event: its second field; 0 where it has none."""
    place = 9  # behind the time, which `event` writes first
    if len(content) <= place or content[place] != _key(2, 0)[0]:
        return 0
    step, shift = 0, 0
    for byte in content[place + 1 : place + 11]:
        step |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return step


def _key(number: int, kind: int) -> bytes:
    return bytes([number << 3 | kind])


def _number(number: int, value: int) -> bytes:
    return _key(number, 0) + _varint(value)


def _bytes(number: int, content: bytes) -> bytes:
    return _key(number, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _checksum(content: bytes) -> bytes:
    """CRC-32C, masked as in TFRecords."""
    crc = 0xFFFFFFFF
    table = _table()
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return tuple(table)
