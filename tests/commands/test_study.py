"""Studies through the commands: seeds, grids and folds of real trainings, interrupted, damaged, resumed."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlphys.schema.document import dump
from tests.helpers.cli import mlphys, reason
from tests.helpers.waiting import ended, until

SMALL = {
    "name": "small",
    "data": {"name": "digits", "train": 200, "validation": 50, "test": 50},
    "model": {
        "kind": "classifier",
        "layers": [
            "Flatten",
            {"Dense": {"units": 8, "activation": "relu"}},
            {"Dense": {"units": 10, "activation": "softmax"}},
        ],
    },
    "training": {"optimizer": {"SGD": {"learning_rate": 0.1}}, "batch_size": 20, "epochs": 2},
    "plots": ["learning_curves"],
}
RATES = "training.optimizer.SGD.learning_rate=[0.0001,0.3]"
HERE = ("--workers", 0, "--threads", 1)
SAME = ("weights.safetensors", "metrics.json", "predictions_validation.npz")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(dump(SMALL))
    return tmp_path


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    """A folder with two studies of small.yaml, one of seeds and one of a grid; tests copy it."""
    path = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("small.yaml").write_text(dump(SMALL))
        (path / "seeds.txt").write_text(mlphys("train", "small.yaml", "--seeds", 2, "--out", "seeds", *HERE))
        (path / "grid.txt").write_text(mlphys("sweep", "small.yaml", "--grid", RATES, *HERE))
    return path


@pytest.fixture
def trained(trained_once, tmp_path, monkeypatch) -> Path:
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def facts(study: str) -> dict:
    return json.loads(Path(study, "study.json").read_text())


def alone(*arguments: object) -> dict[str, bytes]:
    """What `mlphys train` writes with the same number of threads."""
    mlphys("train", "small.yaml", "--threads", 1, "--quiet", "--out", "alone", *arguments)
    return {name: Path("alone", name).read_bytes() for name in SAME}


def bytes_of(run: str, names: tuple[str, ...] = SAME) -> dict[str, bytes]:
    return {name: Path(run, name).read_bytes() for name in names}


def test_members_of_seeds_are_runs_with_the_bytes_of_a_training_alone_and_are_evaluated_on_test(trained):
    found = facts("seeds")
    assert [member["state"] for member in found["members"]] == ["done", "done"]
    assert (found["seeds"], found["evaluated"], found["threads"]) == ([0, 1], "test", 1)
    mlphys("train", "small.yaml", "--threads", 1, "--quiet", "--seed", 1, "--out", "alone")
    mlphys("evaluate", "alone", "--no-plots")
    names = (*SAME, "predictions_test.npz", "samples.npz")
    assert bytes_of("seeds/members/2", names) == bytes_of("alone", names)
    assert json.loads(Path("seeds/members/2/metrics.json").read_text()).keys() == {"validation", "test"}
    assert "test accuracy" in Path("seeds.txt").read_text()
    assert "fewer than 3 seeds: no verdict" in Path("seeds.txt").read_text()
    assert "learning_curves" in mlphys("plot", "seeds/members/2")


def test_members_of_a_grid_are_measured_on_validation_and_the_best_is_evaluated_by_a_command(trained):
    found = facts("runs/small/1")
    assert found["evaluated"] == "validation"
    assert all(member["metrics"].keys() == {"validation"} for member in found["members"])
    assert alone("--set", "training.optimizer.SGD.learning_rate=0.3") == bytes_of("runs/small/1/members/2")
    rows = list(csv.DictReader(Path("runs/small/1/summary.csv").read_text().splitlines()))
    assert [row["training.optimizer.SGD.learning_rate"] for row in rows] == ["0.0001", "0.3"]
    said = Path("grid.txt").read_text()
    assert "best on validation, where it was chosen: training.optimizer.SGD.learning_rate=0.3" in said
    assert "next: mlphys evaluate runs/small/1/members/2" in said


def test_a_study_with_nothing_left_says_what_it_says(trained):
    assert mlphys("resume", "small").splitlines()[:2] == Path("grid.txt").read_text().splitlines()[3:5]


def test_a_member_that_is_gone_is_trained_to_the_same_bytes(trained):
    before = bytes_of("seeds/members/1")
    shutil.rmtree("seeds/members/1")
    assert "seeds/members/1: gone; member 1 (seed=0) is retrained" in mlphys("resume", "seeds", "--workers", 0)
    assert bytes_of("seeds/members/1") == before


def test_a_damaged_member_fails_with_the_name_of_its_file_and_is_not_written_over(trained):
    content = facts("seeds")
    content["members"][0]["state"] = "interrupted"
    Path("seeds/study.json").write_text(json.dumps(content))
    Path("seeds/members/1/status.json").write_text("{")
    said = mlphys("resume", "seeds", "--workers", 0)
    assert "failed members are tried again by mlphys resume seeds --retry" in said
    assert "status.json: damaged" in facts("seeds")["members"][0]["reason"]
    assert Path("seeds/members/1/status.json").read_text() == "{"


def begun_elsewhere(**environment: object) -> None:
    """Let member 1 of the study of seeds be under way, with another environment than it had."""
    content = facts("seeds")
    content["members"][0]["state"] = "interrupted"
    Path("seeds/study.json").write_text(json.dumps(content))
    for name, changes in (("status", {"state": "interrupted"}), ("environment", environment)):
        path = Path(f"seeds/members/1/{name}.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_member_is_continued_where_processor_versions_and_threads_are_the_same(trained):
    before = bytes_of("seeds/members/1")
    begun_elsewhere()
    assert "continued from checkpoint 000002.safetensors" in mlphys("resume", "seeds", "--workers", 0)
    assert bytes_of("seeds/members/1") == before
    assert facts("seeds")["members"][0]["moved"] == "continued from checkpoint 000002.safetensors"


@pytest.mark.parametrize(
    ("environment", "reason_"),
    [
        ({"cpu": "Abacus"}, "its checkpoint was made by another processor, Abacus; here it is "),
        ({"threads": 3}, "its checkpoint was made with 3 threads; here they are 1"),
        ({"accelerators": ["GPU:0"]}, "its checkpoint was made with other accelerators"),
        (
            {"engine": {"native": []}},
            "its steps (train) were taken by TensorFlow, here they would be taken by machine code",
        ),
    ],
)
def test_elsewhere_it_is_trained_from_its_start_to_the_bytes_of_this_machine(trained, environment, reason_):
    before = bytes_of("seeds/members/1")
    begun_elsewhere(**environment)
    mlphys("resume", "seeds", "--workers", 0, "--quiet")
    assert facts("seeds")["members"][0]["moved"].startswith(f"trained from its start: {reason_}")
    assert bytes_of("seeds/members/1") == before
    assert json.loads(Path("seeds/members/1/environment.json").read_text())["threads"] == 1


def test_the_same_command_with_resume_finds_its_study_and_refuses_another(trained):
    again = ("sweep", "small.yaml", "--grid", RATES, *HERE, "--resume")
    assert "2 members, 2 done" in mlphys(*again)
    assert not Path("runs/small/2").exists()
    assert reason(*again, "--seeds", 2) == (
        "runs/small/1: is a study of another config or other members; leave --resume out"
    )


def test_a_member_that_diverges_is_a_row_and_the_others_are_trained(folder):
    grid = "training.optimizer.SGD.learning_rate=[1e30,0.1]"
    said = mlphys("sweep", "small.yaml", "--grid", grid, *HERE, "--out", "study")
    assert [member["state"] for member in facts("study")["members"]] == ["diverged", "done"]
    assert "2 members, 1 done, 1 diverged" in said
    rows = list(csv.DictReader(Path("study/summary.csv").read_text().splitlines()))
    assert "finite" in rows[0]["reason"]


def test_folds_are_a_study_whose_members_are_validated_on_every_sample_once(folder):
    said = mlphys("train", "small.yaml", "--set", "data.folds=2", "--set", "training.epochs=1", *HERE, "--out", "study")
    assert "n folds; +- is s sqrt(1/n + 1/(n - 1))" in said
    found = [json.loads(Path(f"study/members/{i}/data.json").read_text())["splits"] for i in (1, 2)]
    assert [splits["validation"]["samples"] for splits in found] == [125, 125]
    assert found[0]["test"] == found[1]["test"]
    assert all(member["metrics"].keys() == {"validation"} for member in facts("study")["members"])


def test_shards_share_a_folder_and_the_rest_is_resumed(folder):
    sweep = ("sweep", "small.yaml", "--grid", RATES, "--set", "training.epochs=0", *HERE, "--out", "study")
    mlphys(*sweep, "--shard", "2/2")
    assert [member["state"] for member in facts("study")["members"]] == ["waiting", "done"]
    other = ("sweep", "small.yaml", "--grid", "training.batch_size=[1,2]", "--out", "study", "--shard", "1/2")
    assert reason(*other) == "study: holds another study; name another folder with --out"
    mlphys("resume", "study", "--shard", "1/2", "--workers", 0)
    assert [member["state"] for member in facts("study")["members"]] == ["done", "done"]


def test_a_dry_run_lists_the_members_and_writes_nothing(folder):
    said = mlphys("sweep", "small.yaml", "--grid", "training.batch_size=1:200:lin200", "--seeds", 2, "--dry-run")
    assert len(said.split("200")) > 2
    assert [path.name for path in folder.iterdir()] == ["small.yaml"]


def test_a_block_in_the_config_is_a_study(folder):
    study = {"grid": {"training.batch_size": {"small": 10, "large": 50}}, "seeds": 2, "evaluate": "test"}
    Path("small.yaml").write_text(dump({**SMALL, "study": study}))
    said = mlphys("sweep", "small.yaml", "--dry-run").splitlines()
    assert [line.split() for line in said[2:]] == [
        ["1", "small", "0"], ["2", "small", "1"], ["3", "large", "0"], ["4", "large", "1"]
    ]  # fmt: skip
    said = mlphys("sweep", "small.yaml", "--grid", "training.epochs=[1]", "--dry-run").splitlines()
    assert len(said) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "small.yaml"], "small.yaml: nothing varies; add --grid KEY=VALUES, --seeds N, or the block study"),
        (
            ["sweep", "small.yaml", "--seeds", 2, "--shard", "1/2"],
            "--shard: all shards write into one folder; name it with --out",
        ),
        (
            ["sweep", "small.yaml", "--seeds", 2, "--evaluate", "test", "--set", "data.test=0"],
            "member 1 (seed=0): its test split has no samples; set data.test, or evaluate on validation "
            "with --evaluate validation",
        ),
        (
            ["train", "small.yaml", "--set", "data.folds=30"],
            "digits: the class 0 has 25 training and validation samples, fewer than 30 folds; lower data.folds, "
            "add samples, or leave the class out",
        ),
    ],
)
def test_a_study_that_cannot_be_is_refused_before_a_folder_is_made(folder, arguments, message):
    assert reason(*arguments) == message
    assert [path.name for path in folder.iterdir()] == ["small.yaml"]


def test_options_of_studies_are_refused_for_runs_and_those_of_runs_for_studies(trained):
    mlphys("train", "small.yaml", "--set", "training.epochs=0", "--out", "run", "--quiet")
    assert reason("resume", "run", "--retry") == "--retry: run is no study; leave it out"
    assert reason("resume", "seeds", "--threads", 2) == (
        "--threads: seeds is a study, whose members keep their configs and threads; leave it out"
    )
    assert reason("evaluate", "seeds") == "seeds: is a study of many runs; name one of them, such as seeds/members/1"


def test_a_run_keeps_its_threads_when_it_is_resumed(folder):
    mlphys("train", "small.yaml", "--threads", 3, "--out", "run", "--quiet")
    mlphys("resume", "run", "--set", "training.epochs=3", "--quiet")
    assert json.loads(Path("run/environment.json").read_text())["threads"] == 3
    mlphys("resume", "run", "--set", "training.epochs=4", "--threads", 2, "--quiet")
    assert json.loads(Path("run/environment.json").read_text())["threads"] == 2


def test_a_study_of_processes_that_is_killed_and_resumed_has_the_bytes_of_trainings_alone(folder):
    config = {**SMALL, "training": {**SMALL["training"], "epochs": 150}}
    Path("small.yaml").write_text(dump(config))
    sweep = ["sweep", "small.yaml", "--grid", RATES, "--workers", "2", "--threads", "1", "--out", "study", "--quiet"]
    process = subprocess.Popen([sys.executable, "-c", "from mlphys.cli import main; main()", *sweep])
    checkpoints = Path("study/members/1/checkpoints")
    try:
        until(lambda: process.poll() is not None or any(checkpoints.glob("*")), "a checkpoint of member 1")
    finally:
        process.kill()
        ended(process, "a killed study to end")
    assert "running" in [member["state"] for member in facts("study")["members"]]
    mlphys("resume", "study", "--workers", 0, "--quiet")
    assert [member["state"] for member in facts("study")["members"]] == ["done", "done"]
    assert bytes_of("study/members/1") == alone("--set", "training.optimizer.SGD.learning_rate=0.0001")
