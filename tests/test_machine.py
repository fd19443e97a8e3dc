"""How many cores there are to work with."""

from __future__ import annotations

import os

import pytest

from mlphys import machine


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("", 8),
    ],
)
def test_a_container_has_as_many_cores_as_its_time_is_limited_to(limit, cores, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    monkeypatch.setattr(machine, "TIME_LIMIT", tmp_path / "cpu.max")
    assert machine.cores() == cores
    monkeypatch.setattr(machine, "TIME_LIMIT", tmp_path / "none")
    assert machine.cores() == 8
