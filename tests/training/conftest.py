"""In-memory folders for tests that write thousands of times."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory if possible: on disk, replacing a file takes long."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


@pytest.fixture
def room(memory) -> Iterator[Path]:
    path = memory / "room"
    path.mkdir()
    yield path
    shutil.rmtree(path)
