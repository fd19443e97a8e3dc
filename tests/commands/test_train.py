"""Runs through the commands: trained, interrupted, resumed, evaluated, checked, drawn; on real digits."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from mlphys import machine
from mlphys.cli import main
from mlphys.config.experiment import PLOTS
from mlphys.io import atomic
from mlphys.schema.document import dump, read
from tests.helpers.cli import mlphys, refused
from tests.helpers.corrupt_checkpoint import rewrite
from tests.helpers.fake_disk import Disk, Operation
from tests.helpers.waiting import ended, killed_if_stuck

SMALL = {
    "name": "small",
    "data": {"name": "digits", "train": 300, "validation": 100, "test": 200},
    "model": {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]},
    "training": {"optimizer": {"Adam": {"learning_rate": 0.02}}, "epochs": 3, "batch_size": 30},
    "plots": ["learning_curves"],
    "expect": {"test.accuracy": [0.5, 1.0]},
}
# whose steps TensorFlow computes, with a last one that is smaller
CONVOLUTIONS = {
    **SMALL,
    "model": {
        "kind": "classifier",
        "layers": [
            {"Conv2D": {"filters": 4, "kernel_size": 3, "activation": "relu"}},
            {"MaxPooling2D": {"pool_size": 2}},
            "Flatten",
            {"Dropout": {"rate": 0.1}},
            {"Dense": {"units": 10, "activation": "softmax"}},
        ],
    },
    "training": {**SMALL["training"], "batch_size": 32},
}


def history(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "history.csv").read_text().splitlines()))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, with small.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(dump(SMALL))
    return tmp_path


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    """A folder in which small.yaml was trained and evaluated; tests copy it."""
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("small.yaml").write_text(dump(SMALL))
        mlphys("train", "small.yaml")
        mlphys("evaluate")
    return path


@pytest.fixture
def trained(trained_once, tmp_path, monkeypatch) -> Path:
    """The run directory runs/small/1, trained and evaluated, in a working folder of its own."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("runs/small/1")


def test_a_run_leaves_every_file_of_the_contract(trained):
    files = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert {
        "config.yaml", "environment.json", "data.json", "status.json", "history.csv", "weights.safetensors",
        "metrics.json", "predictions_validation.npz", "predictions_test.npz", "samples.npz", "report.html",
        "figures/learning_curves.png", "figures/learning_curves.csv",
    } <= files  # fmt: skip
    assert json.loads((trained / "status.json").read_text()) == {
        "state": "done", "phase": "train", "epochs": 3, "best_epoch": 3, "stopped": "epochs",
    }  # fmt: skip
    rows = history(trained)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert list(rows[0]) == [
        "phase", "epoch", "seconds", "loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate",
    ]  # fmt: skip
    assert set(json.loads((trained / "metrics.json").read_text())) == {"validation", "test"}


def test_the_metrics_are_those_of_the_stored_predictions(trained):
    metrics = json.loads((trained / "metrics.json").read_text())["test"]
    with np.load(trained / "predictions_test.npz") as predictions:
        guesses, labels = predictions["probabilities"].argmax(axis=1), predictions["labels"]
        assert metrics["samples"] == len(labels) == 200
        assert metrics["accuracy"] == pytest.approx((guesses == labels).mean())
        assert metrics["loss"] == pytest.approx(predictions["losses"].mean(), rel=1e-6)
        shown = predictions["shown"]
        mistaken = guesses[shown] != labels[shown]
        assert mistaken.tolist() == [True] * mistaken.sum() + [False] * 10
        assert labels[shown[-10:]].tolist() == list(range(10))
        assert predictions["images"].shape == (len(shown), 8, 8, 1)


def test_the_completed_config_of_a_run_trains_to_the_same_bytes(trained):
    mlphys("train", trained / "config.yaml", "--quiet")
    assert (trained / "weights.safetensors").read_bytes() == Path("runs/small/2/weights.safetensors").read_bytes()


