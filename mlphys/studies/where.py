"""The language of `mlphys runs --where`: keys compared with values, joined by and, or, not and parentheses.

    test.accuracy > 0.98 and (training.batch_size == 100 or not dataset in [mnist, digits])

It is parsed into functions of a row; nothing of it is evaluated as Python.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlphys.errors import UserError
from mlphys.schema.document import parse as parse_yaml

Row = Mapping[str, Any]
Condition = Callable[[Row], bool]

TOKEN = re.compile(
    r"""\s*(?:(?P<op>==|!=|<=|>=|=|<|>|[()\[\],])|(?P<text>"[^"]*"|'[^']*')|(?P<word>[^\s()\[\],=!<>"']+))"""
)
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
WORDS = ("and", "or", "not", "in")
DEEPEST = 50  # parentheses and nots in each other
EXAMPLE = "'test.accuracy > 0.98 and training.batch_size == 100'"


@dataclass(frozen=True)
class Where:
    """A condition on rows, and the keys that it names."""

    holds: Condition
    keys: tuple[str, ...]


def parse(text: str) -> Where:
    """Raises UserError, with the place, for what is no condition."""
    parser = _Parser(text)
    condition = parser.either()
    if parser.token is not None:
        parser.refuse("and, or, or the end")
    return Where(condition, tuple(dict.fromkeys(parser.keys)))


class _Parser:
    """Recursive descent: either := both (or both)*; both := one (and one)*; one := not one | (either) | comparison."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = self._split()
        self.keys: list[str] = []
        self.depth = 0
        self.advance()

    def _split(self) -> Iterator[tuple[str, str, int]]:
        end = 0
        text = self.text.rstrip()
        while end < len(text):
            match = TOKEN.match(text, end)
            if match is None:
                raise UserError(f"--where: cannot be read at {text[end:].strip()[:20]!r}; write {EXAMPLE}")
            kind = str(match.lastgroup)
            yield kind, match[kind], match.start(kind)
            end = match.end()

    def advance(self) -> tuple[str, str, int] | None:
        before = getattr(self, "token", None)
        self.token = next(self.tokens, None)
        return before

    def at(self, *texts: str) -> bool:
        return self.token is not None and self.token[0] != "text" and self.token[1] in texts

    def refuse(self, expected: str) -> Any:
        received = repr(self.text[self.token[2] :][:20]) if self.token else "the end"
        raise UserError(f"--where: expected {expected}; received {received}; write {EXAMPLE}")

    def either(self) -> Condition:
        parts = [self.both()]
        while self.at("or"):
            self.advance()
            parts.append(self.both())
        return lambda row: any(part(row) for part in parts)

    def both(self) -> Condition:
        parts = [self.one()]
        while self.at("and"):
            self.advance()
            parts.append(self.one())
        return lambda row: all(part(row) for part in parts)

    def one(self) -> Condition:
        self.depth += 1
        if self.depth > DEEPEST:
            raise UserError(f"--where: nested deeper than {DEEPEST} levels")
        if self.at("not"):
            self.advance()
            inner = self.one()
            self.depth -= 1
            return lambda row: not inner(row)
        if self.at("("):
            self.advance()
            inside = self.either()
            if not self.at(")"):
                self.refuse(")")
            self.advance()
            self.depth -= 1
            return inside
        self.depth -= 1
        return self.comparison()

    def comparison(self) -> Condition:
        if self.token is None or self.token[0] != "word" or self.at(*WORDS):
            self.refuse("a key such as test.accuracy")
        key = self._word()
        self.keys.append(key)
        if not self.at("==", "=", "!=", "in", *ORDER):
            self.refuse("==, !=, <, <=, >, >= or in")
        sign = self._word()
        if sign == "in":
            values = self.values()
            return lambda row: any(_equal(row.get(key), value) for value in values)
        value = self.value()
        if sign in ("==", "="):
            return lambda row: _equal(row.get(key), value)
        if sign == "!=":
            return lambda row: not _equal(row.get(key), value)
        return lambda row: _ordered(row.get(key), value, ORDER[sign])

    def values(self) -> list[Any]:
        if not self.at("["):
            self.refuse("a list such as [16, 32]")
        self.advance()
        values = [self.value()]
        while self.at(","):
            self.advance()
            values.append(self.value())
        if not self.at("]"):
            self.refuse("] or ,")
        self.advance()
        return values

    def value(self) -> Any:
        if self.token is None or self.token[0] == "op":
            self.refuse("a value")
        kind = self.token[0] if self.token else ""
        text = self._word()
        return text[1:-1] if kind == "text" else parse_yaml(text, "--where").data

    def _word(self) -> str:
        token = self.advance()
        assert token is not None
        return token[1]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(ours: Any, value: Any) -> bool:
    """1 and 1.0 are equal, true and 1 are not; a key that is missing equals null."""
    return ours == value if _number(ours) and _number(value) else type(ours) is type(value) and ours == value


def _ordered(ours: Any, value: Any, order: Callable[[Any, Any], bool]) -> bool:
    """False where a key is missing, or a text is compared with a number."""
    both = (_number(ours) and _number(value)) or (isinstance(ours, str) and isinstance(value, str))
    return both and order(ours, value)
