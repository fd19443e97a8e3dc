"""Searches through the commands, with real trainings."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

from mlphys.schema.document import dump
from tests.commands.test_study import HERE, SMALL, bytes_of, facts
from tests.helpers.cli import mlphys, reason
from tests.helpers.extras import needs

needs("optuna")

RATE, UNITS = "training.optimizer.SGD.learning_rate", "model.layers.1.Dense.units"
SEARCH = ("sweep", "small.yaml", "--grid", f"{RATE}=1e-3:1:log", "--grid", f"{UNITS}=2:16:lin")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(dump(SMALL))
    return tmp_path


@pytest.mark.slow
def test_a_search_names_the_best_trial_and_continues_as_if_it_had_not_been_interrupted(folder):
    said = mlphys(*SEARCH, "--search", 6, *HERE, "--out", "whole")
    content = facts("whole")
    assert [member["number"] for member in content["members"]] == list(range(1, 7))
    assert content["search"] == {
        "trials": 6,
        "prune": True,
        "ranges": {
            RATE: {"first": 0.001, "last": 1.0, "log": True, "whole": False},
            UNITS: {"first": 2, "last": 16, "log": False, "whole": True},
        },
        "choices": {},
    }
    assert "best on validation, where it was chosen: training.optimizer.SGD.learning_rate=" in said
    assert "next: mlphys evaluate whole/members/" in said
    rows = list(csv.DictReader(Path("whole/summary.csv").read_text().splitlines()))
    assert len(rows) == 6
    assert {row["state"] for row in rows} <= {"done", "pruned"}
    assert "metric_against_keys.png, best_so_far.png" in mlphys("plot", "whole")
    chosen = said.partition("mlphys evaluate ")[2].split()[0]
    assert "test, 50 samples" in mlphys("evaluate", chosen, "--no-plots")

    shutil.copytree("whole", "cut")
    content["members"] = content["members"][:4]
    Path("cut/study.json").write_text(json.dumps(content))
    shutil.rmtree("cut/members/6")
    mlphys("resume", "cut", "--workers", 0, "--quiet")
    assert [member["overrides"] for member in facts("cut")["members"]] == [
        member["overrides"] for member in facts("whole")["members"]
    ]
    trained = ("weights.safetensors", "predictions_validation.npz")
    assert bytes_of("cut/members/6", trained) == bytes_of("whole/members/6", trained)
    assert "6 trials" in mlphys(*SEARCH, "--search", 6, *HERE, "--out", "cut", "--resume")


def test_a_dry_run_says_what_is_searched(folder):
    said = mlphys(*SEARCH, "--search", 7, "--grid", "model.layers.1.Dense.activation=[relu,tanh]", "--dry-run")
    assert [line.split(maxsplit=1) for line in said.splitlines()[2:-1]] == [
        [RATE, "numbers from 0.001 to 1.0, by equal ratios"],
        [UNITS, "whole numbers from 2 to 16, by equal steps"],
        ["model.layers.1.Dense.activation", "one of relu, tanh"],
    ]
    assert said.splitlines()[-1] == "7 trials"
    assert [path.name for path in folder.iterdir()] == ["small.yaml"]


def test_a_block_in_the_config_is_a_search(folder):
    study = {"grid": {RATE: "1e-3:1:log"}, "search": 5, "prune": False}
    Path("small.yaml").write_text(dump({**SMALL, "study": study}))
    assert "5 trials" in mlphys("sweep", "small.yaml", "--dry-run")


def test_a_wrong_end_of_a_range_is_named_before_anything_is_trained(folder):
    message = reason("sweep", "small.yaml", "--search", 5, "--grid", f"{RATE}=-1:1:lin")
    assert "training.optimizer.SGD.learning_rate" in message
    assert "-1" in message
    assert not Path("runs").exists()


def test_a_search_is_not_divided_into_shards(folder):
    assert reason(*SEARCH, "--search", 5, "--shard", "1/2", "--out", "study") == (
        "--shard: each trial of a search depends on those before; leave it out, or use --ray"
    )


def test_without_optuna_the_message_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert reason(*SEARCH, "--search", 5) == (
        "--search needs the package optuna; install it with pip install 'mlphys[search]'"
    )
    monkeypatch.setitem(sys.modules, "ray", None)
    assert reason("train", "small.yaml", "--seeds", 2, "--ray", "local") == (
        "--ray needs the package ray; install it with pip install 'mlphys[ray]'"
    )
    assert not Path("runs").exists()


def test_a_search_of_no_trials_is_refused(folder):
    assert "0 is not in the range x>=1" in mlphys(*SEARCH, "--search", 0, code=2)
