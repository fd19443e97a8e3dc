"""Autoencoders, plain and stacked, interrupted after every epoch of every phase; what each phase trains."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlphys.config.experiment import MODELS
from mlphys.errors import Refusal
from mlphys.models import autoencoder
from mlphys.networks import tensorflow
from mlphys.schema.data import Description
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training as Settings
from mlphys.training import loop
from mlphys.training.corruption import Corrupter
from mlphys.training.progress import Silence
from tests.helpers.digits import load_digits
from tests.helpers.memory_writer import Memory

DIGITS = Description((8, 8, 1), tuple("0123456789"), 100, None)


@functools.cache
def digits() -> Splits:
    """100 samples to train, 40 to validate."""
    data = load_digits()
    x, y = (data.images[..., None] / 16).astype(np.float32), data.target.astype(np.int32)
    return Splits(Split(x[:100], y[:100]), Split(x[100:140], y[100:140]), Split(x[:0], y[:0]))


def dense(units: int, activation: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Dense": {"units": units, "activation": activation, **more}}


def training_of(model: dict[str, Any], settings: dict[str, Any], recorder: Any = None, seed: int = 0) -> loop.Training:
    parsed = Settings.model_validate(settings)
    spec = MODELS[model["kind"]].model_validate(model).completed(parsed, DIGITS, None)
    spec.check(parsed, DIGITS)
    tensorflow.reset_names()  # as in a new process
    network = replace(spec.build(DIGITS, seed), compiles_in_xla=False)  # which takes longer than the training
    phases = spec.phases(parsed, DIGITS, network, digits().train)
    return loop.Training(network, phases, digits(), None, seed, {}, recorder or Memory(), Silence())


def plain(encoder: Any, decoder: Any = "mirror", **more: Any) -> dict[str, Any]:
    return {"kind": "autoencoder", "encoder": encoder, "decoder": decoder, **more}


NOISE = {"GaussianNoise": {"stddev": 0.3}, "clip": [0, 1]}
STACKED = {
    "kind": "stacked_autoencoder",
    "stages": [
        {"encoder": [dense(12, "sigmoid")], "corruption": {"masking": 0.2}, "tied": True},
        {"encoder": [dense(6, "sigmoid")], "corruption": {"masking": 0.1}, "contraction": 0.01},
    ],
    "head": [{"Dropout": {"rate": 0.1}}, dense(10, "softmax")],
}
PHASES = {
    "pretrain": {"epochs": 2},
    "fine_tune": {"epochs": 1, "optimizer": "sgd"},
    "head": {"epochs": 2, "labels": 30, "batch_size": 7},
}
BASIC = {"optimizer": {"Adam": {"learning_rate": 0.02}}, "batch_size": 25, "epochs": 2}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fresh noise": (plain([dense(8, "relu")], corruption=NOISE), BASIC),
    "fixed noise": (plain([dense(8, "relu")], corruption={**NOISE, "fixed": True}), BASIC),
    "contractive": (plain([dense(8, "sigmoid")], contraction=0.1), BASIC),
    "contractive deep": (plain([dense(8, "tanh"), dense(4, "tanh")], contraction=0.1), BASIC),
    "tied": (
        plain([dense(8, "relu"), dense(4)], tied=True),
        {**BASIC, "batch_size": 30, "early_stopping": {"patience": 1}},
    ),
    "variational": (plain([dense(8, "relu"), dense(4)], [dense(64)], variational={}), BASIC),
    "k-sparse": (plain([dense(12)], sparsity={"k": 3}), BASIC),
    "stacked": (STACKED, {**BASIC, "loss": "binary_crossentropy", "phases": PHASES}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_training_that_goes_on_after_any_epoch_of_any_phase_ends_with_the_same_bytes(case, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)  # one after every epoch
    whole = training_of(*CASES[case])
    outcome = whole.run()
    rows = whole.recorder.rows
    assert [checkpoint.rows for checkpoint in whole.recorder.checkpoints] == [*range(1, len(rows) + 1)]
    last = None
    for row in rows:  # each goes on from the one before, for an epoch
        recorder = Memory(interrupt_after=1)
        with pytest.raises(KeyboardInterrupt):
            training_of(*CASES[case], recorder).run(last)
        assert [{**each, "seconds": 0} for each in recorder.rows] == [{**row, "seconds": 0}]
        last = recorder.checkpoints[-1]
    resumed = training_of(*CASES[case]).run(last)
    for name, value in outcome.weights.items():
        assert value.tobytes() == resumed.weights[name].tobytes(), name
    assert (resumed.best_epoch, resumed.stopped) == (outcome.best_epoch, outcome.stopped)


def test_another_seed_draws_another_corruption():
    model, settings = CASES["fresh noise"]
    still = {**settings, "optimizer": {"SGD": {"learning_rate": 1e-12}}, "shuffle": False, "batch_size": "all"}

    def losses(fixed: bool, seed: int = 0) -> list[float]:
        training = training_of({**model, "corruption": {**NOISE, "fixed": fixed}}, still, seed=seed)
        training.run()
        return [row["loss"] for row in training.recorder.rows]

    assert len(set(losses(fixed=False))) == 2
    assert len(set(losses(fixed=True))) == 1
    assert losses(fixed=True) != losses(fixed=True, seed=1)


def test_validation_is_corrupted_once_and_measured_against_the_clean_samples():
    model, settings = CASES["fresh noise"]
    still = {**settings, "optimizer": {"SGD": {"learning_rate": 1e-12}}}
    training = training_of(model, still)
    training.run()
    validation = digits().validation
    corruption = autoencoder.Autoencoder.model_validate(model).corruption
    noisy = Corrupter(corruption, 0, "train, validation")(validation).x
    r = training.network.model(noisy.reshape(40, 64)).numpy()
    expected = ((r - validation.x.reshape(40, 64)) ** 2).mean()
    assert [row["validation_loss"] for row in training.recorder.rows] == pytest.approx([expected] * 2, rel=1e-5)


class EndOfPhases(Memory):
    """Remembers the weights at the last epoch of each phase."""

    @property
    def weights(self) -> dict[str, dict[str, np.ndarray]]:
        return {checkpoint.phase: dict(checkpoint.tensors) for checkpoint in self.checkpoints}


def stacked_weights(settings: dict[str, Any], **more: Any) -> tuple[dict[str, dict[str, np.ndarray]], loop.Training]:
    """Of each phase's end, and of the start; and the training."""
    recorder = EndOfPhases()
    training = training_of({**STACKED, **more}, {**BASIC, "loss": "binary_crossentropy", **settings}, recorder)
    start = {f"weights/{name}": variable.numpy() for name, variable in training.network.weights.items()}
    training.run()
    return {"start": start, **recorder.weights}, training


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    """The parts of the net whose bytes are others."""
    weights = [name for name in before if name.startswith("weights/")]
    others = [name for name in weights if before[name].tobytes() != after[name].tobytes()]
    return {".".join(name.removeprefix("weights/").split(".")[:3]) for name in others}


