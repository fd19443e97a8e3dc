"""Markers, random examples and options of all tests."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from mlphys.schema.samples import Samples
    from tests.helpers.browser import Browser

# In one process the first network would set the threads per operation for all later ones, on which their bytes depend.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
# Compiling takes most of the time of a short training, and half of that only makes the steps faster.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# Nothing that earlier tests or the user compiled is used, and nothing is left in the user's cache.
os.environ["MLPHYS_CACHE"] = "off"
# Tables fold on a narrow terminal, such as the one that a test process may have inherited.
os.environ["COLUMNS"] = "120"

# As the commands do: modules, graphs and tests make objects that stay, and Python looks through them after every 700.
gc.set_threshold(50_000, 20, 20)

TESTS = Path(__file__).parent

# Folders whose tests train networks, draw plots or start processes.
SLOW = {"analysis", "commands", "export", "known_answers", "models", "native", "networks", "plots", "runs", "training"}

# Markers of the stages that try what users run, as they run it.
STAGES = ("configs", "soak", "property")

# The same examples in every run, so that a failure belongs to the change before it; --hypothesis-profile=search looks
# for others.
settings.register_profile("same", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("same")


def in_slow_folder(path: Path) -> bool:
    return path.is_relative_to(TESTS) and not SLOW.isdisjoint(path.relative_to(TESTS).parts[:1])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without slow tests, do not even collect slow folders, whose imports take long; nor thousands of inputs."""
    left_out = config.option.markexpr
    if "not hostile" in left_out and collection_path == TESTS / "hostile":
        return True
    return True if "not slow" in left_out and in_slow_folder(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark tests in slow folders, tests that start a process, and tests that use a trained run of their file."""
    for item in items:
        starts_a_process = "subprocess" in item.function.__code__.co_names
        if in_slow_folder(item.path) or starts_a_process or "trained_once" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: neither Python nor pytest, at its end, looks through it any more."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _quickly_compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    """LLVM takes a quarter of the time without optimization, and makes slower steps of the same results. The tests of
    stages of their own compile as users do."""
    from mlphys.native import machine_code

    with pytest.MonkeyPatch.context() as patch:
        if request.config.option.markexpr not in STAGES:
            patch.setattr(machine_code, "OPTIMIZATION", 0)
        yield


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


@pytest.fixture(scope="session", autouse=True)
def _coarse_pictures() -> Iterator[None]:
    """Tests look at numbers and layouts of pictures, not at pixels, whose number decides how long saving takes."""
    from mlphys.figures import theme

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theme, "DPI", 40)
        patch.setitem(theme.SETTINGS, "figure.dpi", 40)
        yield


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that want pictures and look at none of their numbers: the loss at 20 000 points, and chains of 800
    steps, take seconds."""
    from mlphys.plots import loss_surface, samples

    monkeypatch.setattr(loss_surface, "FINE", 21)
    monkeypatch.setattr(samples, "LINES", 2)
    monkeypatch.setattr(samples, "EVERY", 4)


@pytest.fixture
def few_images(few_points: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that draw every picture and look at none: laying out a page of a hundred images takes seconds."""
    from mlphys.plots import interpolation, reconstructions, reconstructions_by_code_size, stages, traversals

    for plots in (reconstructions, reconstructions_by_code_size, stages, traversals):
        monkeypatch.setattr(plots, "MOST", 2)
    monkeypatch.setattr(traversals, "ACROSS", 3)
    monkeypatch.setattr(interpolation, "PAIRS", 2)
    monkeypatch.setattr(interpolation, "STEPS", 3)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests: starting it takes seconds."""
    from tests.helpers.browser import opened

    with opened() as browser:
        yield browser


@pytest.fixture(scope="module")
def _read_mnist() -> Callable[[], Samples]:
    from mlphys.datasets.mnist import MNIST

    return functools.cache(MNIST.model_validate(MNIST.example(Path())).load)


@pytest.fixture
def _mnist_is_read_once(_read_mnist: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST's file is unpacked and checked, which takes seconds, by the first command that reads it and by no other."""
    from mlphys.datasets.mnist import MNIST

    monkeypatch.setattr(MNIST, "load", lambda self: _read_mnist())
