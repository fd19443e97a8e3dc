"""Files of a run that somebody else made are read only if they are what such a run can have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys import machine
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.run_folder import RunFolder
from mlphys.runs import page_samples, snapshots
from mlphys.runs.run import MOST_SHOWN, Run, find, finished, newest_unfinished
from mlphys.runs.writer import RunWriter, create
from tests.helpers import fake_run

CONFIG = """
name: small
data: {name: digits, train: 20, validation: 8, test: 0}
model: {kind: classifier, layers: [Flatten, {Dense: {units: 10, activation: softmax}}]}
training: {optimizer: adam, epochs: 3}
"""
PREDICTIONS: dict[str, Any] = {
    "labels": np.arange(8, dtype=np.int32),
    "losses": np.ones(8, np.float32),
    "probabilities": np.full((8, 10), 0.1, np.float32),
    "shown": np.arange(2, dtype=np.int32),
    "images": np.zeros((2, 8, 8, 1), np.float32),
}
SAMPLES: dict[str, Any] = {
    "split": np.array(1, np.int32),
    "rows": np.arange(3, dtype=np.int32),
    "x": np.zeros((3, 8, 8, 1), np.float32),
    "labels": np.arange(3, dtype=np.int32),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(CONFIG)
    return Run(fake_run.write(Path("small.yaml")))


def predictions_refused(run: Run, **changes: Any) -> str:
    np.savez(run.path / "predictions_validation.npz", **{**PREDICTIONS, **changes})
    with pytest.raises(UserError) as error:
        run.predictions("validation")
    return str(error.value)


def test_predictions_are_read_as_they_were_written(run: Run):
    assert run.predictions("validation") is None
    np.savez(run.path / "predictions_validation.npz", **PREDICTIONS)
    found = run.predictions("validation")
    assert found is not None
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in PREDICTIONS.items()
    }


def test_predictions_of_other_shapes_or_of_too_many_shown_samples_are_refused(run: Run):
    refusal = "does not fit data.json; `mlphys evaluate"
    assert refusal in predictions_refused(run, losses=np.ones(9, np.float32))
    assert refusal in predictions_refused(run, further=np.ones(8, np.float32))
    many = MOST_SHOWN + 1
    more = {"shown": np.zeros(many, np.int32), "images": np.zeros((many, 8, 8, 1), np.float32)}
    assert refusal in predictions_refused(run, **more)


@pytest.mark.parametrize(
    ("name", "value"), [("labels", 10), ("labels", -1), ("shown", 8), ("shown", -1), ("losses", np.nan)]
)
def test_predictions_that_cannot_be_are_refused(name: str, value: float, run: Run):
    array = PREDICTIONS[name].copy()
    array[-1] = value
    assert "holds impossible values; `mlphys evaluate" in predictions_refused(run, **{name: array})


def test_samples_of_the_page_are_read_as_they_were_written(run: Run):
    np.savez(run.path / page_samples.SAMPLES, **SAMPLES)
    found = page_samples.read(run)
    assert found is not None
    assert (found.split, found.rows.tolist(), found.labels.tolist()) == ("validation", [0, 1, 2], [0, 1, 2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("split", np.array(3, np.int32)),
        ("split", np.array(-1, np.int32)),
        ("rows", np.array([0, 1, -1], np.int32)),
        ("labels", np.array([0, 1, -1], np.int32)),
        ("labels", np.array([0, 1, 10], np.int32)),
        ("labels", np.zeros(3, np.float32)),
        ("x", np.full((3, 8, 8, 1), np.inf, np.float32)),
        ("x", np.zeros((2, 8, 8, 1), np.float32)),
    ],
)
def test_samples_of_the_page_that_cannot_be_are_refused(name: str, value: np.ndarray, run: Run):
    np.savez(run.path / page_samples.SAMPLES, **{**SAMPLES, name: value})
    with pytest.raises(UserError, match="does not fit the run; `mlphys evaluate"):
        page_samples.read(run)


def test_more_samples_than_a_page_has_are_refused(run: Run):
    n = 2 * page_samples.MOST + 1
    arrays = {
        "split": SAMPLES["split"], "rows": np.arange(n, dtype=np.int32), "x": np.zeros((n, 8, 8, 1), np.float32),
        "labels": np.zeros(n, np.int32),
    }  # fmt: skip
    np.savez_compressed(run.path / page_samples.SAMPLES, **arrays)
    with pytest.raises(UserError, match="does not fit the run"):
        page_samples.read(run)


@pytest.mark.parametrize("threads", [0, -1, machine.MOST_THREADS + 1, 2.0, "2", True])
def test_threads_that_no_machine_has_are_refused(threads: Any, run: Run):
    assert run.threads is None
    (run.path / "environment.json").write_text(json.dumps({"threads": threads}))
    with pytest.raises(UserError, match=rf"damaged: threads is not 1 to {machine.MOST_THREADS}; retrain"):
        _ = run.threads


def test_a_curve_whose_columns_differ_in_length_or_that_is_of_another_metric_is_refused(run: Run):
    values = {"shift": [0, 1, 2], "accuracy": [0.9, 0.5, 0.1], "accuracy_stderr": [0.1, 0.1, 0.1]}
    curve = {"split": "validation", "metric": "accuracy", **values}
    (run.path / "analysis").mkdir()
    for changes in ({"accuracy": [0.9, 0.5]}, {"metric": "mse"}, {"accuracy_stderr": None}):
        (run.path / "analysis/shift.json").write_text(json.dumps({**curve, **changes}))
        with pytest.raises(UserError, match=r"damaged"):
            run.robustness("shift")
    (run.path / "analysis/shift.json").write_text(json.dumps(curve))
    assert run.robustness("shift") == curve


def test_snapshots_are_named_after_epochs_and_no_more_than_a_page_can_use(tmp_path: Path):
    from safetensors.numpy import save_file

    def refusal(names: list[str]) -> str:
        save_file({f"{name}/w": np.zeros(1, np.float32) for name in names}, tmp_path / snapshots.SNAPSHOTS)
        with pytest.raises(UserError) as error:
            snapshots.read(RunFolder(tmp_path), {"w": (1,)})
        return str(error.value)

    assert "damaged: its arrays are not named after epochs" in refusal(["1"])
    assert "damaged: its arrays are not named after epochs" in refusal(["00000x"])
    assert "damaged: its arrays are not named after epochs" in refusal(
        [f"{epoch:06d}" for epoch in range(snapshots.MOST_SNAPSHOTS + 2)]
    )
    for epoch in range(snapshots.MOST_SNAPSHOTS + 3):
        (tmp_path / f"snapshots-{epoch:06d}.safetensors").write_bytes(b"")
    assert f"damaged: there are {snapshots.MOST_SNAPSHOTS + 4} files of snapshots" in refusal(["000001"])


@pytest.mark.parametrize(
    ("content", "remedy"), [("config.yaml", "or resume it with `mlphys resume out`"), ("mine.txt", "or remove it")]
)
def test_a_folder_that_holds_something_is_not_overwritten_by_a_run(content: str, remedy: str, run: Run):
    Path("out").mkdir()
    (Path("out") / content).write_text("mine")
    with pytest.raises(
        UserError, match="out: exists and is not empty; a run is never overwritten: name another --out"
    ) as error:
        create("small", Path("out"))
    assert str(error.value).endswith(remedy)
    assert (Path("out") / content).read_text() == "mine"


def test_a_run_is_found_by_its_path_or_name_and_without_one_the_newest_that_is_finished(run: Run):
    assert find("small").path == find(str(run.path)).path == find(None).path == run.path
    with pytest.raises(UserError, match=r"no such run, neither as a folder nor under runs/; .*; did you mean small\?"):
        find("smal")
    with pytest.raises(UserError, match=r"no unfinished run under runs/; name the run, or the study"):
        newest_unfinished()
    RunWriter(run.path).status("interrupted")
    assert newest_unfinished().path == run.path
    with pytest.raises(UserError, match=r"no finished run under runs/; `mlphys train CONFIG` makes one"):
        find(None)
    with pytest.raises(UserError, match=r"is not finished \(interrupted, .*`mlphys resume .*` continues it"):
        finished(Run(run.path))


def test_a_run_that_is_being_trained_is_not_measured(run: Run):
    RunWriter(run.path).status("running")
    with atomic.locked(run.path, "run"), pytest.raises(UserError, match=r"is being trained now \(.* epochs so far\)"):
        finished(Run(run.path))


def test_data_that_are_found_by_their_name_take_no_path_and_missing_files_are_named(run: Run):
    with pytest.raises(UserError, match=r"--data: digits is located by its name; leave --data out"):
        run.dataset("somewhere.npz")
    np.savez("own.npz", x=np.random.default_rng(0).random((40, 3)), y=np.arange(40) % 2)
    Path("own.yaml").write_text(
        "name: own\ndata: {name: array, path: own.npz, train: 20, validation: 10, test: 10}\n"
        "model: {kind: classifier, layers: [{Dense: {units: 2, activation: softmax}}]}\n"
    )
    path = fake_run.write(Path("own.yaml"))
    facts = json.loads((path / "data.json").read_text())
    facts["files"] = [{"path": "own.npz", "size": 1, "sha256": "0" * 64}]
    (path / "data.json").write_text(json.dumps(facts))
    Path("own.npz").unlink()
    with pytest.raises(UserError, match=r"own.npz: no such file any more; give its new path"):
        Run(path).dataset()


def test_of_a_study_a_member_is_to_be_named(run: Run):
    Path("runs/several/1").mkdir(parents=True)
    Path("runs/several/1/study.json").write_text("{}")
    with pytest.raises(UserError, match=r"runs/several/1: is a study of many runs; name one of them, such as"):
        find("runs/several/1")
