"""Runs whose folders and files are links: no command touches what they point to."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from mlphys.commands import plot, report
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.figures.save import save
from mlphys.runs.run import Run, find
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


def test_a_run_that_cannot_be_read_hides_no_other(run):
    for number, harm in (("2", "status.json"), ("3", "environment.json"), ("4", "config.yaml")):
        shutil.copytree(run, run.with_name(number))
        (run.with_name(number) / harm).unlink(missing_ok=True)
        (run.with_name(number) / harm).mkdir()
    (run.with_name("5")).write_text("no folder")
    Path("runs/other").write_text("no folder")
    RunWriter(run).environment({"started": "2026"})
    assert "ok" in mlphys("check")
    assert find(None).path == run


@pytest.mark.parametrize("size", [1e16, 1e38])
def test_weights_that_nothing_can_be_computed_with_are_reported_in_place_of_pictures(run, size):
    shapes = {name: value.shape for name, value in Run(run).weights.items()}
    RunWriter(run).weights({name: np.full(shape, size, np.float32) for name, shape in shapes.items()})
    reason = plot.too_large(Run(run), OverflowError())
    assert str(reason) == f"its weights reach {size:.2g}, whose squares are beyond float32"
    mlphys("plot", run, "--only", "filters")


def test_an_error_that_the_weights_do_not_explain_is_a_bug(run):
    with pytest.raises(ZeroDivisionError):
        plot.too_large(Run(run), ZeroDivisionError())


@pytest.mark.parametrize("number", [1e31, 1e300, float("inf"), np.float32(3e38)])
def test_a_picture_of_numbers_that_cannot_be_drawn_is_left_out_with_them(run, number):
    picture = Picture("made", theme.figure(3, 3, "made"), {"loss": [1.0, number], "label": ["a", "b"]})
    with pytest.raises(NotApplicable, match=r"loss reaches .*, too large to draw"):
        save(picture, run / "figures", ["png"])
    assert not (run / "figures").exists()


def test_a_file_of_predictions_is_named_once(run):
    Path("x.npz").touch()
    said = refused("predict", run, "x.npz", "--out", "p.npz", "--save", "./p.npz")
    assert "--out and --save name the same file" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("phase,epoch,accuracy\ntrain,1,0.5\n", "its first line must name phase, epoch, loss"),
        ("phase,epoch,loss\ntrain,1\n", "history.csv:2: damaged: 2 values for 3 columns"),
        ("phase,epoch,loss\ntrain,1,inf\n", "history.csv:2: damaged: loss is not finite"),
    ],
)
def test_a_history_that_no_training_writes_is_not_drawn(run, text, why):
    (run / "history.csv").write_text(text)
    assert why in refused("plot", run)


def test_a_history_without_any_loss_or_with_half_a_row_is_drawn_as_far_as_it_goes(run):
    (run / "history.csv").write_text("phase,epoch,loss\ntrain,1,\n")
    assert "learning_curves: not drawn: history.csv has no loss in any epoch" in mlphys("plot", run)
    (run / "history.csv").write_text("phase,epoch,loss\ntrain,1,2\ntrain,2,1\ntrain,3,0.")
    assert "learning_curves.png" in mlphys("plot", run)


def test_metrics_without_the_number_of_samples_are_shown_and_not_compared_with_published_numbers(run):
    assert "<h2" in report.rendered(run)
    config = (run / "config.yaml").read_text()
    number = "test.accuracy: {value: 0.9, error: null, samples: 10, source: a, comparable: true}"
    (run / "config.yaml").write_text(re.sub(r"published: .*", f"published: {{{number}}}", config))
    assert "metrics.json: damaged: test has no samples" in refused("check", run)
