"""Whole processes, killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_trainings_killed_at_random_instants_end_with_the_bytes_of_an_undisturbed_one():
    command = [sys.executable, "-m", "scripts.soak", "--kills", "3", "--only", "classifier"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr  # the seed stands in it
    assert "classifier: 3 kills, " in done.stdout