STAGE_0, STAGE_1 = ({f"stages.{i}.{part}" for part in ("encoder", "decoder")} for i in (0, 1))


@pytest.fixture(scope="module")
def in_phases() -> tuple[dict[str, dict[str, np.ndarray]], loop.Training]:
    """A training of all phases, with what it tracks."""
    return stacked_weights({"phases": PHASES, "track": ["weight_norms", "gradient_norms", "saturation"]})


def test_each_phase_trains_its_own_part_of_the_net_and_no_other(in_phases):
    weights, _ = in_phases
    assert list(weights) == ["start", "pretrain_0", "pretrain_1", "fine_tune", "head"]
    assert changed(weights["start"], weights["pretrain_0"]) == STAGE_0
    assert changed(weights["pretrain_0"], weights["pretrain_1"]) == STAGE_1
    assert changed(weights["pretrain_1"], weights["fine_tune"]) == STAGE_0 | STAGE_1
    assert changed(weights["fine_tune"], weights["head"]) == {"stages.0.encoder", "stages.1.encoder", "head.1.Dense"}


def test_a_head_on_frozen_encoders_leaves_their_bytes_and_sees_them_without_noise():
    moving = [dense(12, "sigmoid"), "BatchNormalization", {"Dropout": {"rate": 0.5}}]
    stage = {"encoder": moving, "decoder": [dense(64, "sigmoid")]}
    head = [dense(10, "softmax", kernel_initializer="zeros")]
    settings = {
        "phases": {"pretrain": {"epochs": 1}, "head": {"epochs": 1, "batch_size": "all", "optimizer": {
            "SGD": {"learning_rate": 0.5}}}}
    }  # fmt: skip
    weights, training = stacked_weights(settings, stages=[stage], head=head, frozen=True)
    assert changed(weights["pretrain_0"], weights["head"]) == {"head.0.Dense"}
    codes = training.network.encoder(digits().train.x.reshape(100, 64), training=False).numpy()
    targets = np.eye(10)[digits().train.y]
    step = 0.5 * codes.T.astype(np.float64) @ (targets - 0.1) / 100
    np.testing.assert_allclose(weights["head"]["weights/head.0.Dense.kernel"], step, atol=1e-6)


