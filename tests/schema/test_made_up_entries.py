"""A new layer, optimizer or loss is one class in one file: listed, trained with, explained, suggested."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlphys.schema.document import dump
from tests.helpers.made_up_entry import mlphys_with_all

pytestmark = pytest.mark.slow

CLASSES = {
    "mlphys.schema.layers": """
class UnitNormalization(Layer):
    separable = True
""",
    "mlphys.schema.optimizers": """
class Adafactor(Optimizer):
    clip_threshold: Positive = 1.0
""",
    "mlphys.schema.losses": """
class MeanSquaredLogarithmicError(Elementwise):
    for_values = True

    def formula(self) -> str:
        return "(log(1 + p) - log(1 + t))^2"
""",
}
CONFIG = {
    "name": "made_up",
    "data": {"name": "digits", "train": 60, "validation": 20, "test": 0},
    "model": {
        "kind": "autoencoder",
        "encoder": [{"Dense": {"units": 3, "activation": "relu"}}, "UnitNormalization"],
        "decoder": [{"Dense": {"units": 64, "activation": "relu"}}],
    },
    "training": {
        "optimizer": {"Adafactor": {"learning_rate": 0.01}},
        "loss": "mean_squared_logarithmic_error",
        "batch_size": 30,
        "epochs": 1,
    },
}


@pytest.fixture(scope="module")
def mlphys(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    return mlphys_with_all({}, CLASSES, tmp_path_factory.mktemp("made_up") / "more")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(dump(CONFIG))
    return tmp_path / "config.yaml"


def test_a_net_is_trained_with_them(mlphys, config: Path):
    run = config.with_name("run")
    mlphys("train", str(config), "--out", str(run), "--quiet")
    assert json.loads((run / "status.json").read_text())["state"] == "done"


def test_a_made_up_layer_is_listed(mlphys):
    assert "UnitNormalization" in mlphys("list", "layers")


def test_the_cost_has_the_formula_of_a_made_up_loss(mlphys, config: Path):
    explained = mlphys("config", "explain", str(config))
    assert "1/64 sum_k (log(1 + p) - log(1 + t))^2" in explained
    assert "steps by TensorFlow" in explained


def test_a_made_up_optimizer_is_suggested_for_a_slip(mlphys, config: Path):
    said = mlphys("config", "check", str(config), "--set", "training.optimizer=Adafactr", code=2)
    assert "did you mean Adafactor?" in said
