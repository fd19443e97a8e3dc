"""The compiled epoch against Keras's own fit and against NumPy, on real digits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlphys.models import classifier
from mlphys.networks import tensorflow
from mlphys.schema.data import Description
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training as Settings
from mlphys.training import epoch_order, loop
from mlphys.training.checkpoint import Incomplete
from mlphys.training.engine import Engine
from mlphys.training.progress import Silence
from tests.helpers.digits import load_digits
from tests.helpers.memory_writer import Memory

DIGITS = Description((8, 8, 1), tuple("0123456789"), 1797, None)
DENSE = [
    "Flatten",
    {"Dense": {"units": 16, "activation": "relu", "kernel_regularizer": {"L2": {"l2": 0.001}}}},
    {"Dense": {"units": 10, "activation": "softmax"}},
]
PLAIN = ["Flatten", {"Dense": {"units": 16, "activation": "relu"}}, DENSE[2]]  # a chain for native/dense_step.py
BY_TENSORFLOW = ["Flatten", {"Dense": {"units": 16}}, "LayerNormalization", DENSE[2]]
CONV = [
    {"Conv2D": {"filters": 4, "kernel_size": 3, "activation": "relu"}},
    {"MaxPooling2D": {"pool_size": 2}},
    "BatchNormalization",
    "Flatten",
    {"Dense": {"units": 10, "activation": "softmax"}},
]
RANDOM = ["Flatten", {"Dropout": {"rate": 0.5}}, {"GaussianNoise": {"stddev": 0.1}}, *DENSE[1:]]


def digits(train: int = 250, validation: int = 90) -> Splits:
    data = load_digits()
    x = (data.images[..., None] / 16).astype(np.float32)
    y = data.target.astype(np.int32)
    last = train + validation
    return Splits(Split(x[:train], y[:train]), Split(x[train:last], y[train:last]), Split(x[:0], y[:0]))


def trained(layers, settings, dataset=None, seed=0, recorder=None, start=None):
    """Outcome, recorder and network of a training."""
    spec = classifier.Classifier(kind="classifier", layers=layers)
    tensorflow.reset_names()  # as in a new process
    network = spec.build(DIGITS, seed)
    phases = spec.phases(Settings.model_validate(settings), DIGITS, network, (dataset or digits()).train)
    recorder = recorder or Memory()
    training = loop.Training(network, phases, dataset or digits(), None, seed, {}, recorder, Silence())
    return training.run(start), recorder, network


@pytest.mark.parametrize("layers", [DENSE, PLAIN, BY_TENSORFLOW, CONV], ids=["dense", "plain", "by TensorFlow", "conv"])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"SGD": {"learning_rate": 0.1, "momentum": 0.9}},
        # epsilon: a gradient that is zero but for rounding would take a step of any size
        {"Adam": {"epsilon": 1e-4, "learning_rate": {"ExponentialDecay": {
            "initial_learning_rate": 0.01, "decay_steps": 5, "decay_rate": 0.9}}}},
    ],
    ids=["momentum", "schedule"],
)  # fmt: skip
def test_two_epochs_end_where_keras_fit_ends(layers, optimizer):
    settings = {"optimizer": optimizer, "batch_size": 32, "epochs": 2, "shuffle": False}
    outcome, recorder, _ = trained(layers, settings)

    from mlphys.networks import builder
    from mlphys.schema.shapes import trace

    spec = classifier.Classifier(kind="classifier", layers=layers)
    other = builder.build(trace(spec.layers, DIGITS.shape, ("model", "layers")), seed=0)
    parsed = Settings.model_validate(settings)
    other.model.compile(builder.optimizer(parsed.optimizer), "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = digits()
    fitted = other.model.fit(
        data.train.x, data.train.y, batch_size=32, epochs=2, shuffle=False, verbose=0,
        validation_data=(data.validation.x, data.validation.y),
    )  # fmt: skip
    for name, value in outcome.weights.items():
        np.testing.assert_allclose(value, other.weights[name].numpy(), rtol=2e-4, atol=2e-5, err_msg=name)
    for name, keras_name in (("loss", "loss"), ("accuracy", "accuracy"), ("validation_loss", "val_loss")):
        # Keras leaves the last, smaller batch its full share of the samples, as we do.
        assert [row[name] for row in recorder.rows] == pytest.approx(fitted.history[keras_name], rel=1e-3)


@pytest.mark.parametrize("layers", [PLAIN, CONV], ids=["plain", "conv"])
def test_the_learning_rate_of_an_epoch_is_that_of_its_last_step(layers):
    decay = {"ExponentialDecay": {"initial_learning_rate": 0.01, "decay_steps": 5, "decay_rate": 0.9}}
    settings = {"optimizer": {"Adam": {"learning_rate": decay}}, "batch_size": 32, "epochs": 2}
    _, recorder, _ = trained(layers, settings)
    steps = -(-len(digits().train) // 32)
    expected = [0.01 * 0.9 ** ((epoch * steps - 1) / 5) for epoch in (1, 2)]
    assert [row["learning_rate"] for row in recorder.rows] == pytest.approx(expected, rel=1e-5)


def test_an_epoch_is_the_gradient_descent_that_numpy_computes():
    layers = ["Flatten", {"Dense": {"units": 10, "activation": "softmax", "kernel_initializer": "zeros"}}]
    settings = {
        "optimizer": {"SGD": {"learning_rate": 0.5}},
        "batch_size": 100,
        "shuffle": False,
        "epochs": 1,
    }
    outcome, _, _ = trained(layers, settings)
    data = digits().train
    x, t = data.x.reshape(250, 64).astype(np.float64), np.eye(10)[data.y]
    kernel, bias = np.zeros((64, 10)), np.zeros(10)
    for start in (0, 100, 200):  # the last batch has 50 samples
        xs, ts = x[start : start + 100], t[start : start + 100]
        z = xs @ kernel + bias
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        kernel -= 0.5 * xs.T @ (p - ts) / len(xs)
        bias -= 0.5 * (p - ts).mean(0)
    np.testing.assert_allclose(outcome.weights["layers.1.Dense.kernel"], kernel, atol=1e-6)
    np.testing.assert_allclose(outcome.weights["layers.1.Dense.bias"], bias, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "batch"),
    [(DENSE, 25), (PLAIN, 30), (CONV, 30), (RANDOM, 25)],
    ids=["dense", "plain", "conv, smaller last batch", "random"],
)
def test_how_an_epoch_is_cut_into_chunks_changes_no_bit(layers, batch, monkeypatch):
    settings = {"batch_size": batch, "epochs": 2}
    whole, kept, _ = trained(layers, settings)
    monkeypatch.setattr(loop, "FIRST_CHUNK", 1)
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
    single, single_kept, _ = trained(layers, settings)
    for name, value in whole.weights.items():
        assert value.tobytes() == single.weights[name].tobytes(), name
    without_time = [[{**row, "seconds": 0} for row in recorder.rows] for recorder in (kept, single_kept)]
    assert without_time[0] == without_time[1]


def test_a_phase_is_traced_once_whatever_the_chunks_and_epochs():
    spec = classifier.Classifier(kind="classifier", layers=BY_TENSORFLOW)
    network = spec.build(DIGITS, 0)
    (phase,) = spec.phases(Settings.model_validate({"batch_size": 30}), DIGITS, network, digits().train)
    engine = Engine(phase, digits().train)
    for _ in range(3):
        engine.start_epoch(np.arange(250), {})
        for start, stop in ((0, 1), (1, 4), (4, 9)):
            engine.train(start, stop)
    assert (engine.batches, engine.traces) == (9, 1)


@pytest.mark.parametrize("steps", [1, 3, 8, 25])
def test_every_sample_is_seen_once_a_pass_wherever_epochs_cut_the_passes(steps):
    spec = classifier.Classifier(kind="classifier", layers=DENSE)
    network = spec.build(DIGITS, 0)
    settings = Settings.model_validate({"batch_size": 30, "steps_per_epoch": steps})
    phases = spec.phases(settings, DIGITS, network, digits().train)
    training = loop.Training(network, phases, digits(), None, 0, {}, Memory(), Silence())
    under_way = loop.PhaseInTraining(training, phases[0], 0, None)
    assert (under_way.engine.batches, under_way.engine.samples) == (steps, 30 * steps)
    epochs = [epoch_order.shuffled(0, "train", epoch, 30 * steps, 250) for epoch in range(1, 60)]
    assert {len(order) for order in epochs} == {30 * steps}
    row = np.concatenate(epochs)
    passes = row[: len(row) // 250 * 250].reshape(-1, 250)
    assert len(passes) >= 7
    assert (np.sort(passes, axis=1) == np.arange(250)).all()
    assert len(np.unique(passes, axis=0)) == len(passes)


def test_an_epoch_of_as_many_steps_as_a_pass_has_batches_is_a_pass():
    settings = {"batch_size": 25, "epochs": 2}
    whole, _, _ = trained(DENSE, settings)
    counted, _, _ = trained(DENSE, settings | {"steps_per_epoch": 10})
    for name, value in whole.weights.items():
        assert value.tobytes() == counted.weights[name].tobytes()


def test_epochs_of_few_steps_take_together_the_steps_of_one_of_many():
    """Seven epochs of five batches are five of seven, across passes of nine batches and a part."""
    settings = {"batch_size": 27, "optimizer": "sgd"}
    first, short, _ = trained(PLAIN, settings | {"steps_per_epoch": 5, "epochs": 7})
    second, long, _ = trained(PLAIN, settings | {"steps_per_epoch": 7, "epochs": 5})
    assert (len(short.rows), len(long.rows)) == (7, 5)
    for name, value in first.weights.items():
        assert value.tobytes() == second.weights[name].tobytes()


def test_the_weighted_loss_is_followed_as_numpy_follows_it_and_validation_is_not_weighted():
    layers = ["Flatten", {"Dense": {"units": 10, "activation": "softmax", "kernel_initializer": "zeros"}}]
    settings = {
        "optimizer": {"SGD": {"learning_rate": 0.5}}, "batch_size": "all", "epochs": 1, "class_weight": "balanced",
    }  # fmt: skip
    outcome, recorder, network = trained(layers, settings)
    data = digits().train
    counts = np.bincount(data.y)
    weights = 250 / (10 * counts)
    x, t = data.x.reshape(250, 64).astype(np.float64), np.eye(10)[data.y]
    descent = 0.5 * x.T @ (weights[data.y][:, None] * (t - 0.1)) / 250  # p = 1/10 everywhere
    np.testing.assert_allclose(outcome.weights["layers.1.Dense.kernel"], descent, atol=1e-6)
    # every class counts alike, and no class more than without weights
    assert recorder.rows[0]["loss"] == pytest.approx(np.log(10), rel=1e-6)
    validation = digits().validation
    p = network.model(validation.x).numpy().astype(np.float64)
    unweighted = -np.log(p[np.arange(90), validation.y]).mean()
    assert recorder.rows[0]["validation_loss"] == pytest.approx(unweighted, rel=1e-5)


def test_the_tracked_parameters_are_the_weights_after_each_epoch():
    data = Splits(*(Split(x.x[:, :1, :2], x.y % 2) for x in (digits().train, digits().validation, digits().test)))
    spec = classifier.Classifier(
        kind="classifier", layers=["Flatten", "BatchNormalization", {"Dense": {"units": 2, "activation": "softmax"}}]
    )
    small = Description((1, 2, 1), ("a", "b"), 340, None)
    network = spec.build(small, 0)
    settings = Settings.model_validate({"epochs": 3, "track": ["parameters"]})
    recorder = Memory()
    phases = spec.phases(settings, small, network, data.train)
    outcome = loop.Training(network, phases, data, None, 0, {}, recorder, Silence()).run()
    tracked = {name: value for name, value in recorder.rows[-1].items() if "." in name}
    expected = {
        ".".join([name, *map(str, place)]): float(value[place])
        for name, value in outcome.weights.items()
        for place in np.ndindex(value.shape)
    }
    assert tracked == expected
    assert "layers.2.Dense.kernel.1.0" in tracked
    assert "layers.1.BatchNormalization.moving_mean.1" in tracked
    assert recorder.rows[0]["layers.2.Dense.bias.0"] != recorder.rows[1]["layers.2.Dense.bias.0"]


def test_dropout_differs_in_every_epoch_and_the_same_for_the_same_seed():
    settings = {
        "optimizer": {"SGD": {"learning_rate": 1e-12}},
        "batch_size": 250,
        "epochs": 2,
        "shuffle": False,
    }
    _, first, _ = trained(RANDOM, settings)
    _, again, _ = trained(RANDOM, settings)
    losses = [row["loss"] for row in first.rows]
    assert losses == [row["loss"] for row in again.rows]
    assert losses[0] != losses[1]


def test_batch_size_all_is_one_step_an_epoch():
    whole, _, _ = trained(DENSE, {"batch_size": "all", "epochs": 3, "optimizer": "sgd", "shuffle": False})
    counted, _, _ = trained(DENSE, {"batch_size": 250, "epochs": 3, "optimizer": "sgd", "shuffle": False})
    assert whole.weights["layers.1.Dense.kernel"].tobytes() == counted.weights["layers.1.Dense.kernel"].tobytes()


def test_no_epochs_leave_the_initial_weights():
    outcome, recorder, _ = trained(DENSE, {"epochs": 0})
    fresh = classifier.Classifier(kind="classifier", layers=DENSE).build(DIGITS, 0)
    for name, value in outcome.weights.items():
        np.testing.assert_array_equal(value, fresh.weights[name].numpy())
    assert (outcome.best_epoch, outcome.stopped, recorder.rows) == (0, "epochs", [])


def test_early_stopping_keeps_the_weights_of_the_best_epoch():
    settings = {
        "optimizer": {"SGD": {"learning_rate": 2.0}}, "batch_size": 50, "epochs": 30,
        "early_stopping": {"monitor": "validation_loss", "patience": 3},
    }  # fmt: skip
    outcome, recorder, _ = trained(DENSE, settings)
    losses = [row["validation_loss"] for row in recorder.rows]
    assert outcome.best_epoch == 1 + int(np.argmin(losses))
    assert outcome.stopped == "early_stopping"
    assert len(losses) == outcome.best_epoch + 3
    shorter, _, _ = trained(DENSE, {**settings, "epochs": outcome.best_epoch, "early_stopping": None})
    for name, value in outcome.weights.items():
        assert value.tobytes() == shorter.weights[name].tobytes()


def test_the_checkpoint_holds_the_best_epoch_with_its_optimizer(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    settings = {
        "optimizer": {"Adam": {"learning_rate": 0.3}}, "batch_size": 50, "epochs": 30,
        "early_stopping": {"monitor": "validation_loss", "patience": 3},
    }  # fmt: skip
    outcome, recorder, _ = trained(DENSE, settings)
    at_best, last = (recorder.checkpoints[epoch - 1] for epoch in (outcome.best_epoch, len(recorder.rows)))
    assert last.watch.best_epoch == at_best.epoch == last.epoch - 3
    names = [name for name in at_best.tensors if not name.startswith("best/")]
    assert {name.partition("/")[0] for name in names} == {"weights", "optimizer"}
    for name in names:
        assert last.tensors[f"best/{name}"].tobytes() == at_best.tensors[name].tobytes(), name
    assert last.tensors["optimizer/0"] != last.tensors["best/optimizer/0"]  # the steps so far


SMALLEST = ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]
VARIABLES = [
    "weights/layers.1.Dense.kernel", "weights/layers.1.Dense.bias", *(f"optimizer/{i}" for i in range(6)),
]  # fmt: skip


@pytest.fixture(scope="module")
def interrupted():
    """Settings with early stopping, and a checkpoint of them."""
    settings = {"optimizer": "adam", "batch_size": 50, "epochs": 3, "early_stopping": {"patience": 3}}
    recorder = Memory(interrupt_after=1)
    with pytest.raises(KeyboardInterrupt):
        trained(SMALLEST, settings, recorder=recorder)
    return settings, recorder.checkpoints[0]


def test_a_checkpoint_holds_these_variables(interrupted):
    assert set(interrupted[1].tensors) == {*VARIABLES, *(f"best/{name}" for name in VARIABLES)}


@pytest.mark.parametrize("name", [*VARIABLES, *(f"best/{name}" for name in VARIABLES)])
def test_a_checkpoint_without_one_of_its_variables_is_refused(interrupted, name):
    settings, checkpoint = interrupted
    rest = {key: value for key, value in checkpoint.tensors.items() if key != name}
    with pytest.raises(Incomplete) as caught:
        trained(SMALLEST, settings, start=dataclasses.replace(checkpoint, tensors=rest))
    assert str(caught.value) == f"its checkpoint lacks what training needs ({name}); retrain it"


@pytest.mark.parametrize("harm", ["another shape", "another type", "one too many"])
def test_a_checkpoint_with_other_variables_is_refused(interrupted, harm):
    settings, checkpoint = interrupted
    bias = checkpoint.tensors["weights/layers.1.Dense.bias"]
    other = {"another shape": bias[:9], "another type": bias.astype(np.float64), "one too many": bias}[harm]
    name = "weights/z" if harm == "one too many" else "weights/layers.1.Dense.bias"
    with pytest.raises(Incomplete, match=rf"needs \({name}\)"):
        trained(SMALLEST, settings, start=dataclasses.replace(checkpoint, tensors={**checkpoint.tensors, name: other}))


def test_a_loss_that_is_not_finite_stops_with_advice_and_the_last_good_weights():
    layers = ["Flatten", {"Dense": {"units": 10}}]
    settings = {
        "optimizer": {"SGD": {"learning_rate": 10.0}}, "loss": "mean_squared_error", "batch_size": 50, "epochs": 200,
    }  # fmt: skip
    recorder = Memory()
    with pytest.raises(loop.Diverged) as caught:
        trained(layers, settings, recorder=recorder)
    epoch = len(recorder.rows) + 1
    assert str(caught.value) == (
        f"the loss is not finite any more in epoch {epoch}, step 5 of 5, at learning rate 10: "
        "all outputs are finite, up to 1.2e+19, and their loss is not; "
        "try a smaller learning_rate (such as 1), or clipnorm: 1 in the optimizer"
    )
    assert all(np.isfinite(value).all() for value in caught.value.outcome.weights.values())
    assert recorder.checkpoints[-1].epoch == len(recorder.rows)


def test_weights_that_are_finite_in_training_and_not_in_validation_are_not_kept():
    settings = {"optimizer": {"SGD": {"learning_rate": 1e30}}, "batch_size": "all", "epochs": 3}
    layers = ["Flatten", {"Dense": {"units": 16}}, {"Dense": {"units": 10}}]
    recorder = Memory()
    with pytest.raises(loop.Diverged, match=r"validation loss is not finite any more after epoch 1 at"):
        trained(layers, {**settings, "loss": "mean_squared_error"}, recorder=recorder)
    assert recorder.rows == []


@pytest.mark.parametrize("moment", ["after", "stopped"])
def test_an_interrupt_while_an_epoch_is_recorded_leaves_a_whole_epoch_in_the_checkpoint(moment, monkeypatch):
    settings = {"optimizer": "adam", "batch_size": 50, "epochs": 4, "early_stopping": {"patience": 3}}
    whole, _, _ = trained(DENSE, settings)
    original, calls = getattr(loop.Watch, moment), []

    def interrupted(*arguments):
        calls.append(moment)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    recorder = Memory()
    with monkeypatch.context() as patch:
        patch.setattr(loop.Watch, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(DENSE, settings, recorder=recorder)
    checkpoint = recorder.checkpoints[-1]
    assert checkpoint.epoch == checkpoint.rows <= len(recorder.rows)
    resumed, _, _ = trained(DENSE, settings, start=checkpoint)
    for name, value in whole.weights.items():
        assert value.tobytes() == resumed.weights[name].tobytes()


@pytest.mark.parametrize(
    ("layers", "stopping"),
    [(DENSE, None), (PLAIN, {"patience": 1}), (CONV, {"patience": 1}), (RANDOM, None)],
    ids=["dense", "plain, early stopping", "conv, early stopping", "random"],
)
def test_a_training_interrupted_after_any_epoch_ends_with_the_same_bytes(layers, stopping, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)  # one after every epoch
    settings = {
        "optimizer": {"Adam": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.05, "decay_steps": 40}}}},
        "batch_size": 25, "epochs": 3, "early_stopping": stopping,
    }  # fmt: skip
    whole, kept, _ = trained(layers, settings)
    last = None
    for epoch in range(1, len(kept.rows) + 1):  # each goes on from the one before, for an epoch
        recorder = Memory(interrupt_after=epoch)
        with pytest.raises(KeyboardInterrupt):
            trained(layers, settings, recorder=recorder, start=last)
        assert [row["epoch"] for row in recorder.rows] == [epoch]
        last = recorder.checkpoints[-1]
    resumed, rest, _ = trained(layers, settings, start=last)
    assert rest.rows == []
    for name, value in whole.weights.items():
        assert value.tobytes() == resumed.weights[name].tobytes(), name
    assert (resumed.best_epoch, resumed.stopped) == (whole.best_epoch, whole.stopped)