def test_another_seed_gives_another_net_on_the_same_test_samples(trained):
    mlphys("train", "small.yaml", "--seed", 1, "--quiet")
    mlphys("evaluate", "small/2", "--no-plots")
    first, second = (json.loads(Path(f"runs/small/{n}/data.json").read_text()) for n in (1, 2))
    assert first == second
    assert (trained / "weights.safetensors").read_bytes() != Path("runs/small/2/weights.safetensors").read_bytes()


def test_evaluate_without_a_name_takes_the_finished_run_that_started_last(trained):
    shutil.copytree(trained, "runs/small/2")
    status = Path("runs/small/2/status.json")
    status.write_text(status.read_text().replace("done", "running"))
    assert mlphys("evaluate", "--no-plots").startswith("small/1: test, 200 samples\n  accuracy ")


def test_evaluate_prints_json_for_machines(trained):
    printed = json.loads(mlphys("evaluate", "--json", "--split", "validation", "--no-plots"))
    assert printed == json.loads((trained / "metrics.json").read_text())["validation"]


def test_check_compares_the_metrics_of_a_class(trained):
    recall = json.loads((trained / "metrics.json").read_text())["test"]["per_class"]["3"]["recall"]
    whole = (trained / "config.yaml").read_text()
    for low, code in ((0.0, 0), (recall + 0.01, 2)):
        expected = whole.replace("test.accuracy: [0.5, 1.0]", f"test.per_class.3.recall: [{low}, 2.0]")
        (trained / "config.yaml").write_text(expected)
        assert f"test.per_class.3.recall {recall:.4f}" in " ".join(mlphys("check", code=code).split())


def test_check_holds_a_run_against_its_config(trained):
    assert "test.accuracy" in mlphys("check")
    config = trained / "config.yaml"
    config.write_text(config.read_text().replace("[0.5, 1.0]", "[0.0, 0.01]"))
    assert "mlphys: outside the expected range: runs/small/1: test.accuracy" in refused("check")
    (trained / "metrics.json").unlink()
    assert refused("check").startswith(
        "mlphys: runs/small/1: nothing is measured on test yet; `mlphys evaluate runs/small/1 --split test` does"
    )


def test_plot_draws_in_every_format(trained):
    shutil.rmtree(trained / "figures")
    output = mlphys("plot", "--only", "filters,learning_curves", "--format", "png,pdf,svg")
    assert "filters.png" in output
    names = {path.name for path in (trained / "figures").iterdir()}
    for name in ("filters", "learning_curves"):
        assert {f"{name}.png", f"{name}.pdf", f"{name}.svg", f"{name}.csv"} <= names


def test_plot_filters_draws_the_filters_alone(trained):
    shutil.rmtree(trained / "figures")
    mlphys("plot-filters")
    assert {path.stem.partition("_")[0] for path in (trained / "figures").iterdir()} == {"filters"}


