"""Whole processes, killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.soak import TESTED

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1300)]

KILLS = 5  # of each experiment


def test_a_study_killed_at_random_instants_ends_with_the_bytes_of_its_members_trained_alone():
    command = [sys.executable, "-m", "scripts.soak_study", "--kills", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr  # the seed stands in it
    assert f"{KILLS} kills in " in done.stdout


@pytest.mark.parametrize("experiment", TESTED)
def test_trainings_killed_at_random_instants_end_with_the_bytes_of_an_undisturbed_one(experiment):
    command = [sys.executable, "-m", "scripts.soak", "--kills", str(KILLS), "--only", experiment]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr  # the seed stands in it
    assert f"{experiment}: {KILLS} kills, " in done.stdout