def test_a_stage_is_trained_on_the_codes_of_the_one_before_and_measured_there():
    stages = [{"encoder": [dense(12, "sigmoid")]}, {"encoder": [dense(6, "sigmoid")]}]
    still = {"SGD": {"learning_rate": 1e-12}}
    settings = {"phases": {"pretrain": {"epochs": 1, "optimizer": still}}, "loss": "mean_squared_error"}
    weights, training = stacked_weights(settings, stages=stages, head=[])
    w = {name.removeprefix("weights/"): value.astype(np.float64) for name, value in weights["start"].items()}

    def sigmoid(x: np.ndarray, layer: str) -> np.ndarray:
        return 1 / (1 + np.exp(-(x @ w[f"stages.{layer}.0.Dense.kernel"] + w[f"stages.{layer}.0.Dense.bias"])))

    for split, column in ((digits().train, "loss"), (digits().validation, "validation_loss")):
        below = sigmoid(split.x.reshape(len(split), 64), "0.encoder")
        r = sigmoid(sigmoid(below, "1.encoder"), "1.decoder")
        assert training.recorder.rows[1][column] == pytest.approx(((r - below) ** 2).mean(), rel=1e-5)


def test_a_head_with_n_labels_sees_the_first_n_samples_and_no_other():
    labels = {"phases": {"pretrain": {"epochs": 0}, "head": {"epochs": 2, "labels": 30}}}
    weights, training = stacked_weights(labels)
    others = Splits(
        Split(np.concatenate([digits().train.x[:30], digits().train.x[30:] * 0]), digits().train.y),
        digits().validation, digits().test,
    )  # fmt: skip
    recorder = EndOfPhases()
    again = training_of(STACKED, {**BASIC, "loss": "binary_crossentropy", **labels}, recorder)
    again.dataset = others
    again.run()
    assert changed(weights["head"], recorder.weights["head"]) == set()
    under_way = loop.PhaseInTraining(again, again.phases[-1], [], None)
    assert (under_way.engine.samples, len(under_way.samples.train)) == (30, 30)
    # validation keeps all its labels
    p = training.network.head.classifier(digits().validation.x.reshape(40, 64)).numpy()
    right = (p.argmax(1) == digits().validation.y).mean()
    assert training.recorder.rows[-1]["validation_accuracy"] == pytest.approx(right)


