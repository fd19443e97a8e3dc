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
from mlphys.studies.run_archive import packed_unfinished, unpack
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


def folder_in(path: Path) -> RunFolder:
    path.mkdir()
    return RunFolder(path)


def taken(folder: RunFolder, *epochs: int) -> SnapshotFile:
    file = SnapshotFile(folder)
    for epoch in epochs:
        file.add(epoch, weights(epoch))
    return file


def as_before(*epochs: int) -> bytes:
    """The file of versions that wrote all snapshots at each one."""
    return save({f"{epoch:06d}/{name}": value for epoch in epochs for name, value in weights(epoch).items()})


def test_those_taken_so_far_can_be_read_and_become_one_file_at_the_end(tmp_path):
    folder = RunFolder(tmp_path)
    file = taken(folder, 0, 1, 4)
    before = snapshots.read(folder, SHAPES)
    file.join()
    assert folder.names() == ["snapshots.safetensors"]
    assert folder.read("snapshots.safetensors") == as_before(0, 1, 4)
    for known in (before, snapshots.read(folder, SHAPES)):
        assert list(known) == [0, 1, 4]
        for epoch, each in known.items():
            for name, value in weights(epoch).items():
                np.testing.assert_array_equal(each[name], value)


def test_a_snapshot_writes_none_of_the_earlier_ones_again(tmp_path):
    file = taken(RunFolder(tmp_path), 0, 1)
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    file.add(2, weights(2))
    after = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1


@pytest.mark.parametrize("killed", ["while training", "while they become one", "before the end", "of an older version"])
def test_a_training_that_was_killed_and_resumed_has_the_same_bytes(killed, tmp_path):
    folder = folder_in(tmp_path / "resumed")
    if killed == "of an older version":
        (folder.path / "snapshots.safetensors").write_bytes(as_before(0, 1, 4))
    else:
        taken(folder, 0, 1).add(4, weights(14))  # the last one is of an epoch that no checkpoint has
    if killed == "while they become one":
        (folder.path / "snapshots.safetensors").write_bytes(as_before(0, 1))
        folder.remove("snapshots-000001.safetensors")
    if killed == "before the end":
        SnapshotFile(folder).join()
    resumed = SnapshotFile(folder)
    resumed.cut(1, SHAPES)
    assert list(snapshots.read(folder, SHAPES)) == [0, 1]
    resumed.add(4, weights(4))
    resumed.join()
    assert folder.names() == ["snapshots.safetensors"]
    assert folder.read("snapshots.safetensors") == as_before(0, 1, 4)


def test_an_archive_of_an_unfinished_run_has_its_snapshots(tmp_path):
    folder = folder_in(tmp_path / "run")
    folder.make("checkpoints")
    for name in ("config.yaml", "history.csv", "checkpoints/00000001.npz"):
        folder.write(name, "")
    taken(folder, 0, 1)
    content = packed_unfinished(folder.path)
    unpack(content, tmp_path / "other")
    assert list(snapshots.read(RunFolder(tmp_path / "other"), SHAPES)) == [0, 1]


def test_snapshots_of_another_net_are_refused_in_a_file_of_one_epoch_too(tmp_path):
    (tmp_path / "snapshots-000001.safetensors").write_bytes(save({"000001/a": np.zeros(3, np.float32)}))
    with pytest.raises(UserError, match=r"snapshots.*does not fit config\.yaml"):
        snapshots.read(RunFolder(tmp_path), SHAPES)


def test_a_run_without_snapshots_has_none(tmp_path):
    assert snapshots.read(RunFolder(tmp_path), SHAPES) == {}


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
    mlphys("train", folder / "small.yaml", "--out", folder / "with", "--quiet", "--no-report")
    mlphys(
        "train",
        folder / "small.yaml",
        "--set",
        "training.snapshots=null",
        "--out",
        folder / "without",
        "--quiet",
        "--no-report",
    )
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
    mlphys(
        "train",
        trained_once / "small.yaml",
        "--out",
        tmp_path / "run",
        "--set",
        "training.epochs=2",
        "--quiet",
        "--no-report",
    )
    before = load((tmp_path / "run" / "snapshots.safetensors").read_bytes())
    mlphys("resume", tmp_path / "run", "--set", "training.epochs=6", "--quiet", "--no-report")
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
