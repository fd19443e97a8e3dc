"""What is tracked of layers against NumPy, and that tracking changes nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mlphys.models import classifier
from mlphys.schema.training import Training as Settings
from mlphys.training import loop
from mlphys.training.engine import Engine
from mlphys.training.tracking import Tracker, weight_norms
from tests.training.test_engine import CONV, DENSE, DIGITS, RANDOM, Memory, digits, trained

ALL = ["gradient_norms", "weight_norms", "saturation"]
NORMALIZED = [
    "Flatten",
    {"Dense": {"units": 33}},
    "BatchNormalization",
    {"Activation": {"activation": "tanh"}},
    {"Dense": {"units": 10, "activation": "softmax"}},
]


def tracked(row):
    return {name: value for name, value in row.items() if "." in name}


def phase_of(layers, settings):
    spec = classifier.Classifier(kind="classifier", layers=layers)
    network = spec.build(DIGITS, 0)
    (phase,) = spec.phases(Settings.model_validate(settings), DIGITS, network, digits().train)
    return phase


def test_norms_are_those_that_numpy_computes_and_the_mean_is_over_the_steps():
    layers = ["Flatten", {"Dense": {"units": 10, "activation": "softmax", "kernel_initializer": "zeros"}}]
    settings = {"optimizer": {"SGD": {"learning_rate": 0.5}}, "batch_size": 100, "shuffle": False, "track": ALL[:2]}
    _, recorder, _ = trained(layers, settings)
    data = digits().train
    x, t = data.x.reshape(250, 64).astype(np.float64), np.eye(10)[data.y]
    kernel, bias, norms = np.zeros((64, 10)), np.zeros(10), []
    for start in (0, 100, 200):  # the last batch has 50 samples and counts as one step
        xs, ts = x[start : start + 100], t[start : start + 100]
        z = xs @ kernel + bias
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        by_kernel, by_bias = xs.T @ (p - ts) / len(xs), (p - ts).mean(0)
        norms.append(np.sqrt((by_kernel**2).sum() + (by_bias**2).sum()))
        kernel -= 0.5 * by_kernel
        bias -= 0.5 * by_bias
    assert tracked(recorder.rows[0]) == {
        "gradient_norm.layers.1.Dense": pytest.approx(np.mean(norms), rel=1e-5),
        "weight_norm.layers.1.Dense": pytest.approx(np.sqrt((kernel**2).sum() + (bias**2).sum()), rel=1e-5),
    }


def test_a_gradient_whose_square_float32_cannot_hold_is_not_zero():
    layers = ["Flatten", {"Dense": {"units": 10, "activation": "softmax", "kernel_initializer": "zeros"}}]
    weights = {str(digit): 1e-25 for digit in range(10)}
    settings = {"batch_size": "all", "track": ALL[:1], "class_weight": weights}
    _, recorder, _ = trained(layers, settings)
    assert 1e-26 < recorder.rows[0]["gradient_norm.layers.1.Dense"] < 1e-24


def test_the_saturated_outputs_are_those_counted_by_hand():
    wide = {"kernel_initializer": {"RandomNormal": {"stddev": 0.7}}}
    layers = [
        "Flatten",
        {"Dense": {"units": 20, "activation": "sigmoid", **wide}},
        {"Dense": {"units": 20, "activation": "tanh", **wide}},
        {"Dense": {"units": 20, "activation": "relu", **wide}},
        {"Dense": {"units": 10, "activation": "softmax"}},
    ]
    settings = {"optimizer": {"SGD": {"learning_rate": 1e-12}}, "batch_size": 100, "track": ["saturation"]}
    outcome, recorder, _ = trained(layers, settings)
    w = [outcome.weights[f"layers.{i}.Dense.kernel"] for i in (1, 2, 3)]
    sigmoid = 1 / (1 + np.exp(-digits().train.x.reshape(250, 64) @ w[0]))
    tanh = np.tanh(sigmoid @ w[1])
    relu = np.maximum(tanh @ w[2], 0)
    counted = [((sigmoid < 0.05) | (sigmoid > 0.95)).mean(), (abs(tanh) > 0.95).mean(), (relu == 0).mean()]
    assert all(0.05 < fraction < 0.95 for fraction in counted)
    names = [f"saturation.layers.{i}.Dense" for i in (1, 2, 3)]
    assert tracked(recorder.rows[0]) == pytest.approx(dict(zip(names, counted, strict=True)), abs=3 / 5000)


@pytest.mark.parametrize("layers", [DENSE, CONV, RANDOM, NORMALIZED], ids=["dense", "conv", "random", "normalized"])
def test_tracking_changes_no_bit_of_what_is_trained(layers):
    settings = {"batch_size": 25, "epochs": 2, "optimizer": "adam"}
    plain, kept, _ = trained(layers, settings)
    watched, kept_too, _ = trained(layers, settings | {"track": ALL})
    for name, value in plain.weights.items():
        assert value.tobytes() == watched.weights[name].tobytes(), name
    for row, other in zip(kept.rows, kept_too.rows, strict=True):
        assert {name: other[name] for name in row} | {"seconds": 0} == row | {"seconds": 0}
        assert len(tracked(other)) >= 5
        assert all(np.isfinite(value) for value in tracked(other).values())


def test_the_columns_are_named_after_the_layers_that_have_weights_or_can_saturate():
    phase = phase_of(NORMALIZED, {"track": ALL})
    assert Tracker(phase).names == [
        "gradient_norm.layers.1.Dense", "gradient_norm.layers.2.BatchNormalization", "gradient_norm.layers.4.Dense",
        "saturation.layers.3.Activation",
    ]  # fmt: skip
    assert list(weight_norms(phase, Engine(phase, digits().train).state())) == [
        "weight_norm.layers.1.Dense", "weight_norm.layers.2.BatchNormalization", "weight_norm.layers.4.Dense",
    ]  # fmt: skip


def test_a_phase_that_is_tracked_is_traced_once_and_leaves_the_layers_as_they_were():
    phase = phase_of(DENSE, {"batch_size": 30, "track": ALL})
    engine = Engine(phase, digits().train)
    for _ in range(3):
        engine.start_epoch(np.arange(250), {})
        for start, stop in ((0, 1), (1, 4), (4, 9)):
            engine.train(start, stop)
    assert engine.traces == 1
    assert not [layer for layer in phase.network.model.layers if "call" in vars(layer)]


def test_what_is_not_tracked_is_not_summed():
    engine = Engine(phase_of(DENSE, {}), digits().train)
    assert engine.tracked() == {}
    assert engine.snapshot()["sums"].shape == (3,)  # samples, loss, accuracy


def test_a_resumed_training_has_the_same_history(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    settings = {"batch_size": 25, "epochs": 3, "track": ALL}
    _, kept, _ = trained(RANDOM, settings)
    first = Memory(interrupt_after=2)
    with pytest.raises(KeyboardInterrupt):
        trained(RANDOM, settings, recorder=first)
    _, rest, _ = trained(RANDOM, settings, start=first.checkpoints[-1])
    rows = [json.dumps(row | {"seconds": 0}) for row in first.rows + rest.rows]
    assert rows == [json.dumps(row | {"seconds": 0}) for row in kept.rows]