def test_an_interrupted_run_says_so_and_resumes_to_the_same_bytes(folder):
    """Ctrl-C in the second epoch, by a real signal to a real process."""
    Path("small.yaml").write_text(dump(CONVOLUTIONS))
    mlphys("train", "small.yaml", "--out", "whole", "--quiet")
    script = (
        "import os, signal, sys; from mlphys.cli import main; from mlphys.training.loop import PhaseInTraining as P\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # as at a terminal\n"
        "train = P.train\n"
        "def interrupted(self, epoch):\n"
        "    if epoch == 2: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return train(self, epoch)\n"
        "P.train = interrupted; main(['train', 'small.yaml'])\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert process.returncode == 130
    assert process.stderr.strip().splitlines()[-1] == (
        "mlphys: interrupted; `mlphys resume runs/small/1` resumes after the last complete epoch"
    )
    assert json.loads(Path("runs/small/1/status.json").read_text())["state"] == "interrupted"
    measured = mlphys("evaluate", "small", "--split", "validation", "--no-plots")
    assert (
        "its training was interrupted: weights of epoch 1, the last saved one; `mlphys resume runs/small/1`" in measured
    )
    last_row = history(Path("runs/small/1"))[-1]
    metrics = json.loads(Path("runs/small/1/metrics.json").read_text())["validation"]
    assert metrics["accuracy"] == pytest.approx(float(last_row["validation_accuracy"]), abs=1e-6)
    assert "learning_curves.png" in mlphys("plot", "small", "--only", "learning_curves")
    assert "run runs/small/1: resuming after epoch 1, from checkpoints/000001.safetensors\n" in mlphys("resume")
    assert refused("resume").startswith("mlphys: no unfinished run under runs/; name the run")
    assert Path("whole/weights.safetensors").read_bytes() == Path("runs/small/1/weights.safetensors").read_bytes()
    whole, resumed = ([{**row, "seconds": ""} for row in history(Path(run))] for run in ("whole", "runs/small/1"))
    assert whole == resumed


def test_a_finished_run_is_trained_longer_and_only_longer(trained):
    assert refused("resume", "small") == (
        "mlphys: runs/small/1: its training is finished; "
        "`mlphys resume runs/small/1 --set training.epochs=6` trains longer\n"
    )
    assert refused("resume", "small", "--set", "training.batch_size=10").startswith(
        "mlphys: runs/small/1: cannot resume with another config (training.batch_size changed); "
    )
    mlphys("resume", "small", "--set", "training.epochs=5")
    mlphys("train", "small.yaml", "--set", "training.epochs=5", "--set", "plots=[]", "--out", "five", "--quiet")
    assert (trained / "weights.safetensors").read_bytes() == Path("five/weights.safetensors").read_bytes()


def test_training_longer_drops_what_was_measured_of_the_shorter(trained):
    mlphys("resume", "small", "--set", "training.epochs=4")
    assert set(json.loads((trained / "metrics.json").read_text())) == {"validation"}
    assert not (trained / "predictions_test.npz").exists()
    assert json.loads((trained / "status.json").read_text())["epochs"] == 4


def test_an_early_stopped_run_is_not_trained_longer(folder):
    mlphys("train", "small.yaml", "--quiet", "--set", "training.early_stopping={monitor: accuracy, target: 0.01}")
    assert refused("resume", "small", "--set", "training.epochs=50") == (
        "mlphys: runs/small/1: its training stopped early after 1 epochs; retrain with a larger patience\n"
    )


def unfinished(run: Path, state: str) -> Path:
    """status.json, made that of a run whose process was killed."""
    status = run / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": state, "stopped": None}))
    return status


def test_an_interrupted_run_is_not_cut_shorter(trained):
    status = unfinished(trained, "interrupted")
    assert refused("resume", "small", "--set", "training.epochs=2") == (
        "mlphys: runs/small/1: 3 epochs are trained already; set training.epochs no lower\n"
    )
    mlphys("resume", "small")
    assert json.loads(status.read_text())["epochs"] == 3


def test_with_all_checkpoints_damaged_training_starts_over_and_keeps_its_new_ones(trained):
    before = (trained / "weights.safetensors").read_bytes()
    for path in (trained / "checkpoints").iterdir():
        path.write_bytes(b"torn")
    (trained / "checkpoints" / "000009.safetensors").write_bytes(b"torn")
    assert refused("resume", "small", "--set", "training.epochs=5") == (
        "mlphys: runs/small/1: no checkpoint is left to resume from; retrain it\n"
    )
    unfinished(trained, "running")
    printed = mlphys("resume", "small")
    assert (
        "run runs/small/1: no checkpoint to resume from; starting over "
        "(unusable: 000009.safetensors, damaged; 000003.safetensors, damaged" in printed
    )
    assert (trained / "weights.safetensors").read_bytes() == before
    assert max(path.name for path in (trained / "checkpoints").iterdir()) == "000003.safetensors"


def test_a_resume_under_other_versions_is_refused_by_their_names(trained):
    unfinished(trained, "interrupted")
    path, now = trained / "checkpoints" / "000003.safetensors", machine.versions()
    assert list(now) == ["mlphys", "tensorflow", "keras", "numpy", "llvmlite"]
    rewrite(path, lambda facts: facts["fingerprints"].update(keras="3.1.0", numpy="2.0.0"))
    assert refused("resume", "small") == (
        "mlphys: runs/small/1: its checkpoints were made with keras 3.1.0, numpy 2.0.0, "
        f"installed is keras {now['keras']}, numpy {now['numpy']}, which may give other numbers; "
        "`pip install keras==3.1.0 numpy==2.0.0` to resume, or retrain it\n"
    )


@pytest.mark.parametrize("name", ["config", "data", "mlphys", "tensorflow", "keras", "numpy", "llvmlite"])
def test_a_checkpoint_without_one_of_its_fingerprints_is_refused(trained, name):
    unfinished(trained, "interrupted")
    rewrite(trained / "checkpoints" / "000003.safetensors", lambda facts: facts["fingerprints"].pop(name))
    printed = {
        "config": "its checkpoints belong to another config or other data; retrain it\n",
        "data": "its checkpoints belong to another config or other data; retrain it\n",
    }.get(name, f"its checkpoints were made with {name} (not recorded), installed is {name} ")
    assert refused("resume", "small").startswith(f"mlphys: runs/small/1: {printed}")


def test_a_resume_by_another_backend_is_refused(trained):
    unfinished(trained, "interrupted")
    path = trained / "environment.json"
    environment = json.loads(path.read_text())
    assert environment["engine"]["native"] == ["train"]
    environment["engine"]["native"] = []
    path.write_text(json.dumps(environment))
    assert refused("resume", "small") == (
        "mlphys: runs/small/1: its steps (train) were taken by TensorFlow, here they would be taken by machine code, "
        "with other last digits; resume it where it was begun, with the mlphys of environment.json, or retrain it\n"
    )


def test_a_changed_history_is_not_trained_over(trained):
    unfinished(trained, "interrupted")
    path = trained / "history.csv"
    content = path.read_text()
    path.write_text(content.replace(",", ";"))  # a spreadsheet saved it
    assert refused("resume", "small") == (
        "mlphys: runs/small/1: its checkpoints belong to another history.csv; "
        "put back the one that training wrote, or retrain it\n"
    )
    path.write_text(content)
    mlphys("resume", "small", "--quiet")


def test_a_run_killed_before_it_had_its_config_leaves_its_folder_free(folder):
    Path("here").mkdir()
    for name in ("data.json", ".config.yaml.ab12_xyz"):
        Path("here", name).write_text("{")
    mlphys("train", "small.yaml", "--out", "here", "--resume", "--quiet", "--set", "training.epochs=0")
    assert not Path("here", ".config.yaml.ab12_xyz").exists()
    Path("mine").mkdir()
    Path("mine", "data.json.bak").write_text("{")
    assert refused("train", "small.yaml", "--out", "mine") == (
        "mlphys: mine: exists and is not empty; a run is never overwritten: name another --out, or remove it\n"
    )


def test_a_hidden_file_of_the_user_outlasts_a_resume(trained):
    (trained / ".gitignore").write_text("*.npz\n")
    unfinished(trained, "interrupted")
    mlphys("resume", "small", "--quiet")
    assert (trained / ".gitignore").read_text() == "*.npz\n"


def test_train_resume_starts_over_when_there_is_no_checkpoint_yet(trained):
    shutil.rmtree(trained / "checkpoints")
    before = (trained / "weights.safetensors").read_bytes()
    status = trained / "status.json"
    status.write_text(status.read_text().replace("done", "running"))
    assert "1: no checkpoint to resume from; starting over\n" in mlphys("train", "small.yaml", "--resume")
    assert (trained / "weights.safetensors").read_bytes() == before
    assert [row["epoch"] for row in history(trained)] == ["1", "2", "3"]


def test_train_resume_refuses_another_config(trained):
    status = trained / "status.json"
    status.write_text(status.read_text().replace("done", "interrupted"))
    assert refused("train", "small.yaml", "--resume", "--set", "training.batch_size=16") == (
        "mlphys: runs/small/1: was trained with another config (training.batch_size changed); "
        "leave --resume out to start a new run\n"
    )


def test_a_run_that_diverges_keeps_its_good_weights(folder):
    layers = "[Flatten, {Dense: {units: 10}}]"
    message = refused(
        "train", "small.yaml", "--set", f"model.layers={layers}", "--set", "training.loss=mean_squared_error",
        "--set", "training.optimizer={SGD: {learning_rate: 100.0}}", "--set", "training.epochs=200",
    )  # fmt: skip
    told = re.sub(r"up to \S+,", "up to SIZE,", message)
    assert told == (
        "run runs/small/1\n"
        "mlphys: runs/small/1: the loss is not finite any more in epoch 1, step 10 of 10, at learning rate 100: "
        "all outputs are finite, up to SIZE, and their loss is not; "
        "try a smaller learning_rate (such as 10), or clipnorm: 1 in the optimizer; "
        "the weights of the last finite epoch are saved\n"
    )
    status = json.loads(Path("runs/small/1/status.json").read_text())
    assert status["state"] == "diverged"
    weights = load_file("runs/small/1/weights.safetensors")
    assert all(np.isfinite(value).all() for value in weights.values())


def test_zero_epochs_build_save_and_plot_an_untrained_net(folder):
    mlphys("train", "small.yaml", "--set", "training.epochs=0", "--set", "plots=[filters]")
    mlphys("evaluate")
    assert Path("runs/small/1/figures/filters.png").exists()
    assert 0 < json.loads(Path("runs/small/1/metrics.json").read_text())["test"]["accuracy"] < 0.4


def test_without_validation_samples_there_are_no_validation_numbers(folder):
    mlphys("train", "small.yaml", "--set", "data.validation=0")
    assert "validation_loss" not in history(Path("runs/small/1"))[0]
    assert not Path("runs/small/1/metrics.json").exists()
    mlphys("evaluate")


def test_quiet_prints_the_run_s_path_for_a_script_and_nothing_else(folder):
    assert mlphys("train", "small.yaml", "--quiet") == "runs/small/1\n"


def test_a_run_that_another_process_trains_is_left_alone(trained):
    with atomic.locked(trained):
        assert refused("resume", "small", "--set", "training.epochs=5") == (
            "mlphys: runs/small/1: another process trains this run; wait for it, or stop it\n"
        )
    mlphys("resume", "small", "--set", "training.epochs=4")


def test_a_pipe_among_the_checkpoints_is_passed_over(trained):
    os.mkfifo(trained / "checkpoints" / "000999.safetensors")
    printed = mlphys("resume", "small", "--set", "training.epochs=4")
    assert (
        "resuming after epoch 3, from checkpoints/000003.safetensors (unusable: 000999.safetensors, damaged)" in printed
    )


def test_weights_that_are_not_finite_are_refused(trained):
    weights = load_file(trained / "weights.safetensors")
    weights["layers.1.Dense.bias"][3] = np.nan
    save_file(weights, trained / "weights.safetensors")
    assert refused("evaluate") == (
        "mlphys: runs/small/1/weights.safetensors: holds values that are not finite; retrain the experiment\n"
    )


def test_a_log_that_is_closed_leaves_a_run_that_goes_on(trained):
    shutil.rmtree(trained)
    script = "from mlphys.cli import main; main(['train', 'small.yaml', '--set', 'training.epochs=20000'])"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    with killed_if_stuck(process):
        process.stdout.readline()
        process.stdout.close()
        printed = process.stderr.read()
    process.stderr.close()
    assert ended(process, "a training without a reader of its log to end") == 130
    assert "mlphys: interrupted; `mlphys resume runs/small/1` resumes after the last complete epoch" in printed
    assert json.loads((trained / "status.json").read_text())["state"] == "interrupted"


def test_an_existing_out_is_not_overwritten(trained):
    before = (trained / "weights.safetensors").read_bytes()
    assert refused("train", "small.yaml", "--out", trained) == (
        "mlphys: runs/small/1: exists and is not empty; a run is never overwritten: "
        "name another --out, remove it, or resume it with `mlphys resume runs/small/1`\n"
    )
    assert (trained / "weights.safetensors").read_bytes() == before


def test_an_out_below_a_file_cannot_be_written(folder):
    assert refused("train", "small.yaml", "--out", "small.yaml/run") == (
        "mlphys: small.yaml/run: cannot be written: Not a directory; write to another place\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_named(folder):
    folder.chmod(0o500)
    assert "cannot be written: Permission denied; change its permissions" in refused("train", "small.yaml")
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("step", "file"),
    [
        ("write history.csv", "history.csv"),
        ("write checkpoints/.000001.safetensors.~", "checkpoints/000001.safetensors"),
        ("create .weights.safetensors.~", "weights.safetensors"),
    ],
)
def test_a_disk_that_is_full_from_a_step_on_ends_with_one_message_and_a_run_that_goes_on(trained, step, file):
    full = []

    def failing(operation: Operation) -> None:
        full.extend([True] if str(operation) == step else [])
        if full and operation.kind in ("create", "write", "mkdir", "replace"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Disk(Path("run"), failing, half=True):
        assert refused("train", "small.yaml", "--out", "run", "--quiet") == (
            f"mlphys: run/{file}: cannot be written: No space left on device; "
            "free some space, or write to another place; then `mlphys resume run` continues it\n"
        )
    mlphys("resume", "run", "--quiet")
    assert Path("run/weights.safetensors").read_bytes() == (trained / "weights.safetensors").read_bytes()
    whole, resumed = ([{**row, "seconds": ""} for row in history(path)] for path in (trained, Path("run")))
    assert whole == resumed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere: no such run, neither as a folder nor under runs/; runs there are: small"),
        (
            "smal",
            "smal: no such run, neither as a folder nor under runs/; runs there are: small; did you mean small?",
        ),
    ],
)
def test_a_run_that_does_not_exist_is_refused(trained, name, message):
    assert refused("evaluate", name) == f"mlphys: {message}\n"


