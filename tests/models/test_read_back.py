"""What one command computes, measures and saves, another reads and measures to the same bytes: for every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema import registry
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys
from tests.helpers.memory_layout import assert_as_saved

KINDS = registry.names("mlphys.models")

DIGITS = {"name": "digits", "train": 60, "validation": 40, "test": 0}
THREE = {"classes": ["0", "1", "2"]}  # for the kind that trains a net for each class
WHITENED = {**DIGITS, "preprocess": ["subtract_mean", {"project": 16}, {"whiten": "pca"}]}
CURVE = {
    "name": "function_1d",
    "function": "sine",
    "samples": 60,
    "train": 40,
    "validation": 20,
    "test": 0,
    "preprocess": ["standardize"],
}
SIGMOID = [{"Dense": {"units": 6, "activation": "sigmoid"}}]
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
BLUR = {"FixedConv2D": {"kernel": {"Gauss": {"size": 3, "decay": 0.5, "normalize": True}}, "padding": "same"}}
AUTOENCODER = {"kind": "autoencoder", "encoder": SIGMOID, "decoder": "mirror"}
CONVOLUTIONAL = [{"Conv2D": {"filters": 3, "kernel_size": 3, "activation": "relu"}}, "Flatten", SOFTMAX]
STAGES = [{"encoder": SIGMOID}, {"encoder": [{"Dense": {"units": 4}}]}]
ONCE: dict[str, Any] = {}  # no training: all is computed at once

# Of each kind (data, model, training); `before` is a run of AUTOENCODER on the same data.
EXAMPLES: dict[str, list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]] = {
    "autoencoder": [
        (WHITENED, AUTOENCODER, {"epochs": 2}),
        (DIGITS, {**AUTOENCODER, "tied": True, "contraction": 0.1}, {"epochs": 2}),
        (DIGITS, AUTOENCODER, {"epochs": 1, "initial": {"run": "before"}}),
    ],
    "classifier": [
        (WHITENED, {"kind": "classifier", "layers": [SOFTMAX]}, {"epochs": 2}),
        (DIGITS, {"kind": "classifier", "layers": CONVOLUTIONAL}, {"epochs": 2}),
        (DIGITS, {"kind": "classifier", "encoder": {"run": "before"}, "layers": [SOFTMAX]}, {"epochs": 2}),
    ],
    "energy_classifier": [
        ({**WHITENED, **THREE}, {"kind": "energy_classifier", "of": {"pca": 2}}, ONCE),
        ({**DIGITS, **THREE}, {"kind": "energy_classifier", "of": {"autoencoder": {"units": 3}}}, {"epochs": 1}),
    ],
    "kmeans": [(WHITENED, {"kind": "kmeans", "clusters": 5, "features": "triangle"}, ONCE)],
    "pca": [(WHITENED, {"kind": "pca", "components": 4}, ONCE)],
    "rbm": [(DIGITS, {"kind": "rbm", "hidden": 5}, {"epochs": 2})],
    "regressor": [(CURVE, {"kind": "regressor", "layers": [*SIGMOID, {"Dense": {"units": 1}}]}, {"epochs": 2})],
    "stacked_autoencoder": [(WHITENED, {"kind": "stacked_autoencoder", "stages": STAGES}, {"epochs": 1})],
    "transform": [({**DIGITS, "preprocess": ["standardize"]}, {"kind": "transform", "layers": [BLUR]}, ONCE)],
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(name: str, data: dict[str, Any], model: dict[str, Any], training: dict[str, Any]) -> Path:
    path = Path(f"{name}.yaml")
    path.write_text(dump({"name": name, "data": data, "model": model, "training": training}))
    return path


def written(run: Path) -> tuple[bytes, bytes]:
    """What was measured on validation: numbers, and what is said of each sample."""
    return (run / "metrics.json").read_bytes(), (run / "predictions_validation.npz").read_bytes()


def test_every_kind_has_an_example():
    assert sorted(EXAMPLES) == KINDS


@pytest.mark.parametrize(
    ("kind", "example"), [(kind, i) for kind in KINDS for i in range(len(EXAMPLES.get(kind, [])) or 1)]
)
def test_what_is_read_back_measures_to_the_bytes_that_training_measured(kind: str, example: int, monkeypatch):
    data, model, training = EXAMPLES[kind][example]
    if "before" in str((model, training)):
        mlphys("train", config("before", data, AUTOENCODER, {"epochs": 1}), "--quiet", "--no-report", "--out", "before")
    saved: dict[str, np.ndarray] = {}
    save = RunWriter.weights

    def watched(writer: RunWriter, weights: dict[str, np.ndarray]) -> None:
        saved.update(weights)
        save(writer, weights)

    monkeypatch.setattr(RunWriter, "weights", watched)
    mlphys("train", config("run", data, model, training), "--quiet", "--no-report", "--out", "run")
    measured, run = written(Path("run")), Run(Path("run"))
    assert_as_saved(saved)
    assert_as_saved(run.weights)
    assert {name: value.tobytes() for name, value in saved.items()} == {
        name: value.tobytes() for name, value in run.weights.items()
    }
    mlphys("evaluate", "run", "--split", "validation")
    assert written(Path("run")) == measured
