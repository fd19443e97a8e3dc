"""Every kind of model keeps the contract of networks/model_kind.py, and each breach is noticed by the check for it."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.config.experiment import MODELS
from mlphys.errors import NotApplicable
from mlphys.models.classifier import Classifier
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import LayeredNetwork
from mlphys.networks.phases import Gradient
from tests.helpers import kind_contract
from tests.helpers.made_up_entry import mlphys_with

CHECKS = kind_contract.CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", MODELS)
def test_a_kind_keeps_the_contract(kind, check):
    check(MODELS[kind])


@pytest.mark.parametrize("kind", MODELS)
def test_a_kind_says_what_it_is(kind):
    assert inspect.getdoc(MODELS[kind]).partition("\n")[0].endswith((".", ";"))
    assert MODELS[kind].example()["kind"] == kind


@pytest.mark.parametrize("kind", MODELS)
def test_what_a_kind_says_that_it_cannot_do_it_refuses(kind):
    example = kind_contract.Example(MODELS[kind])
    network, spec = example.build(), example.spec
    if reason := spec.why_no_decoder():
        with pytest.raises(NotApplicable) as refused:
            spec.decoded(network, np.zeros((1, 2), np.float32))
        assert str(refused.value) == reason
    if not spec.DRAWS_SAMPLES:
        with pytest.raises(NotApplicable, match="draws no samples"):
            spec.sampled(network, example.data.train.x, 1, 1)
    x = example.data.train.x[:3]
    assert len(spec.through_stages(network, x)) == len(spec.stage_codes(example.description))


def test_a_kind_that_lacks_something_cannot_be_made():
    class Half(ModelKind):
        def predictions(self, network: Any, x: Any) -> dict[str, Any]:
            return {}

    with pytest.raises(TypeError, match="abstract method"):
        Half(kind="half")


class WrongShape(Classifier):
    """Promises one class too many."""

    def prediction_shapes(self, description):
        return {"probabilities": (len(description.classes) + 1,)}


class Unseeded(Classifier):
    """Draws weights that no seed decides."""

    def build(self, description, seed):
        network = super().build(description, seed)
        for variable in network.weights.values():
            variable.assign(variable + np.random.default_rng().normal(0, 0.01, variable.shape).astype(np.float32))
        return network


@dataclass(frozen=True, kw_only=True)
class CountingNetwork(LayeredNetwork):
    steps: Any


class HiddenState(Classifier):
    """Counts its steps in a variable that has no name."""

    def build(self, description, seed):
        import keras

        return CountingNetwork(**vars(super().build(description, seed)), steps=keras.Variable(1.0, trainable=False))

    def plans(self, training, description):
        return [replace(plan, rows=None) for plan in super().plans(training, description)]

    def phases(self, training, description, network, train):
        [phase] = super().phases(training, description, network, train)
        steps = network.steps

        def forward(x, y, training):
            batch = phase.forward(x, y, training)
            if training:
                steps.assign(steps * 0.9)
            return replace(batch, prediction=batch.prediction**steps)

        return [replace(phase, forward=forward)]


class HiddenTerm(Classifier):
    """Adds a term to the cost that its plan does not tell."""

    def phases(self, training, description, network, train):
        [phase] = super().phases(training, description, network, train)

        def forward(x, y, training):
            batch = phase.forward(x, y, training)
            hidden = sum(_squared(variable) for variable in phase.trained)
            return replace(batch, penalties=[*batch.penalties, hidden])

        return [replace(phase, forward=forward)]


def _squared(variable: Any) -> Any:
    from keras import ops

    return ops.sum(variable**2)


@dataclass(frozen=True, kw_only=True)
class ScalingNetwork(LayeredNetwork):
    scale: list[float]


class Unrestored(Classifier):
    """Predicts with a number that training finds and no weight holds."""

    def build(self, description, seed):
        return ScalingNetwork(**vars(super().build(description, seed)), scale=[1.0])

    def phases(self, training, description, network, train):
        network.scale[0] = 1 + float(train.x.mean())
        return super().phases(training, description, network, train)

    def predictions(self, network, x):
        return {"probabilities": network.model(x, training=False) * network.scale[0]}


BROKEN: dict[type[ModelKind], Any] = {
    WrongShape: kind_contract.shapes_are_as_promised,
    Unseeded: kind_contract.the_seed_decides_every_byte,
    HiddenState: kind_contract.all_that_a_step_changes_is_a_named_variable,
    HiddenTerm: kind_contract.every_backend_that_accepts_it_takes_the_same_step,
    Unrestored: kind_contract.saved_and_restored_is_equal,
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_kind_fails_the_check_that_is_meant_for_it_and_no_other(kind):
    failed = []
    for check in CHECKS:
        try:
            check(kind)
        except AssertionError:
            failed.append(check)
    assert failed == [BROKEN[kind]]


def test_phases_that_follow_a_gradient_are_those_of_the_plans():
    for kind in MODELS.values():
        example = kind_contract.Example(kind)
        network = example.build()
        phases = example.spec.phases(example.training, example.description, network, example.data.train)
        plans = example.spec.plans(example.training, example.description)
        assert [phase.plan.name for phase in phases if isinstance(phase, Gradient)] == [plan.name for plan in plans]


MEAN_IMAGE = '''
import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mlphys.networks import tensorflow
from mlphys.networks.cost import Batch, Cost, Term, formula
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import Network
from mlphys.networks.phases import Fit
from mlphys.numerics import chunked
from mlphys.numerics.metrics import reconstruction
from mlphys.schema.losses import MeanSquaredError


class MeanImage(ModelKind):
    """The mean of all training samples, whatever it is shown."""

    DEFAULT_LOSS: ClassVar = MeanSquaredError()
    LOSSES: ClassVar = ("MeanSquaredError",)
    RECORDED: ClassVar = ("loss", "mse")
    MEASURED: ClassVar = ("mse", "mean_image_mse")
    ITERATIVE: ClassVar = False

    kind: Literal["mean_image"]

    @classmethod
    def example(cls):
        return {"kind": "mean_image"}

    def check(self, training, description):
        pass

    def weight_shapes(self, description):
        return {"mean": (math.prod(description.shape),)}

    def cost_formula(self, training, description):
        return formula([Distance()])

    def build(self, description, seed):
        tensorflow.start()
        import keras

        mean = keras.Variable(np.zeros(math.prod(description.shape), np.float32))
        return Network(weights={"mean": mean}, compiles_in_xla=False, evaluated_at_once=1000)

    def phases(self, training, description, network, train):
        cost = self.cost(training, description, network)
        return [Fit("fit", lambda train, _: {"mean": chunked.mean(train.x).ravel()}, cost, self.RECORDED, network)]

    def cost(self, training, description, network):
        def forward(x, y, training):
            return Batch(x, y, training, _flat(x), network.weights["mean"].value)

        return Cost((Distance(),), forward, lambda batch, each, losses: {"mse": each})

    def predictions(self, network, x):
        from keras import ops

        difference = _flat(x) - network.weights["mean"].value
        return {
            "codes": 0 * difference[:, :1],
            "squared_errors": ops.mean(difference**2, axis=1),
            "absolute_errors": ops.mean(ops.abs(difference), axis=1),
        }

    def prediction_shapes(self, description):
        return {"codes": (1,), "squared_errors": (), "absolute_errors": ()}

    def metrics(self, description, arrays, split, train):
        return reconstruction(arrays, split.x, train.x)


@dataclass(frozen=True)
class Distance(Term):
    separable: ClassVar = True

    def formulas(self):
        return ["1/d |x - m|^2"]

    def each(self, batch):
        from keras import ops

        return ops.mean((batch.prediction - batch.target) ** 2, axis=1)


def _flat(x):
    from keras import ops

    return ops.reshape(x, (-1, math.prod(x.shape[1:])))
'''


def test_a_new_kind_is_one_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlphys = mlphys_with("mlphys.models", "mean_image", MEAN_IMAGE, tmp_path / "models")
    assert "The mean of all training samples, whatever it is shown." in " ".join(mlphys("list", "models").split())
    Path("mean.yaml").write_text("data: {name: digits}\nmodel: {kind: mean_image}\nplots: []\n")
    assert "64 parameters" in mlphys("config", "check", "mean.yaml")
    assert "mean over the samples of  1/d |x - m|^2" in mlphys("config", "explain", "mean.yaml")
    mlphys("train", "mean.yaml", "--out", "run", "--quiet", "--no-report")
    found = json.loads(mlphys("evaluate", "run", "--json"))
    assert found["mse"] == pytest.approx(found["mean_image_mse"], rel=1e-6)
    said = mlphys("config", "check", "mean.yaml", "--set", "model.kind=mean_imag", code=2)
    assert "did you mean mean_image?" in said
