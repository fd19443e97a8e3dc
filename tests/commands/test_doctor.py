from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlphys.commands import doctor
from tests.helpers.cli import mlphys, refused


def test_a_healthy_machine_trains_and_each_part_says_what_it_is():
    found = json.loads(mlphys("doctor", "--json"))
    assert found["can_train"]
    checks = found["checks"]
    assert list(checks) == ["versions", "machine", "backends", "pictures", "datasets", "extras", "training"]
    assert [check["problem"] for check in checks.values()] == [None] * len(checks)
    assert checks["versions"]["packages"].keys() >= {"tensorflow", "keras", "numpy"}
    assert checks["backends"]["lines"][1] == (
        "convolutions: steps by TensorFlow: layer Conv2D has no machine code for whole steps"
    )
    assert set(checks["datasets"]["present"]) == {"cifar10", "fashion_mnist", "mnist"}
    assert checks["training"]["lines"][0].startswith("40 epochs of 1 197 digits in ")
    assert checks["training"]["seconds"] > 0


def test_a_broken_part_says_so_with_the_remedy_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "keras.py").write_text("raise ImportError('no such keras')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~nobody_of_this_name/data")
    text = refused("doctor")
    assert "PROBLEM: KERAS_HOME: no home folder is known for ~nobody_of_this_name/data" in text
    assert "no such keras; reinstall it: `pip install --force-reinstall mlphys`" in text
    assert "convolutions: steps by TensorFlow" in text
    assert "problems: datasets, training" in text
    assert text.endswith("mlphys: mlphys cannot train on this machine; `training` says why\n")


def test_neither_the_home_folder_nor_the_name_of_the_user_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/data/people/curie")
    monkeypatch.setenv("LOGNAME", "curie")
    assert doctor.anonymous("mnist: /data/people/curie/.keras, /scratch/curie") == "mnist: ~/.keras, /scratch/USER"
    assert doctor.anonymous("/home/meitner/x and /Users/noether") == "/home/USER/x and /Users/USER"
