"""What nobody has thought of is slow, never wrong: unknown terms are summed, unknown layers keep a batch whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mlphys import machine
from mlphys.config.experiment import MODELS
from mlphys.networks.cost import Batch, Term
from mlphys.networks.phases import Gradient
from mlphys.schema import registry
from mlphys.schema.data import Description
from mlphys.schema.layers import LAYERS, Dense, Layer
from mlphys.schema.samples import Split
from mlphys.schema.shapes import separable, trace
from mlphys.schema.training import Training
from mlphys.training import microbatches
from mlphys.training.backend import choose
from mlphys.training.engine import Engine
from mlphys.training.native_backend import NativeBackend
from mlphys.training.native_chain import dense_chain
from mlphys.training.tensorflow_backend import TensorFlowBackend
from mlphys.training.unsupported import Unsupported

DIGITS = Description((8, 8, 1), tuple("0123456789"), 60, None)
VALUES = replace(DIGITS, classes=(), target_shape=(2,))
THREE = replace(DIGITS, classes=("0", "1", "2"))
DESCRIPTIONS = {"regressor": VALUES, "energy_classifier": THREE}  # which trains a net for each class
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
ENCODER = [{"Dense": {"units": 6, "activation": "sigmoid"}}]
# Nets that machine code trains as they are, wherever there are such of a kind.
SMALLEST: dict[str, dict[str, Any]] = {
    "autoencoder": {"encoder": ENCODER, "decoder": "mirror"},
    "classifier": {"layers": ["Flatten", SOFTMAX]},
    "energy_classifier": {"of": {"autoencoder": {"units": 4}}},
    "kmeans": {"clusters": 3},
    "pca": {"components": 2},
    "rbm": {"hidden": 5},
    "regressor": {"layers": ["Flatten", {"Dense": {"units": 2}}]},
    "stacked_autoencoder": {"stages": [{"encoder": ENCODER}, {"encoder": ENCODER}], "head": [SOFTMAX]},
    "transform": {"layers": ["Flatten"]},
}
SETTINGS = {"optimizer": {"SGD": {"learning_rate": 0.01}}, "batch_size": 30}
PHASES = {"stacked_autoencoder": {"phases": {"pretrain": {}, "fine_tune": {}, "head": {}}}}


@dataclass(frozen=True)
class Unknown(Term):
    """A term of a type that no backend has seen: the sum of all weights."""

    weights: tuple[Any, ...]

    per_sample = False

    def formulas(self) -> list[str]:
        return ["100 sum of all weights"]

    def each(self, batch: Batch) -> Any:
        from keras import ops

        return 100 * sum(ops.sum(weight) for weight in self.weights)


def gradient_phases(kind_name: str) -> list[Gradient]:
    kind = MODELS[kind_name]
    description = DESCRIPTIONS.get(kind_name, DIGITS)
    training = Training.model_validate({**SETTINGS, **PHASES.get(kind_name, {})})
    training = training.model_copy(update={"loss": kind.DEFAULT_LOSS} if kind.ITERATIVE else {})
    spec = kind.model_validate({"kind": kind_name, **SMALLEST[kind_name]})
    spec = spec.completed(training, description, None)
    network = replace(spec.build(description, 0), compiles_in_xla=False)  # compiling takes the longest
    phases = spec.phases(training, description, network, samples(description))
    return [phase for phase in phases if isinstance(phase, Gradient)]


def samples(description: Description) -> Split:
    random = np.random.default_rng(0)
    x = random.random((60, *description.shape)).astype(np.float32)
    classes = len(description.classes)
    y = np.arange(60, dtype=np.int32) % classes if classes else random.random((60, 2)).astype(np.float32)
    return Split(x, y)


def moved(phase: Gradient, split: Split) -> list[np.ndarray]:
    """How far one step takes each trained weight."""
    before = [variable.numpy() for variable in phase.trained]
    seen = phase.prepare(split) if phase.prepare else split
    engine = Engine(phase, seen)
    engine.start_epoch(np.arange(len(seen)), {name: np.zeros(2, np.uint32) for name in phase.network.seeds})
    engine.train(0, 1)
    engine.sync_network()
    after = [variable.numpy() for variable in phase.trained]
    for variable, value in zip(phase.trained, before, strict=True):
        variable.assign(value)
    return [new - old for new, old in zip(after, before, strict=True)]


@pytest.mark.parametrize("kind", registry.names("mlphys.models"))
def test_an_unknown_term_of_the_cost_is_dropped_by_no_backend(kind):
    phases = gradient_phases(kind)
    split = samples(DESCRIPTIONS.get(kind, DIGITS))
    for phase in phases:
        term = Unknown(phase.trained)
        plan = replace(phase.plan, terms=(*phase.plan.terms, term))
        choice = choose(plan, len(split))
        assert choice.backend is TensorFlowBackend
        if choose(phase.plan, len(split)).backend is NativeBackend:
            assert choice.refusals == {
                "machine code": "the term 100 sum of all weights has no machine code for whole steps"
            }
        for with_term in moved(replace(phase, plan=plan), split):
            # the rate .01 times the term's gradient, 100 for every weight, and the loss's, which is far smaller
            np.testing.assert_allclose(with_term, -1.0, atol=0.2)


def test_every_kind_with_gradient_phases_is_among_those_that_are_given_an_unknown_term():
    with_phases = {kind for kind in registry.names("mlphys.models") if gradient_phases(kind)}
    assert with_phases == {
        "autoencoder", "classifier", "energy_classifier", "rbm", "regressor", "stacked_autoencoder",
    }  # fmt: skip


@pytest.mark.parametrize("kind", registry.names("mlphys.models"))
def test_a_plan_names_the_variables_that_keras_would_train_in_its_order(kind):
    for phase in gradient_phases(kind):
        if kind in ("autoencoder", "classifier", "regressor"):
            expected = phase.network.model.trainable_variables
            assert [id(each) for each in phase.trained] == [id(each) for each in expected]
        assert len(set(map(id, phase.trained))) == len(phase.trained) > 0


def derived(known: type[Any]) -> type[Any]:
    """Another class of the same fields, whose computation nobody knows."""
    return type(f"My{known.__name__}", (known,), {"__module__": known.__module__, "__doc__": known.__doc__})


@pytest.mark.parametrize("what", ["Dense", "Flatten", "Dropout", "L2", "SGD", "CategoricalCrossentropy"])
def test_a_class_derived_from_a_known_one_has_no_machine_code(what):
    layers = ["Flatten", {"Dense": {"units": 6, "kernel_regularizer": {"L2": {"l2": 0.1}}}}, {"Dropout": 0.5}, SOFTMAX]
    kind = MODELS["classifier"]
    training = Training.model_validate(SETTINGS).model_copy(update={"loss": kind.DEFAULT_LOSS})
    spec = kind.model_validate({"kind": "classifier", "layers": layers}).completed(training, DIGITS, None)
    [plan] = spec.plans(training, DIGITS)
    dense_chain(plan, 30)

    def other(value: Any) -> Any:
        known = type(value)
        return derived(known).model_construct(**dict(value)) if known.__name__ == what else value

    def other_layer(layer: Layer) -> Layer:
        regularizer = {"kernel_regularizer": other(layer.kernel_regularizer)} if isinstance(layer, Dense) else {}
        return other(layer.model_copy(update=regularizer))

    rows = tuple(replace(row, layer=other_layer(row.layer)) for row in plan.rows)
    settings = plan.settings.model_copy(update={"optimizer": other(plan.settings.optimizer)})
    terms = (replace(plan.terms[0], loss=other(plan.terms[0].loss)), *plan.terms[1:])
    with pytest.raises(Unsupported):
        dense_chain(replace(plan, rows=rows, settings=settings, terms=terms), 30)


class Silent(Layer):
    """A layer that says nothing of how it treats the samples of a batch."""


def test_a_layer_that_says_nothing_keeps_a_batch_whole(monkeypatch):
    monkeypatch.setattr(machine, "threads", lambda: 2)
    rows = trace([LAYERS["Flatten"](), Silent()], (8, 8, 1), ("model", "layers"))
    assert not separable(rows)
    assert separable(rows[:1])
    layers = [{"Conv2D": {"filters": 2, "kernel_size": 3}}, "Flatten", SOFTMAX]
    monkeypatch.setitem(SMALLEST, "classifier", {"layers": layers})
    [phase] = gradient_phases("classifier")
    assert microbatches.sizes(phase, 60, False) == [30, 30]
    mixing = replace(phase, network=replace(phase.network, separable=separable(rows)))
    assert microbatches.sizes(mixing, 60, False) == [60]


def test_a_term_that_says_nothing_keeps_a_batch_whole(monkeypatch):
    monkeypatch.setattr(machine, "threads", lambda: 2)
    layers = [{"Conv2D": {"filters": 2, "kernel_size": 3}}, "Flatten", SOFTMAX]
    monkeypatch.setitem(SMALLEST, "classifier", {"layers": layers})
    [phase] = gradient_phases("classifier")
    plan = replace(phase.plan, terms=(*phase.plan.terms, Unknown(phase.trained)))
    assert microbatches.sizes(replace(phase, plan=plan), 60, False) == [60]


def test_all_layers_but_batch_normalization_say_that_they_take_samples_one_by_one():
    assert {name for name, layer in LAYERS.items() if not layer.separable} == {"BatchNormalization"}
