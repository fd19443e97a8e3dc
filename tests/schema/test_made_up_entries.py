"""A new layer, optimizer, loss or penalty is one class in one file: listed, trained with, explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlphys.schema.document import dump
from tests.helpers.made_up_entry import mlphys_with_all

pytestmark = pytest.mark.slow

CLASSES = {
    "mlphys.schema.layers.normalization": """
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
DECORRELATION = '''
"""Codes whose values are not correlated (Cogswell et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mlphys.errors import Refusal
from mlphys.networks.cost import Batch, Term
from mlphys.networks.penalty import Penalty
from mlphys.schema.fields import Positive


class Decorrelation(Penalty):
    """weight sum_ij C_ij^2, C the covariance of the codes of a batch."""

    description: ClassVar[str] = "Decorrelates the values of the code. Example: {weight: 0.1}"

    weight: Positive
    """The factor of the squared covariances. Example: 0.1"""

    @classmethod
    def examples(cls) -> dict[str, Any]:
        return {"decorrelation": {"weight": 0.1}}

    def check(self, spec, path, description) -> None:
        if len(spec.encoder) > 2:
            raise Refusal((*path, "decorrelation"), "is for at most two layers; leave it out")

    def terms(self) -> list[Term]:
        return [Covariance(self.weight)]

    def notes(self) -> list[str]:
        return ["C: covariance of the codes"]


@dataclass(frozen=True)
class Covariance(Term):
    per_sample: ClassVar[bool] = False

    weight: float

    def formulas(self) -> list[str]:
        return [f"{self.weight:g} sum_ij C_ij^2"]

    def each(self, batch: Batch) -> Any:
        from keras import ops

        centred = batch.code - ops.mean(batch.code, axis=0)
        return ops.sum(ops.matmul(ops.transpose(centred), centred) ** 2)
'''
CONFIG = {
    "name": "made_up",
    "data": {"name": "digits", "train": 60, "validation": 20, "test": 0},
    "model": {
        "kind": "autoencoder",
        "encoder": [{"Dense": {"units": 3, "activation": "relu"}}, "UnitNormalization"],
        "decoder": [{"Dense": {"units": 64, "activation": "relu"}}],
        "decorrelation": {"weight": 0.5},
    },
    "training": {
        "optimizer": {"Adafactor": {"learning_rate": 0.01}},
        "loss": "mean_squared_logarithmic_error",
        "batch_size": 30,
        "epochs": 1,
    },
    "plots": [],
}


@pytest.fixture(scope="module")
def mlphys(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    files = {"mlphys.networks.penalties": {"decorrelation": DECORRELATION}}
    return mlphys_with_all(files, CLASSES, tmp_path_factory.mktemp("made_up") / "more")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(dump(CONFIG))
    return tmp_path / "config.yaml"


def test_a_net_is_trained_with_them(mlphys, config: Path):
    run = config.with_name("run")
    mlphys("train", str(config), "--out", str(run), "--quiet", "--no-report")
    assert json.loads((run / "status.json").read_text())["state"] == "done"


def test_a_made_up_layer_is_listed(mlphys):
    assert "UnitNormalization" in mlphys("list", "layers")


def test_the_cost_has_the_formulas_of_a_made_up_loss_and_a_made_up_penalty(mlphys, config: Path):
    explained = mlphys("config", "explain", str(config))
    assert "1/64 sum_k (log(1 + p) - log(1 + t))^2" in explained
    assert "+ 0.5 sum_ij C_ij^2\n    C: covariance of the codes" in explained
    assert "steps by TensorFlow" in explained


def test_a_made_up_penalty_refuses_what_it_is_not_for(mlphys, config: Path):
    layers = "model.encoder=[{Dense: {units: 3}}, UnitNormalization, UnitNormalization]"
    printed = mlphys("config", "check", str(config), "--set", layers, code=2)
    assert "model.decorrelation: is for at most two layers; leave it out" in " ".join(printed.split())


def test_the_keys_of_a_made_up_penalty_have_their_sentences_in_every_kind_that_takes_penalties(mlphys):
    printed = " ".join(mlphys("explain", "model.decorrelation").split())
    for sentence in ("Decorrelates the values of the code.", "The factor of the squared covariances."):
        assert sentence in printed


def test_a_made_up_optimizer_is_suggested_for_a_slip(mlphys, config: Path):
    said = mlphys("config", "check", str(config), "--set", "training.optimizer=Adafactr", code=2)
    assert "did you mean Adafactor?" in said
