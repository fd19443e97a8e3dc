"""The limits of processes that parse, without Landlock: what they hold, and what they do not, as SECURITY.md says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import mmap, os, resource, subprocess, sys
from mlphys.io import resource_limits

resource_limits.hold(10**9, 30)

def tried(what, doing):
    try:
        print(what, doing() or "done")
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(what, type(error).__name__)

def written(name):
    os.write(os.open(name, os.O_CREAT | os.O_WRONLY), b"x")

def mapped():
    mmap.mmap(os.open("old", os.O_RDWR), 8)[0:1] = b"Z"

tried("new", lambda: written("new"))
tried("old", lambda: written("old"))
tried("started", lambda: subprocess.run(["sh", "-c", "echo a > started"], check=True, stderr=subprocess.DEVNULL) and "")
tried("mapped", mapped)
tried("memory", lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2))
"""


def test_nothing_can_be_written_but_through_a_memory_map_and_the_limit_on_memory_can_be_lifted(tmp_path: Path):
    (tmp_path / "old").write_bytes(b"abcdefgh")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "new": "OSError", "old": "OSError", "started": "CalledProcessError", "mapped": "done", "memory": "done",
    }  # fmt: skip
    assert (tmp_path / "old").read_bytes() == b"Zbcdefgh"
    assert (tmp_path / "new").read_bytes() == b""
