"""Chains of fixed layers, through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mlphys.runs.run import Run
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys

BLUR = {"FixedConv2D": {"kernel": {"Gauss": {"size": 3, "decay": 0.5, "normalize": True}}, "padding": "same"}}
CONFIG = {
    "name": "blur",
    "data": {"name": "digits", "train": 20, "validation": 30, "test": 40},
    "model": {
        "kind": "transform",
        "layers": [BLUR, {"Activation": {"activation": "relu"}}, {"AveragePooling2D": {"pool_size": 2}}],
    },
}


@pytest.fixture(autouse=True)
def _in_a_folder_with_the_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("blur.yaml").write_text(dump(CONFIG))


def test_a_transform_is_applied_and_measured_and_nothing_is_trained():
    mlphys("train", "blur.yaml", "--quiet", "--no-report", "--out", "run")
    mlphys("evaluate", "run")
    assert set(load_file("run/weights.safetensors")) == {"layers.0.FixedConv2D.kernel"}
    assert not Path("run/history.csv").exists()
    run = Run(Path("run"))
    x = run.dataset().test.x
    out = run.trained.layers(x)["layers.2.AveragePooling2D"]
    assert out.shape == (40, 4, 4, 1)
    measured = json.loads(Path("run/metrics.json").read_text())["test"]
    assert measured["samples"] == 40
    assert measured["output_mean"] == pytest.approx(out.mean(), rel=1e-5)
    assert measured["output_std"] == pytest.approx(out.std(axis=(1, 2, 3)).mean(), rel=1e-5)
    assert measured["output_mean_stderr"] == pytest.approx(out.mean(axis=(1, 2, 3)).std(ddof=1) / np.sqrt(40), rel=1e-4)


def test_a_finished_transform_has_nothing_to_go_on_with():
    mlphys("train", "blur.yaml", "--quiet", "--no-report", "--out", "run")
    said = mlphys("resume", "run", code=2)
    assert said == "mlphys: run: it is finished, and more epochs change nothing\n"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.layers=[{Dense: {units: 3}}]",
            "model.layers.0.Dense: Dense is trained; a transform has FixedConv2D instead",
        ),
        (
            "model.layers=[Flatten, BatchNormalization]",
            "model.layers.1.BatchNormalization: BatchNormalization is trained; a transform has FixedConv2D instead",
        ),
        ("training.epochs=5", "training: nothing is trained: leave training out"),
        ("training.track=[parameters]", "training: nothing is trained: leave training out"),
        ("training.loss=huber", "training.loss: Huber is no loss for kind: transform; allowed MeanSquaredError"),
    ],
)
def test_what_would_be_trained_is_refused(override, message):
    assert mlphys("config", "check", "blur.yaml", "--set", override, code=2) == (
        f"mlphys: --set {override}: {message}\n"
    )


def test_explain_shows_no_optimizer():
    said = mlphys("config", "explain", "blur.yaml")
    assert "cost = none: nothing is trained" in said
    assert "optimizer" not in said
