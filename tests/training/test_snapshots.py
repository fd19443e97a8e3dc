"""Weights that are kept while a net is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from mlphys.errors import UserError
from mlphys.io.run_folder import RunFolder
from mlphys.runs import snapshots
from mlphys.runs.run import Run
from mlphys.runs.snapshots import SnapshotFile
from mlphys.training.snapshots import chosen
from tests.helpers.cli import mlphys, refused

CONFIG = """
name: small
data: {name: digits, train: 200, validation: 50, test: 50}
model: {kind: classifier, layers: [Flatten, {Dense: {units: 10, activation: softmax}}]}
training: {epochs: 6, batch_size: 50, snapshots: 3}
plots: []
"""
SHAPES = {"a": (2,), "b": (2, 3)}


def weights(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.random(shape, np.float32) for name, shape in SHAPES.items()}


@pytest.mark.parametrize(
    ("epochs", "count", "expected"),
    [(6, 3, {0, 1, 2, 6}), (1, 20, {0, 1}), (100, 3, {0, 1, 10, 100}), (5, None, set()), (0, 3, set())],
)
def test_epochs_are_chosen_in_a_geometric_sequence(epochs, count, expected):
    assert chosen(epochs, count) == expected


def test_the_number_that_is_kept_is_about_the_one_that_is_written():
    assert 80 <= len(chosen(10_000, 100)) <= 101


def test_a_file_that_was_cut_and_continued_has_the_same_bytes(tmp_path):
    once, again = RunFolder(tmp_path / "once"), RunFolder(tmp_path / "again")
    for folder in (once, again):
        folder.path.mkdir()
    whole, begun = SnapshotFile(once), SnapshotFile(again)
    for epoch in (0, 1, 4):
        whole.add(epoch, weights(epoch))
        begun.add(epoch, weights(epoch + 10 * (epoch > 1)))  # the last one is of a training that was ended
    resumed = SnapshotFile(again)
    resumed.cut(1, SHAPES)
    assert list(snapshots.read(again, SHAPES)) == [0, 1]
    resumed.add(4, weights(4))
    assert once.read("snapshots.safetensors") == again.read("snapshots.safetensors")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not a file of arrays", save({"a": np.zeros(2, np.float32)}),
        save({"000001/a": np.zeros(2, np.float32)}),
        save({"../1/a": np.zeros(2, np.float32), "../1/b": np.zeros((2, 3), np.float32)}),
        save({"000001/a": np.full(2, np.nan, np.float32), "000001/b": np.zeros((2, 3), np.float32)}),
        save({f"{n:06d}/{name}": value for n in range(200) for name, value in weights(0).items()}),
    ],
    ids=["empty", "text", "no epoch", "one missing", "a path", "not finite", "too many"],
)  # fmt: skip
def test_what_no_training_writes_is_refused(content, tmp_path):
    (tmp_path / "snapshots.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"snapshots\.safetensors"):
        snapshots.read(RunFolder(tmp_path), SHAPES)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots")
    (folder / "small.yaml").write_text(CONFIG)
    mlphys("train", folder / "small.yaml", "--out", folder / "with", "--quiet")
    mlphys("train", folder / "small.yaml", "--set", "training.snapshots=null", "--out", folder / "without", "--quiet")
    return folder


def test_the_first_are_the_initial_weights_the_last_those_of_the_run_which_are_the_same_without(trained_once):
    run = Run(trained_once / "with")
    assert list(run.snapshots) == [0, 1, 2, 6]
    last, first = run.snapshots[6], run.snapshots[0]
    for name, value in run.weights.items():
        np.testing.assert_array_equal(last[name], value)
    assert np.abs(first["layers.1.Dense.kernel"] - last["layers.1.Dense.kernel"]).max() > 0
    assert not first["layers.1.Dense.bias"].any()
    files = [(trained_once / name / "weights.safetensors").read_bytes() for name in ("with", "without")]
    assert files[0] == files[1]
    assert not (trained_once / "without" / "snapshots.safetensors").exists()


def test_a_run_that_is_trained_longer_keeps_those_of_its_first_epochs(trained_once, tmp_path):
    mlphys("train", trained_once / "small.yaml", "--out", tmp_path / "run", "--set", "training.epochs=2", "--quiet")
    before = load((tmp_path / "run" / "snapshots.safetensors").read_bytes())
    mlphys("resume", tmp_path / "run", "--set", "training.epochs=6", "--quiet")
    found, whole = Run(tmp_path / "run").snapshots, Run(trained_once / "with").snapshots
    assert {epoch for epoch in found if epoch <= 2} == {int(name[:6]) for name in before}
    for name, value in whole[6].items():
        np.testing.assert_array_equal(found[6][name], value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("training.snapshots=1", "must be at least 2; received 1"),
        ("training.snapshots=101", "must be at most 100; received 101"),
        (
            "model={kind: stacked_autoencoder, stages: [{encoder: [{Dense: {units: 9, activation: relu}}]}, "
            "{encoder: [{Dense: {units: 4, activation: relu}}]}]}",
            "kind: stacked_autoencoder is not trained in one phase of epochs; leave it out",
        ),
        (
            "model.layers=[Flatten, {Dense: {units: 300000}}, {Dense: {units: 10, activation: softmax}}]",
            "so many times the weights are more than 64 MB; leave it out",
        ),
    ],
    ids=["one", "too many", "phases", "too large"],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_trained(changes, said, tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    assert said in refused("config", "check", tmp_path / "small.yaml", "--set", changes)