def test_every_row_has_the_columns_of_all_phases_empty_where_a_phase_has_none(in_phases):
    _, training = in_phases
    measured = ["loss", "reconstruction_loss", "mse", "accuracy"]
    columns = ["phase", "epoch", "seconds", *measured, *(f"validation_{name}" for name in measured), "learning_rate"]
    rows = training.recorder.rows
    assert [row["phase"] for row in rows] == [
        "pretrain_0", "pretrain_0", "pretrain_1", "pretrain_1", "fine_tune", "head", "head",
    ]  # fmt: skip
    for row in rows:
        assert [name for name in row if "." not in name] == columns
        empty = {"accuracy"} if row["phase"] != "head" else {"reconstruction_loss", "mse"}
        assert {name for name in measured if row[name] is None} == empty
        assert {name for name in measured if row[f"validation_{name}"] is None} == empty


@pytest.mark.parametrize(
    ("model", "settings", "where", "why"),
    [
        (
            {"head": []},
            {"phases": {"head": {}}},
            "training.phases.head",
            "there is no head to train; add model.head",
        ),
        (
            {},
            {"phases": {"pretrain": {}}},
            "training.phases",
            "none of them trains the head; add head, or leave model.head out",
        ),
        (
            {"head": [], "frozen": True},
            {},
            "model.frozen",
            "keeps the encoders as they are while a head is trained; add model.head",
        ),
        (
            {},
            {"phases": {"pretrain": {"labels": 10}, "head": {}}},
            "training.phases.pretrain.labels",
            "only the head is trained with labels; leave it out",
        ),
        (
            {},
            {"phases": {"head": {"labels": 101}}},
            "training.phases.head.labels",
            "there are 100 training samples; lower labels, or raise data.train",
        ),
        (
            {},
            {"phases": {"head": {"early_stopping": {"monitor": "validation_mse"}}}},
            "training.phases.head.early_stopping.monitor",
            "validation_mse is not recorded in this phase; it has loss, accuracy",
        ),
        (
            {},
            {"early_stopping": {"monitor": "validation_accuracy"}},
            "training.phases.pretrain.early_stopping.monitor",
            "validation_accuracy is not recorded in this phase; it has loss, reconstruction_loss, mse",
        ),
        (
            {},
            {"early_stopping": {"monitor": "validation_mse"}},
            "training.phases.head.early_stopping.monitor",
            "validation_mse is not recorded in this phase; it has loss, accuracy",
        ),
        (
            {"head": [dense(9, "softmax")]},
            {},
            "model.head.0",
            "the output is 9, and there are 10 classes",
        ),
        (
            {"head": [dense(10)]},
            {},
            "model.head.0",
            "a head is trained by cross-entropy; add activation: softmax to its last layer",
        ),
        (
            {"stages": [{"encoder": [dense(9, "relu")]}, {"encoder": [dense(5, "sigmoid")]}]},
            {"loss": "binary_crossentropy"},
            "model.stages.0.encoder.0",
            "the codes that stage 1 gives back need not lie between 0 and 1, as its binary_crossentropy takes them; "
            "end this encoder in a layer with activation: sigmoid, or choose another loss",
        ),
        (
            {"stages": [{"encoder": [dense(9)]}, {"encoder": [dense(5)], "corruption": {"occlude": {"size": 2}}}]},
            {},
            "model.stages.1.corruption.occlude",
            "cuts squares out of images; these samples are none",
        ),
    ],
)  # fmt: skip
def test_phases_that_do_not_fit_the_model_are_refused_with_their_place(model, settings, where, why):
    with pytest.raises(Refusal) as caught:
        training_of({**STACKED, **model}, settings)
    assert (".".join(map(str, caught.value.path)), caught.value.text) == (where, why)


def test_what_is_tracked_of_a_layer_has_a_column_in_all_phases_empty_where_it_is_not_trained(in_phases):
    _, training = in_phases
    first, *_, last = training.recorder.rows
    assert list(first) == list(last)
    assert first["weight_norm.stages.0.encoder.0.Dense"] > 0
    assert first["weight_norm.head.1.Dense"] is last["gradient_norm.stages.0.decoder.0.Dense"] is None
    assert last["gradient_norm.head.1.Dense"] > 0
    assert first["saturation.stages.1.encoder.0.Dense"] is None
    assert last["saturation.stages.1.encoder.0.Dense"] >= 0
