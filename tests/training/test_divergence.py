"""A training that diverges tells where."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.models import classifier
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training as Settings
from mlphys.training import divergence, loop
from mlphys.training.engine import Engine
from tests.training.test_engine import DIGITS, Memory, digits, trained

SMALLER = "try a smaller learning_rate (such as {}), or clipnorm: 1 in the optimizer"
TWO = ["Flatten", {"Dense": {"units": 16}}, {"Dense": {"units": 10}}]
SQUARED = {"loss": "mean_squared_error", "batch_size": 30, "epochs": 3, "shuffle": False}


def explanation_of(layers, settings, dataset=None):
    with pytest.raises(loop.Diverged) as caught:
        trained(layers, settings, dataset)
    assert all(np.isfinite(value).all() for value in caught.value.outcome.weights.values())
    return str(caught.value)


def sgd(rate):
    return {"optimizer": {"SGD": {"learning_rate": rate}}}


def test_the_first_layer_whose_outputs_are_not_finite_is_named_with_epoch_step_and_rate():
    assert explanation_of(TWO, SQUARED | sgd(1e30)) == (
        "the loss is not finite any more in epoch 1, step 2 of 9, at learning rate 1e+30: "
        f"the outputs of layers.2.Dense are the first that are not; {SMALLER.format('1e+29')}"
    )


def test_an_untrained_net_that_overflows_needs_other_weights_and_no_other_rate():
    steep = [{"Dense": {"units": 16, "kernel_initializer": {"RandomNormal": {"stddev": 1e7}}}} for _ in range(6)]
    assert explanation_of(["Flatten", *steep, {"Dense": {"units": 10}}], SQUARED) == (
        "the loss is not finite any more in epoch 1, step 1 of 9, at learning rate 0.001: "
        "the outputs of layers.5.Dense are the first that are not; "
        "the net is untrained: try smaller initial weights (kernel_initializer), or standardize the data"
    )


def test_weights_that_overflow_are_named_where_the_loss_is_still_finite():
    steep = {"Dense": {"units": 16, "kernel_initializer": {"RandomNormal": {"stddev": 1e9}}}}
    assert explanation_of(["Flatten", steep, TWO[2]], SQUARED | sgd(1e30) | {"batch_size": "all"}) == (
        "the weights are not finite any more in epoch 1, step 1 of 1, at learning rate 1e+30: "
        f"all outputs and gradients are finite, the new weights of layers.1.Dense are not; {SMALLER.format('1e+29')}"
    )


def test_a_gradient_that_overflows_is_named_by_the_layer_that_it_reaches_first():
    layers = [
        "Flatten",
        {"Dense": {"units": 16, "kernel_initializer": {"RandomNormal": {"stddev": 1e-20}}}},
        {"Dense": {"units": 16, "kernel_initializer": {"RandomNormal": {"stddev": 1e20}}}},
        {"Dense": {"units": 10, "kernel_initializer": {"RandomNormal": {"stddev": 1e20}}}},
    ]
    settings = SQUARED | sgd(0.01) | {"loss": "mean_absolute_error"}
    assert explanation_of(layers, settings) == (
        "the weights are not finite any more in epoch 1, step 1 of 9, at learning rate 0.01: "
        f"all outputs are finite, the gradient of layers.1.Dense is not; {SMALLER.format('0.001')}"
    )


def test_a_validation_alone_that_overflows_is_reported():
    assert explanation_of(TWO, SQUARED | sgd(1e30) | {"batch_size": "all"}) == (
        "the validation loss is not finite any more after epoch 1 at learning rate 1e+30: "
        f"the outputs of layers.2.Dense are the first that are not; {SMALLER.format('1e+29')}"
    )


def test_samples_that_are_not_finite_are_blamed_on_no_layer():
    good = digits()
    x = good.train.x.copy()
    x[100, 3, 3] = np.nan
    assert explanation_of(TWO, SQUARED, Splits(Split(x, good.train.y), good.validation, good.test)) == (
        "the loss is not finite any more in epoch 1, step 4 of 9, at learning rate 0.001: its samples are not; "
        "`mlphys data check CONFIG` counts the values that are not finite"
    )


@pytest.mark.parametrize("stride", [1, 2, 5, 100])
def test_the_step_is_found_whatever_the_chunks_and_the_engine_stands_before_it(stride):
    layers = ["Flatten", {"Dropout": {"rate": 0.3}}, *TWO[1:]]
    spec = classifier.Classifier(kind="classifier", layers=layers)
    network = spec.build(DIGITS, 0)
    settings = Settings.model_validate(SQUARED | sgd(1.0))
    (phase,) = spec.phases(settings, DIGITS, network, digits().train)
    engine = Engine(phase, digits().train)
    engine.start_epoch(np.arange(250), {name: np.array([1, 2], np.uint32) for name in network.seeds})
    start = engine.snapshot()
    losses = [engine.train(step, step + 1)["loss"] for step in range(9)]
    first = int(np.argmin(np.isfinite(losses)))
    assert 2 < first < 9
    engine.restore_snapshot(start)
    assert divergence.first_step(engine, stride) == first
    found = engine.snapshot()
    engine.restore_snapshot(start)
    engine.train(0, first)
    for name, value in engine.snapshot().items():
        assert value.tobytes() == found[name].tobytes(), name


def test_the_weights_kept_are_those_of_the_best_epoch_where_there_is_one():
    settings = SQUARED | sgd(10.0) | {"batch_size": 50, "epochs": 200, "early_stopping": {"patience": 200}}
    recorder = Memory()
    with pytest.raises(loop.Diverged) as caught:
        trained(["Flatten", {"Dense": {"units": 10}}], settings, recorder=recorder)
    assert recorder.rows
    best = 1 + int(np.argmin([row["validation_loss"] for row in recorder.rows]))
    assert caught.value.outcome.best_epoch == best
    short, _, _ = trained(["Flatten", {"Dense": {"units": 10}}], settings | {"epochs": best, "early_stopping": None})
    for name, value in short.weights.items():
        assert value.tobytes() == caught.value.outcome.weights[name].tobytes()
