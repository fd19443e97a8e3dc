"""Every kind of model keeps the contract of networks/model_kind.py, and each breach is noticed by the check for it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlphys.config.experiment import MODELS
from mlphys.models.classifier import Classifier
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.phases import Gradient
from tests.helpers import kind_contract

CHECKS = kind_contract.CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", MODELS)
def test_a_kind_keeps_the_contract(kind, check):
    check(MODELS[kind])


@pytest.mark.parametrize("kind", MODELS)
def test_a_kind_says_what_it_is(kind):
    assert inspect.getdoc(MODELS[kind]).partition("\n")[0].endswith((".", ";"))
    assert MODELS[kind].example()["kind"] == kind


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


class HiddenState(Classifier):
    """Counts its steps in a variable that has no name."""

    def build(self, description, seed):
        import keras

        network = super().build(description, seed)
        return replace(network, parts={"steps": keras.Variable(1.0, trainable=False)})

    def plans(self, training, description):
        return [replace(plan, rows=None) for plan in super().plans(training, description)]

    def phases(self, training, description, network, train):
        [phase] = super().phases(training, description, network, train)
        steps = network.parts["steps"]

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


class Unrestored(Classifier):
    """Predicts with a number that training finds and no weight holds."""

    def build(self, description, seed):
        return replace(super().build(description, seed), parts={"scale": [1.0]})

    def phases(self, training, description, network, train):
        network.parts["scale"][0] = 1 + float(train.x.mean())
        return super().phases(training, description, network, train)

    def predictions(self, network, x):
        return {"probabilities": network.model(x, training=False) * network.parts["scale"][0]}


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
