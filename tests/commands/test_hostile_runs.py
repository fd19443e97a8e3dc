"""Runs whose folders and files are links: no command touches what they point to."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.early_stopping import Watch
from tests.helpers import fake_run
from tests.helpers.cli import mlphys, refused
from tests.io.test_run_folder import state

CONFIG = """
name: small
data: {name: digits, train: 60, validation: 20, test: 20}
model: {kind: classifier, layers: [Flatten, {Dense: {units: 10, activation: softmax}}]}
training: {optimizer: adam, loss: categorical_crossentropy, epochs: 3}
plots: [learning_curves]
expect: {test.accuracy: [0, 1]}
"""

OPENED: list[list[str]] = []


def hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED:
        OPENED[-1].append(os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else "")


sys.addaudithook(hear)


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(CONFIG)
    path = fake_run.write(Path("small.yaml"))
    writer = RunWriter(path)
    for epoch in (1, 2):
        writer.row({"phase": "train", "epoch": epoch, "seconds": 0.1, "loss": 1 / epoch, "accuracy": 0.5})
        writer.checkpoint(Checkpoint("train", epoch, epoch, Watch(), {}, {}))
    writer.status("done", stopped="epochs")
    writer.metrics({"test": {"accuracy": 0.9, "accuracy_stderr": 0.01}})
    return path


@pytest.fixture
def mine(run, tmp_path) -> Path:
    """A folder of the user's, with files of the names that commands write and remove."""
    shutil.copytree(run, tmp_path / "mine/of_a_run")
    for name in ("learning_curves.png", "learning_curves.csv", "size.json", "000001.safetensors", "000009.safetensors"):
        (tmp_path / "mine" / name).write_text("mine")
    return tmp_path / "mine"


def unfinished(run: Path) -> None:
    RunWriter(run).status("interrupted")


def linked(path: Path, target: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(target)


COMMANDS = {
    "figures": [("plot",), ("plot-filters",)],
    "checkpoints": [("resume",)],
    "history.csv": [("plot",), ("resume",)],
    "config.yaml": [("plot",), ("resume",), ("check",), ("evaluate",), ("analyze",)],
    "data.json": [("plot",), ("resume",), ("evaluate",), ("analyze",)],
    "status.json": [("check",), ("evaluate",), ("analyze",), ("resume",)],
    "metrics.json": [("check",)],
    "weights.safetensors": [("plot", "--only", "filters"), ("plot", "--only", "weight_norms,filters")],
    "predictions_test.npz": [("plot", "--only", "confusion_matrix"), ("plot", "--only", "misclassified")],
}


@pytest.mark.parametrize(("name", "command"), [(name, command) for name, each in COMMANDS.items() for command in each])
def test_a_link_in_a_run_stops_a_command_that_would_follow_it(name, command, run, mine):
    target = mine if name in ("figures", "checkpoints") else mine / "of_a_run" / name
    if command == ("resume",):
        unfinished(run)
    linked(run / name, target)
    before = state(mine)
    verb, *options = command
    OPENED.append([])
    said = refused(verb, run, *options)
    opened = OPENED.pop()
    told = "belong to another history.csv" if (name, verb) == ("history.csv", "resume") else f"{run / name}: is a link"
    assert told in said
    assert state(mine) == before
    assert not [path for path in opened if str(mine) in os.path.realpath(path)]


def test_links_that_are_only_replaced_or_removed_leave_what_they_point_to(run, mine):
    for name in ("status.json", "weights.safetensors", "metrics.json", "environment.json", "predictions_test.npz"):
        linked(run / name, mine / "size.json")
    before = state(mine)
    writer = RunWriter(run)
    writer.status("interrupted")
    writer.environment({})
    writer.resume_from(None)
    assert state(mine) == before
    assert not (run / "metrics.json").is_symlink()
    assert not (run / "predictions_test.npz").is_symlink()


def test_a_number_that_is_a_link_is_no_run_of_that_name(run, mine):
    linked(run.with_name("2"), mine / "of_a_run")
    linked(run.with_name("³"), mine / "of_a_run")
    assert [each.path for each in Run(run).study()] == [run.resolve()]
    mlphys("plot", "small")
    assert not (mine / "of_a_run/figures").exists()
