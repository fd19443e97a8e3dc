"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A worker trains nets of all sorts, and the first would choose for those after it how many threads an operation
# has; the bytes of one that another process trains depend on that.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

TESTS = Path(__file__).parent

# Rooms whose tests train networks, draw pictures or start processes.
SLOW = {"analysis", "commands", "known_answers", "models", "native", "networks", "plots", "runs", "training"}

# The same examples in every run, so that a failure belongs to the change before it; --hypothesis-profile=search looks
# for others.
settings.register_profile("same", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("same")


def in_slow_room(path: Path) -> bool:
    return path.is_relative_to(TESTS) and not SLOW.isdisjoint(path.relative_to(TESTS).parts[:1])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where no slow tests are run, a slow room is not even read, whose imports take long."""
    return True if "not slow" in config.option.markexpr and in_slow_room(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Marks what stands in a slow room, starts a process, or takes a run that was trained for all tests of its file."""
    for item in items:
        starts_a_process = "subprocess" in item.function.__code__.co_names
        if in_slow_room(item.path) or starts_a_process or "trained_once" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _without_usual_pictures() -> Iterator[dict[type, tuple[str, ...]]]:
    """Most tests name no pictures and look at none: drawing the usual ones would take longer than their trainings."""
    from mlphys.config.experiment import MODELS

    usual = {kind: kind.PICTURES for kind in MODELS.values()}
    with pytest.MonkeyPatch.context() as patch:
        for kind in usual:
            patch.setattr(kind, "PICTURES", ())
        yield usual


@pytest.fixture
def usual_pictures(_without_usual_pictures: dict[type, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures of each kind of model that are drawn where a config names none."""
    for kind, names in _without_usual_pictures.items():
        monkeypatch.setattr(kind, "PICTURES", names)
