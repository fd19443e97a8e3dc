"""What a text discloses of the values of a config."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mlphys.schema.spec import snake_case

CLAUSE = re.compile(r"\([^()]*\)|(?:[^,;:()]|[,:](?=\S))+")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])", re.IGNORECASE)
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SHORT = 4  # letters; from so many on words are alike that begin alike, as Conv2D and convolutional do


def without(text: str, values: Sequence[Any]) -> str:
    """The clauses of a text in which none of the values is found: no number, name, or initials of a name."""
    leaves = [leaf for leaf in _leaves(values) if not isinstance(leaf, bool)]
    numbers = {float(leaf) for leaf in leaves if isinstance(leaf, int | float)}
    words = {word for leaf in leaves if isinstance(leaf, str) for word in _words(leaf)}
    words |= {COUNTS[leaf] for leaf in leaves if isinstance(leaf, int) and 0 <= leaf < len(COUNTS)}
    clauses = [part.strip() for part in CLAUSE.findall(text) if part.strip() and not _tells(part, numbers, words)]
    joined = ", ".join(clauses)
    return joined.replace(", (", " (")


def discloses(text: str, value: Any) -> bool:
    return without(text, [value]) != without(text, [])


def _leaves(value: Any) -> Iterator[Any]:
    """Scalars, and names of a vocabulary: the only key of a block, with arguments or begun by a capital."""
    if isinstance(value, dict):
        yield from (
            name for name, below in value.items() if len(value) == 1 and (isinstance(below, dict) or name[:1].isupper())
        )
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _tells(clause: str, numbers: set[float], words: set[str]) -> bool:
    plain = re.findall(r"[a-z]+", clause.lower())
    clause_numbers = {float(number) for number in NUMBER.findall(clause.replace(",", ""))}
    glued = "".join(plain)
    return bool(clause_numbers & numbers) or any(_is_said(word, plain, glued) for word in words)


def _is_said(word: str, plain: Sequence[str], glued: str) -> bool:
    """Whether a word, one that begins like it, or one that it abbreviates is among those of a text."""
    if len(word) >= SHORT:
        return word in glued or any(other.startswith(word[:SHORT]) for other in plain)
    initials = [plain[i : i + len(word)] for i in range(len(plain))] if len(word) > 2 else []
    return word in plain or any("".join(other[0] for other in run) == word for run in initials)


def _words(name: str) -> list[str]:
    """`CategoricalCrossentropy` as categorical and crossentropy."""
    return re.findall(r"[a-z]+", snake_case(name).lower())
