"""Inputs made from others: parts are removed, repeated, moved, and replaced by numbers and words that break readers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

NUMBERS = (
    b"0", b"-0.0", b"1", b"-1", b"2", b"1e-400", b"1e400", b"-1e308", b"1e39", b"nan", b"NaN", b"inf", b"-Infinity",
    b"0.1", b"255", b"65536", b"2147483648", b"-9223372036854775809", b"18446744073709551616", b"9" * 30, b"9" * 5000,
    b"1_000", b"0x10", b"1.5", b"true", b"null", b'""', b"[]", b"{}", b'"x"', "\u0663".encode(), b"1e+5", b"1,5",
)  # fmt: skip
SIGNS = (
    b"\0", b"\xff", b"\x1b[31m", "\u202e".encode(), "\u2028".encode(), b"\r\n", b"\n", b"\t", b"'", b'"', b"\\", b"%",
    b"[", b"]", b"{", b"}", b"(", b")", b",", b":", b"=", b"/", b"../", b"&", b"*", b"!", b"#", b"---\n", b"~", b"|",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"[" * 200, b'{"a":' * 200, b"a" * 3000, b" ", b";", b"?", b".",
)  # fmt: skip
SIZES = (0, 1, 2, 3, 4, 8)  # bytes of a binary number; 0: half of the length that the content has
BOUNDS = (0, 1, -1, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*|[0-9.]+|[^\sA-Za-z0-9]")


@dataclass(frozen=True)
class Edit:
    """What is done (`kind`), where (0 to 1 of the length), to how much, and with which of the known pieces."""

    kind: int
    place: float
    length: int
    piece: int


def words(seeds: Sequence[bytes]) -> list[bytes]:
    """The different words of inputs, in the order of their length."""
    found = {word for seed in seeds for word in WORD.findall(seed[:20_000]) if len(word) <= 60}
    return sorted(found, key=lambda word: (len(word), word))


def edits(random: Random) -> list[Edit]:
    """One to a few random edits."""
    count = 1 + min(int(random.expovariate(0.7)), 6)
    return [
        Edit(random.randrange(len(KINDS)), random.random(), 1 + int(random.expovariate(0.1)), random.randrange(10**6))
        for _ in range(count)
    ]


def edited(content: bytes, changes: Sequence[Edit], known: Sequence[bytes], longest: int) -> bytes:
    """The content after all changes, at most `longest` bytes."""
    for change in changes:
        content = KINDS[change.kind % len(KINDS)](content, change, known)[:longest]
    return content


def _at(content: bytes, change: Edit) -> int:
    return int(change.place * len(content))


def _removed(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    at = _at(content, change)
    return content[:at] + content[at + change.length :]


def _cut(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    return content[: _at(content, change)]


def _repeated(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    at, times = _at(content, change), 1 + change.piece % 5
    return content[:at] + content[at : at + change.length] * times + content[at:]


def _moved(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    at = _at(content, change)
    part, rest = content[at : at + change.length], content[:at] + content[at + change.length :]
    to = change.piece % (len(rest) + 1)
    return rest[:to] + part + rest[to:]


def _flipped(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    at = _at(content, change)
    return content[:at] + bytes([change.piece % 256]) + content[at + 1 :]


def _with_word(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    at = _at(content, change)
    pieces = known or SIGNS
    return content[:at] + pieces[change.piece % len(pieces)] + content[at:]


def _with_sign(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    at = _at(content, change)
    return content[:at] + SIGNS[change.piece % len(SIGNS)] + content[at:]


def _other_number(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    return _replaced(NUMBER, content, change, NUMBERS)


def _other_word(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    return _replaced(WORD, content, change, known or SIGNS)


def _replaced(pattern: re.Pattern[bytes], content: bytes, change: Edit, pieces: Sequence[bytes]) -> bytes:
    """The content with the first match behind the place replaced."""
    found = pattern.search(content, _at(content, change)) or pattern.search(content)
    if found is None:
        return content
    return content[: found.start()] + pieces[change.piece % len(pieces)] + content[found.end() :]


def _other_size(content: bytes, change: Edit, known: Sequence[bytes]) -> bytes:
    """A binary number, little- or big-endian, that readers take for a size."""
    at, size = _at(content, change), SIZES[change.length % len(SIZES)]
    if size == 0:
        return content[:at] + bytes(min(len(content) // 2, 1000)) + content[at:]
    value = BOUNDS[change.piece % len(BOUNDS)] & (256**size - 1)
    order = "little" if change.piece // len(BOUNDS) % 2 else "big"
    return content[:at] + value.to_bytes(size, order) + content[at + size :]  # type: ignore[arg-type]


KINDS = (
    _removed, _cut, _repeated, _moved, _flipped, _with_word, _with_sign, _other_number, _other_number, _other_word,
    _other_word, _other_size, _other_size,
)  # fmt: skip
