"""Runs that no kill, no power cut and no full disk can hurt: each step of their files, one by one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlphys.errors import UserError
from tests.helpers.fake_disk import Disk, Operation, Platter, lay
from tests.training import arithmetic
from tests.training.arithmetic import judged, outcome, steps, train


def writing(stage: str, path: str, folder: str = "run") -> list[str]:
    """The steps of a file that is there whole or not at all."""
    temporary = f"{folder}/.{path}.~"
    done = ["create", "write", "half of write", "fsync"]
    return [
        *(f"{stage}: {step} {temporary}" for step in done),
        f"{stage}: replace {folder}/{path}",
        f"{stage}: fsync {folder}",
    ]


def epoch(number: int, pruned: int | None = None, first: bool = False, folder_made: bool = False) -> list[str]:
    row, kept = f"row {number}", f"checkpoint {number}"
    return [
        f"{row}: {'create' if first else 'open'} run/history.csv",
        f"{row}: write run/history.csv",
        f"{row}: half of write run/history.csv",
        *([f"{row}: fsync run"] if first else []),
        f"{kept}: fsync run/history.csv",
        *([f"{kept}: mkdir run/checkpoints", f"{kept}: fsync run"] if folder_made else []),
        *writing(kept, f"{number:06d}.safetensors", "run/checkpoints"),
        *([f"{kept}: unlink run/checkpoints/{pruned:06d}.safetensors"] if pruned else []),
        *writing(kept, "status.json"),
    ]


END = [
    *writing("end", "weights.safetensors"),
    *writing("end", "metrics.json"),
    *writing("end", "status.json"),
]


def counted(names: list[str]) -> list[str]:
    return [name + " again" * names[:i].count(name) for i, name in enumerate(names)]


STEPS = {
    "train": counted(
        [
            "begin: mkdir run",
            "begin: fsync .",
            *writing("begin", "data.json"),
            *writing("begin", "status.json"),
            *writing("begin", "config.yaml"),
            *epoch(1, first=True, folder_made=True),
            *epoch(2),
            *epoch(3, pruned=1),
            *END,
        ]
    ),
    "resume": counted(
        [
            *writing("resume", "status.json"),
            "resume: unlink run/checkpoints/000003.safetensors",
            "resume: unlink run/metrics.json",
            "resume: unlink run/checkpoints/.000004.safetensors.~",
            "resume: open run/history.csv",
            "resume: truncate run/history.csv",
            *epoch(3),
            *END,
        ]
    ),
    "start over": counted(
        [
            *writing("resume", "status.json"),
            "resume: unlink run/checkpoints/000002.safetensors",
            "resume: unlink run/checkpoints/000003.safetensors",
            "resume: unlink run/metrics.json",
            "resume: unlink run/checkpoints/.000004.safetensors.~",
            "resume: unlink run/history.csv",
            *epoch(1, first=True),
            *epoch(2),
            *epoch(3, pruned=1),
            *END,
        ]
    ),
}


@pytest.fixture(scope="module")
def killed(memory) -> dict[str, dict[str, str]]:
    """What became of trainings that were killed, by what they did and by the step.

    In a process of its own: processes that are killed are forked from it, and TensorFlow does not outlive a fork.
    """
    folder = memory / "killed"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.training.arithmetic", str(folder)]
    root = Path(__file__).parents[2]
    printed = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True, timeout=300).stdout
    return json.loads(printed)


@pytest.mark.parametrize("doing", STEPS)
def test_every_step_is_killed_once(killed, doing):
    assert list(killed[doing]) == STEPS[doing]


@pytest.mark.parametrize(("doing", "step"), [(doing, step) for doing, names in STEPS.items() for step in names])
def test_killed_before_a_step_and_resumed_it_ends_the_same(killed, doing, step):
    assert killed[doing][step] == "the same"


@pytest.fixture(scope="module")
def whole(memory) -> dict:
    """What an undisturbed training ends with."""
    path = memory / "whole"
    train(path)
    return outcome(path)


Log = list[tuple[str, Operation]]

SAFE = {"train": 0, "resume": 2, "start over": 0}  # the epoch that cannot be lost when it begins


def recorded(doing: str, root: Path) -> Log:
    """All operations, and where the training was told that an epoch is safe; `root` is left as it was before."""
    found, stages = [], [""]

    def stage(name: str) -> None:
        stages.append(name)
        if name.startswith("epoch"):
            found.append((name, Operation("told", "")))

    prepared(doing, root)
    with Disk(root, lambda operation: found.append((stages[-1], operation))):
        train(root / "run", 1.0, stage)
    prepared(doing, root)
    return found


def prepared(doing: str, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    with Disk(root, lambda operation: None):  # so that nothing is really synchronized, which takes most of the time
        arithmetic.STARTS[doing](root / "run")


def after_power_cuts(doing: str, log: Log, wanted: dict, root: Path) -> Iterator[str]:
    """What is wrong with the states of the disk after a power cut behind each of the operations."""
    seen, platter, epoch = set(), Platter(root), SAFE[doing]
    for stage, operation in log:
        if operation.kind == "told":
            epoch = int(stage.split()[1])
            continue
        platter.do(operation)
        for tree in platter.states():
            state = (hash(frozenset(tree.items())), epoch)
            if state in seen:
                continue
            seen.add(state)
            shutil.rmtree(root)
            root.mkdir()
            lay(tree, root)
            with Disk(root, lambda operation: None):
                wrong = judged(root / "run", wanted, epoch)
            if wrong != "the same":
                yield f"{stage}: {operation}: {wrong}"
    assert len(seen) > 50


@pytest.mark.parametrize("doing", STEPS)
def test_whatever_a_power_cut_leaves_is_read_and_gone_on_from(room, whole, doing):
    assert list(after_power_cuts(doing, recorded(doing, room), whole, room)) == []


SYNCHRONIZED = {
    "temporary files": lambda path: path.rpartition("/")[2].startswith("."),
    "history.csv": lambda path: path == "run/history.csv",
    "the folder of the checkpoints": lambda path: path == "run/checkpoints",
    "the folder of the run": lambda path: path == "run",
    "the folder that the run is in": lambda path: path == ".",
}


@pytest.mark.parametrize("what", SYNCHRONIZED)
def test_without_synchronizing_a_power_cut_does_harm(room, whole, what):
    log = [
        (stage, operation)
        for stage, operation in recorded("train", room)
        if not (operation.kind == "fsync" and SYNCHRONIZED[what](operation.path))
    ]
    assert next(after_power_cuts("train", log, whole, room), None)


def test_the_name_of_a_new_history_is_synchronized_before_a_checkpoint_counts_on_it(room, whole):
    log = recorded("start over", room)
    log.remove(("row 1", Operation("fsync", "run")))
    assert any("it is refused" in wrong for wrong in after_power_cuts("start over", log, whole, room))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["a full disk", "a bad disk"])
@pytest.mark.parametrize("doing", ["train", "resume", "start over"])
def test_an_error_at_any_step_is_reported_and_harms_nothing(room, whole, doing, number):
    root = room / "root"
    path, start = root / "run", arithmetic.STARTS[doing]

    def restart() -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        with Disk(root, lambda operation: None):
            start(path)

    restart()
    operations = steps(lambda stage: train(path, 1.0, stage), root)
    for i, (stage, operation) in enumerate(operations):
        restart()
        seen = []

        def failing(now: Operation, i: int = i, seen: list = seen) -> None:
            seen.append(now)
            # A full disk stays full, and files can be removed from it; a bad one fails once.
            full = number == errno.ENOSPC and len(seen) > i and now.kind != "unlink"
            if full or (number == errno.EIO and len(seen) == i + 1):
                raise OSError(number, os.strerror(number), str(root / now.path))

        with Disk(root, failing, half=True):
            if operation.kind == "unlink" and number == errno.ENOSPC:
                continue
            with pytest.raises(UserError) as caught:
                train(path, 1.0)
        remedy = "free some space, or write" if number == errno.ENOSPC else "write"
        expected = (
            f"cannot be removed: {os.strerror(number)}"
            if operation.kind == "unlink"
            else f"cannot be written: {os.strerror(number)}; {remedy} to another place"
        )
        assert str(caught.value).partition(": ")[2] == expected, (stage, str(operation))
        with Disk(root, lambda operation: None):
            assert judged(path, whole) == "the same", (stage, str(operation))