def test_without_any_run_the_way_to_one_is_reported(folder):
    assert refused("evaluate") == "mlphys: no finished run under runs/; `mlphys train CONFIG` makes one\n"
    assert refused("plot-filters", "small") == (
        "mlphys: small: no such run, neither as a folder nor under runs/; there are no runs yet\n"
    )


@pytest.mark.parametrize("file", ["weights.safetensors", "data.json", "config.yaml", "metrics.json", "history.csv"])
@pytest.mark.parametrize("harm", ["truncated", "garbage", "a folder", "a pipe"])
def test_a_damaged_run_is_refused_by_the_name_of_the_file(trained, file, harm):
    path = trained / file
    content = path.read_bytes()
    path.unlink()
    if harm == "truncated":
        path.write_bytes(content[: len(content) // 3])
    elif harm == "garbage":
        path.write_bytes(b"\x00\xff garbage [")
    elif harm == "a folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    command = ("plot",) if file == "history.csv" else ("evaluate",)
    result = CliRunner().invoke(main, [*command, "runs/small/1"])
    assert result.exit_code == 2 or (harm == "truncated" and file == "history.csv"), result.output
    assert "Traceback" not in result.output
    assert file in result.output or result.exit_code == 0


def test_weights_of_another_shape_are_refused(trained):
    weights = load_file(trained / "weights.safetensors")
    weights["layers.1.Dense.bias"] = np.zeros(11, np.float32)
    save_file(weights, trained / "weights.safetensors")
    assert refused("evaluate") == (
        "mlphys: runs/small/1/weights.safetensors: does not fit config.yaml: layers.1.Dense.bias has shape (11,), "
        "the config says (10,); retrain the experiment\n"
    )


def test_data_that_changed_since_the_training_is_refused(folder):
    rng = np.random.default_rng(0)
    x, y = rng.random((300, 8, 8), dtype=np.float32), np.arange(300) % 10
    np.savez("mine.npz", x=x, y=y)
    config = read(Path("small.yaml")).data | {"data": {"name": "array", "path": "mine.npz"}}
    Path("mine.yaml").write_text(dump(config | {"name": "mine", "plots": []}))
    mlphys("train", "mine.yaml", "--quiet", "--set", "training.epochs=0")
    Path("elsewhere").mkdir()
    shutil.move("mine.npz", "elsewhere/mine.npz")
    assert "mine.npz: no such file any more; give its new path with --data PATH" in refused("evaluate", "mine")
    mlphys("evaluate", "mine", "--data", "elsewhere/mine.npz")
    np.savez("mine.npz", x=x + 1, y=y)
    assert "mine.npz: not the file that the run was trained with" in refused("evaluate", "mine")
    assert "--data: digits is located by its name" in refused_for_digits()


def refused_for_digits() -> str:
    """The message for --data with a dataset that has no file of the user's."""
    mlphys("train", "small.yaml", "--quiet", "--set", "training.epochs=0", "--set", "plots=[]")
    return refused("evaluate", "small", "--data", "x.npz")


OTHER_KINDS = {
    "autoencoder": {
        "data": {"name": "digits", "train": 100, "validation": 40, "test": 40},
        "model": {
            "kind": "autoencoder",
            "encoder": [{"Dense": {"units": 3, "activation": "relu"}}, {"GaussianNoise": {"stddev": 0.1}}],
            "decoder": [{"Dense": {"units": 64, "activation": "sigmoid"}}],
        },
        "training": {"loss": "binary_crossentropy", "epochs": 3, "batch_size": 25},
        "plots": ["reconstructions", "latent"],
    },
    "regressor": {
        "data": {"name": "function_1d", "function": "absolute", "samples": 100},
        "model": {
            "kind": "regressor",
            "layers": [{"Dense": {"units": 3, "activation": "tanh"}}, {"Dense": {"units": 1}}],
        },
        "training": {"epochs": 3},
        "plots": ["learning_curves"],
    },
}


@pytest.mark.usefixtures("few_images")
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_the_other_kinds_are_trained_resumed_to_the_same_bytes_evaluated_and_drawn(folder, kind):
    Path("other.yaml").write_text(dump({"name": "other", **OTHER_KINDS[kind]}))
    mlphys("train", "other.yaml", "--out", "whole", "--quiet", "--set", "plots=[]")
    mlphys("train", "other.yaml", "--out", "half", "--quiet", "--set", "training.epochs=2")
    mlphys("resume", "half", "--set", "training.epochs=3", "--quiet")
    assert Path("whole/weights.safetensors").read_bytes() == Path("half/weights.safetensors").read_bytes()
    printed = mlphys("evaluate", "half")
    assert "  mse  " in printed
    assert "always the mean" in printed
    for picture in OTHER_KINDS[kind]["plots"]:
        assert Path("half/figures", f"{picture}.png").exists()
    # Every picture is drawn, or tells in a line why it cannot be.
    mlphys("plot", "half", "--only", ",".join(PLOTS))


def test_chosen_distorted_weighted_classes_are_trained_resumed_to_the_same_bytes_and_evaluated(folder):
    data = SMALL["data"] | {"classes": [3, 8], "imbalance": {8: 0.3}, "train": 100, "validation": 30, "test": 30}
    layers = [{"Dropout": {"rate": 0.1}}, {"Dense": {"units": 2, "activation": "softmax"}}]
    config = SMALL | {
        "data": data | {"preprocess": ["standardize", {"project": 0.8}]},
        "model": {"kind": "classifier", "layers": layers},
        "training": {
            "epochs": 3, "steps_per_epoch": 5, "class_weight": "balanced",
            "augmentation": {"rotation": 10, "shift": 1, "noise": 0.1},
        },
        "plots": ["confusion_matrix"],
    }  # fmt: skip
    Path("two.yaml").write_text(dump(config))
    mlphys("train", "two.yaml", "--out", "whole", "--quiet", "--set", "plots=[]")
    mlphys("train", "two.yaml", "--out", "half", "--quiet", "--set", "training.epochs=1")
    mlphys("resume", "half", "--set", "training.epochs=3", "--quiet")
    assert Path("whole/weights.safetensors").read_bytes() == Path("half/weights.safetensors").read_bytes()
    mlphys("evaluate", "half")
    counts = json.loads(Path("half/data.json").read_text())["splits"]["train"]["class_counts"]
    assert list(counts) == ["3", "8"]
    assert counts["8"] / counts["3"] == pytest.approx(0.3, abs=0.05)
    assert Path("half/figures/confusion_matrix.png").exists()
