"""Guards are found in the syntax tree, and removed from functions that are there already."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlphys.errors import UserError
from mlphys.io import idx
from scripts import guards, mutants
from scripts.marked_tables import ROOT

LIE = b"\0\0\x08\x01\0\0\0\x63" + bytes(3)  # 99 bytes are claimed, three are there


@pytest.fixture
def restored():
    code = idx._header.__code__
    yield
    idx._header.__code__ = code


def guards_of(source: str, tmp_path: Path, monkeypatch) -> list[tuple[str, str]]:
    monkeypatch.setattr(guards, "ROOT", tmp_path)
    path = tmp_path / "made_up.py"
    path.write_text(source)
    return [(guard.text, guard.replacement) for guard in guards.guards(path)]


def test_a_guard_is_a_refusal_or_a_comparison_with_a_bound(tmp_path: Path, monkeypatch):
    source = """
def checked(size, name):
    if size > 5:
        raise UserError("the only consequence of the comparison, so one guard")
    if size < LEAST or not size <= len(name):
        raise refusal(name)
    if name in (1, 2) or name == 3:
        raise ValueError
    assert 0 <= size
    return size >= 1 and not size < 9
def refusal(name) -> UserError:
    return UserError(name)
"""
    assert guards_of(source, tmp_path, monkeypatch) == [
        ('raise UserError("the only consequence of the comparison, so one guard") #1', "pass"),
        ("size < LEAST #1", "(False)"), ("raise refusal(name) #1", "pass"),
        ("0 <= size #1", "(True)"), ("size >= 1 #1", "(True)"), ("size < 9 #1", "(False)"),
    ]  # fmt: skip


def test_every_guard_of_the_package_can_be_removed():
    found = guards.all_guards(guards.ROOMS)
    assert len(found) > 500
    assert len({guard.key for guard in found}) == len(found)
    for guard in found:
        guards.mutated(guard)


def test_every_reason_is_that_of_one_guard_and_counted_where_it_survives():
    found = [guard.reason for guard in guards.all_guards(guards.ROOMS)]
    assert {found.count(reason) for reason in guards.REASONS.values()} == {1}
    assert set(found) == {"", *guards.REASONS.values(), *guards.DECISIONS.values()}
    schema = guards.all_guards(["schema"])
    excused = [guard for guard in schema if guard.reason]
    table = mutants.table({guard.key: {"result": mutants.SURVIVED} for guard in schema})
    counts = f"{len(schema)} | {len(schema)} | 0 | {len(schema) - len(excused)} | {len(excused)} | 0"
    assert f"| schema | {counts} |" in table
    assert table.count("<li>") == len(excused)
    assert "<code>len(text) &gt; LONG</code> in <code>mlphys/schema/document.py</code>, parse: speed" in table
    assert "<details>" not in mutants.table({guard.key: {"result": mutants.KILLED} for guard in schema})


def test_without_a_guard_its_function_lets_everything_pass(tmp_path: Path, restored):
    path = tmp_path / "x.idx"
    path.write_bytes(LIE)
    with pytest.raises(UserError, match="more than the file can hold"):
        idx.header(path)
    guard = next(guard for guard in guards.guards(ROOT / "mlphys/io/idx.py") if "more than the file" in guard.text)
    assert guards.replace(guard, guards.mutated(guard)) == 1
    assert idx.header(path).shape == (99,)
