"""How many cores there are to work with."""

from __future__ import annotations

import os
import subprocess
import sys

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


WITHOUT_FOLDERS = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file can be written: no temporary folder is found
from mlphys import machine
from mlphys.errors import UserError
try:
    machine.require_matplotlib()
except UserError as error:
    print(error)
"""


@pytest.mark.slow
def test_pictures_without_any_folder_to_write_to_are_refused_with_the_variable_to_set():
    environment = {**os.environ, "MPLCONFIGDIR": "/dev/null/none"}
    result = subprocess.run([sys.executable, "-c", WITHOUT_FOLDERS], env=environment, capture_output=True, text=True)
    assert result.stdout == (
        "pictures need a folder that can be written to, for matplotlib's fonts; set MPLCONFIGDIR to one of yours\n"
    )
