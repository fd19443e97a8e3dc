"""Denoising and stacked autoencoders through the commands: trained, resumed, evaluated, drawn, refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from mlphys.cli import main
from mlphys.config.experiment import PLOTS
from mlphys.config.load import load
from mlphys.errors import UserError
from mlphys.schema.document import dump

DATA = {"name": "digits", "train": 200, "validation": 50, "test": 60}
WHOLE_BATCHES = {"loss": "binary_crossentropy", "batch_size": 50}  # a last one that is smaller takes a second graph
STACKED: dict[str, Any] = {
    "name": "stacked",
    "data": DATA,
    "model": {
        "kind": "stacked_autoencoder",
        "stages": [
            {"encoder": [{"Dense": {"units": 12, "activation": "sigmoid"}}], "corruption": {"masking": 0.2}},
            {"encoder": [{"Dense": {"units": 6, "activation": "sigmoid"}}], "tied": True},
        ],
    },
    "training": {**WHOLE_BATCHES, "phases": {"pretrain": {"epochs": 2}, "fine_tune": {"epochs": 1}}},
    "plots": ["reconstructions"],
}
WITH_HEAD = {
    **STACKED,
    "model": {**STACKED["model"], "head": [{"Dense": {"units": 10, "activation": "softmax"}}]},
    "training": {**WHOLE_BATCHES, "phases": {"pretrain": {"epochs": 2}, "head": {"epochs": 3}}},
    "plots": ["confusion_matrix"],
}
DENOISING = {
    "name": "denoising",
    "data": DATA,
    "model": {
        "kind": "autoencoder",
        "encoder": [{"Dense": {"units": 8, "activation": "relu"}}],
        "decoder": "mirror",
        "tied": True,
        "corruption": {"masking": 0.3},
    },
    "training": {"epochs": 2, "batch_size": 50},
    "plots": ["reconstructions"],
}


def said(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(config: dict[str, Any]) -> str:
    Path("config.yaml").write_text(dump(config))
    return "config.yaml"


def test_a_denoising_run_keeps_and_measures_what_is_made_of_corrupted_samples():
    said("train", written(DENOISING), "--out", "run")
    said("evaluate", "run")
    metrics = json.loads(Path("run/metrics.json").read_text())["test"]
    with np.load("run/predictions_test.npz") as kept:
        clean, noisy, denoised, r = (
            kept[name].reshape(60, 64) for name in ("images", "corrupted", "denoised", "reconstructions")
        )
    w = load_file("run/weights.safetensors")
    assert set(w) == {"encoder.0.Dense.kernel", "encoder.0.Dense.bias", "decoder.0.Dense.bias"}

    def given_back(x: np.ndarray) -> np.ndarray:
        code = np.maximum(x @ w["encoder.0.Dense.kernel"] + w["encoder.0.Dense.bias"], 0)
        return code @ w["encoder.0.Dense.kernel"].T + w["decoder.0.Dense.bias"]

    np.testing.assert_allclose(r, given_back(clean), atol=1e-5)
    np.testing.assert_allclose(denoised, given_back(noisy), atol=1e-5)
    assert metrics["corrupted_mse"] == pytest.approx(((denoised - clean) ** 2).mean(), rel=1e-5)
    assert metrics["corruption_mse"] == pytest.approx(((noisy - clean) ** 2).mean(), rel=1e-5)
    assert metrics["mse"] == pytest.approx(((r - clean) ** 2).mean(), rel=1e-5)
    assert ((noisy == clean) | (noisy == 0)).all()
    assert (noisy[clean > 0] == 0).mean() == pytest.approx(0.3, abs=0.05)
    said("evaluate", "run")
    assert json.loads(Path("run/metrics.json").read_text())["test"] == metrics


@pytest.mark.usefixtures("few_images")
@pytest.mark.parametrize("config", [STACKED, WITH_HEAD], ids=["autoencoder", "classifier"])
def test_a_stacked_run_killed_between_two_phases_goes_on_to_the_same_bytes_and_is_measured_and_drawn(config):
    said("train", written(config), "--out", "whole", "--no-report")
    rows = list(csv.DictReader(Path("whole/history.csv").read_text().splitlines()))
    half = shutil.copytree("whole", Path("half"))
    half.joinpath("status.json").write_text(
        half.joinpath("status.json").read_text().replace('"done"', '"running"').replace('"epochs",', "null,")
    )
    for path in sorted(half.joinpath("checkpoints").iterdir())[1:]:
        path.unlink()
    assert "resuming after epoch" in said("resume", "half")
    assert Path("whole/weights.safetensors").read_bytes() == Path("half/weights.safetensors").read_bytes()
    again = list(csv.DictReader(Path("half/history.csv").read_text().splitlines()))
    assert [{**row, "seconds": ""} for row in again] == [{**row, "seconds": ""} for row in rows]
    said("evaluate", "half", "--no-plots")
    metrics = json.loads(Path("half/metrics.json").read_text())["test"]
    assert ("accuracy" in metrics, "mse" in metrics) == ("head" in config["model"], "head" not in config["model"])
    if "head" in config["model"]:
        assert [row["accuracy"] == "" for row in rows] == [row["phase"] != "head" for row in rows]
    for picture in config["plots"]:
        assert half.joinpath("figures", f"{picture}.png").exists()
    said("plot", "half", "--only", ",".join(PLOTS))


def test_a_run_in_phases_is_not_trained_longer():
    said("train", written(STACKED), "--out", "run", "--quiet", "--no-report", "--set", "plots=[]")
    assert said("resume", "run", code=2) == ("mlphys: run: its training is finished; retrain with more epochs\n")
    assert said("resume", "run", "--set", "training.epochs=9", code=2) == (
        "mlphys: run: is trained in phases, and the epochs of those before are spent; retrain with other epochs\n"
    )


CIRCLES = {"name": "circle_or_square", "samples": 100, "fresh": True}


@pytest.mark.parametrize(
    ("config", "change", "why"),
    [
        (
            DENOISING,
            {"training": {"phases": {"pretrain": {}}}},
            "training.phases.pretrain: kind: autoencoder is trained in one phase; leave phases out",
        ),
        (STACKED, {"training": {"phases": {"pretain": {}}}}, "did you mean pretrain?"),
        (
            STACKED,
            {"data": {**DATA, "validation": 0}, "training": {"phases": {"pretrain": {"early_stopping": {}}}}},
            "training.phases.pretrain.early_stopping.monitor: validation_loss needs validation samples; "
            "set data.validation, or leave early_stopping out",
        ),
        (
            WITH_HEAD,
            {
                "data": CIRCLES,
                "model": {**STACKED["model"], "head": [{"Dense": {"units": 2, "activation": "softmax"}}]},
                "training": {"phases": {"head": {"labels": 10}}},
            },
            "training.phases.head.labels: the same samples in every epoch, and fresh ones are new in each; "
            "leave labels out, or fresh",
        ),
    ],
    ids=["one phase", "spelling", "validation", "fresh"],
)
def test_phases_that_do_not_fit_the_config_are_refused(config, change, why):
    with pytest.raises(UserError) as caught:
        load(Path(written({**config, **change})))
    assert why in str(caught.value)
