"""The guards of the package: where they are, and its functions without one of them.

A guard is a `raise` of UserError, Refusal or what a function makes of them, or a comparison with a bound: a number or
a constant in capitals.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from scripts.marked_tables import ROOT

ROOMS = ("io", "runs", "config", "schema", "data", "studies", "report", "export")
ERRORS = ("UserError", "Refusal", "Unwritable", "Unreadable")
Function = ast.FunctionDef | ast.AsyncFunctionDef
# By the place of a guard and the beginning of its text: why no test is to fail without it.
REASONS = {
    "mlphys/schema/document.py:parse: len(text) > LONG": "speed: libyaml parses long texts to the same values",
    "mlphys/schema/document.py:_message_in_python: len(text) > LARGEST_FILE": "speed: PyYAML's parser takes seconds",
    "mlphys/schema/messages.py:problems_of: len(refusals) < MOST_SHOWN": "speed: texts of errors that are not shown",
    "mlphys/data/inspection.py:_curves: len(sample) <= 20": "looks: a curve of few values has a marker at each",
    "mlphys/io/keras_file.py:_opened: raise _too_large": "speed: the bytes are counted again while they are unpacked",
    "mlphys/io/run_folder.py:names: raise": "root may read every folder: tests/hostile tries it as another user",
    "mlphys/config/blanks.py:require_filled: len(open_keys)": "looks: of many blanks none is explained",
    "mlphys/config/commented.py:_with_reason: len(line)": "looks: a long remark is above its line",
}

# By the beginning of the path of a comparison: why what follows from it is no refusal.
DECISIONS = {
    "mlphys/config/own_data.py": "a decision: what `mlphys new` takes data for",
    "mlphys/config/own_table.py": "a decision: what `mlphys new` takes a column for",
    "mlphys/config/proposal.py": "a decision: which experiment `mlphys new` proposes",
    "mlphys/io/handwriting.py": "a decision: what of a photograph is ink",
    "mlphys/report/": "looks: what a page shows",
    "mlphys/studies/comparison_pictures.py": "looks: what a picture shows",
}


@dataclass(frozen=True)
class Guard:
    """A guard and what takes its place; `key` stays the same while its text does."""

    path: str
    line: int
    function: str
    first_line: int  # of the function, with its decorators
    start: int  # byte in the file
    end: int
    replacement: str
    text: str

    @property
    def key(self) -> str:
        return f"{self.path}:{self.function}:{hashlib.sha1(self.text.encode()).hexdigest()[:8]}"

    @property
    def reason(self) -> str:
        """Why no test is to fail without it; empty for most."""
        place = f"{self.path}:{self.function}: {self.text}"
        known = REASONS if self.replacement == "pass" else REASONS | DECISIONS
        return next((reason for key, reason in known.items() if place.startswith(key)), "")


@functools.cache  # the table counts those of every room
def guards(path: Path) -> Sequence[Guard]:
    """All guards of a module that are inside of functions, in the order of the file."""
    source = path.read_bytes()
    tree = ast.parse(source)
    starts = [0]
    for line in source.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    makers = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id in ERRORS
    }
    found, seen = [], Counter[str]()
    for node, function, replacement in _replaced(tree, {*ERRORS, *makers}):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        text = source[start:end].decode()
        seen[f"{function.name} {text}"] += 1
        numbered = f"{text} #{seen[f'{function.name} {text}']}"
        first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
        name = str(path.relative_to(ROOT))
        found.append(Guard(name, node.lineno, function.name, first, start, end, replacement, numbered))
    return found


def _replaced(tree: ast.AST, raised: set[str]) -> Iterator[tuple[Any, Function, str]]:
    """Each guard, the function around it, and the text in its place."""

    def walk(node: ast.AST, function: Function | None, when: bool) -> Iterator[tuple[Any, Function, str]]:
        """`when`: the truth value that makes a comparison here let everything pass."""
        if isinstance(node, Function):
            function = node
        if function is not None and isinstance(node, ast.Raise) and _is_refusal(node, raised):
            yield node, function, "pass"
            return
        if function is not None and isinstance(node, ast.Compare) and _has_bound(node):
            yield node, function, f"({when})"
            return
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not (name == "test" and _is_all_of_a_raise(node, raised)):
                    yield from walk(child, function, _when(node, name, when))

    return walk(tree, None, True)


def _when(node: ast.AST, name: str, when: bool) -> bool:
    if isinstance(node, ast.If | ast.IfExp | ast.While) and name == "test":
        return False
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not when
    if isinstance(node, ast.Assert | ast.stmt) and not isinstance(node, ast.If | ast.While):
        return True
    return when


def _is_refusal(node: ast.Raise, raised: set[str]) -> bool:
    called = node.exc.func if isinstance(node.exc, ast.Call) else None
    return getattr(called, "id", getattr(called, "attr", "")) in raised


def _has_bound(node: ast.Compare) -> bool:
    ordered = all(isinstance(each, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for each in node.ops)
    return ordered and any(_is_bound(side) for side in (node.left, *node.comparators))


def _is_bound(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_bound(node.left) or _is_bound(node.right)
    name = getattr(node, "id", getattr(node, "attr", ""))
    return (isinstance(node, ast.Constant) and isinstance(node.value, int | float)) or (
        len(name) > 1 and name.isupper()
    )


def _is_all_of_a_raise(node: ast.AST, raised: set[str]) -> bool:
    """A comparison whose only consequence is a refusal, which is a guard already."""
    alone = isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and not node.orelse
    return alone and len(node.body) == 1 and isinstance(node.body[0], ast.Raise) and _is_refusal(node.body[0], raised)


def without(guard: Guard, source: bytes) -> bytes:
    """The source of a module without the guard; lines below keep their numbers."""
    new, lines = guard.replacement.encode(), b"\n" * source[guard.start : guard.end].count(b"\n")
    new = new + lines if new == b"pass" else new[:-1] + lines + b")"
    return source[: guard.start] + new + source[guard.end :]


def mutated(guard: Guard) -> CodeType:
    """The code of the guard's function without the guard."""
    path = ROOT / guard.path
    return _code(compile(without(guard, path.read_bytes()), str(path), "exec"), guard)


@contextlib.contextmanager
def on_disk(guard: Guard | None) -> Iterator[None]:
    """The module without the guard for the processes that a test starts."""
    if guard is None:
        yield
        return
    path = ROOT / guard.path
    source, known = path.read_bytes(), path.stat()
    try:
        path.write_bytes(without(guard, source))
        yield
    finally:
        path.write_bytes(source)
        os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))  # what is compiled of it is valid again


def _code(code: CodeType, guard: Guard) -> CodeType:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_name == guard.function and each.co_firstlineno == guard.first_line:
                return each
            try:
                return _code(each, guard)
            except LookupError:
                continue
    raise LookupError(guard.function)


def replace(guard: Guard, new: CodeType) -> int:
    """Replace the code of every function made from the guard's; return how many there are."""
    path = str(ROOT / guard.path)
    gc.unfreeze()  # get_objects leaves out what is frozen
    functions = [
        each
        for each in gc.get_objects()
        if type(each) is FunctionType
        and each.__code__.co_firstlineno == guard.first_line
        and each.__code__.co_name == guard.function
        and each.__code__.co_filename == path
    ]
    for each in functions:
        if each.__code__.co_freevars == new.co_freevars:
            each.__code__ = new
    return len(functions)


def all_guards(rooms: Sequence[str]) -> list[Guard]:
    return [
        guard for room in rooms for path in sorted((ROOT / "mlphys" / room).rglob("*.py")) for guard in guards(path)
    ]
