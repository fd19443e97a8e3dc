"""Chains of dense layers by our own machine code, beside what TensorFlow makes of the same training."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlphys import machine
from mlphys.config.experiment import MODELS
from mlphys.native import processor
from mlphys.networks.compiled import Measurement
from mlphys.schema.data import Description
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training as Settings
from mlphys.training import backend, loop, native_backend, native_chain, native_measurement
from mlphys.training.backend import choose
from mlphys.training.native_backend import NativeBackend
from mlphys.training.native_measurement import NativeMeasurement
from mlphys.training.progress import Silence
from mlphys.training.tensorflow_backend import TensorFlowBackend
from tests.helpers.memory_writer import Memory
from tests.helpers.random_layers import draw_as_machine_code
from tests.training.test_engine import DIGITS, digits

CURVE = Description((3,), (), 200, None, target_shape=(2,))


def dense(units: int, activation: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Dense": {"units": units, "activation": activation, **more}}


def of_classes(*layers: Any) -> dict[str, Any]:
    return {"kind": "classifier", "layers": ["Flatten", *layers]}


def of_samples(*encoder: Any, last: str = "sigmoid", **more: Any) -> dict[str, Any]:
    return {"kind": "autoencoder", "encoder": list(encoder), "decoder": [dense(64, last)], **more}


def curve(weighted: bool) -> Splits:
    """Points on a curve in three dimensions, and two functions of it; with weights or without."""
    s = np.random.default_rng(0).uniform(-1, 1, 260)
    x = np.stack([s, s**2, s**3], axis=1).astype(np.float32)
    y = np.stack([np.sin(3 * s), np.cos(3 * s)], axis=1).astype(np.float32)
    weights = (1 + s**2).astype(np.float32)
    parts = slice(200), slice(200, None), slice(0)
    return Splits(*(Split(x[part], y[part], weights[part] if weighted else None) for part in parts))


def training_of(model: dict[str, Any], settings: dict[str, Any]) -> loop.Training:
    weighted = settings.get("weighted", False)
    settings = {key: value for key, value in settings.items() if key != "weighted"}
    kind, data = MODELS[model["kind"]], curve(weighted) if model["kind"] == "regressor" else digits()
    description = replace(CURVE if model["kind"] == "regressor" else DIGITS, weighted=weighted)
    if model.get("layers", [{}])[-1] == dense(1, "sigmoid"):
        data = Splits(*(replace(split, y=split.y % 2) for split in (data.train, data.validation, data.test)))
        description = replace(description, classes=("even", "odd"))
    parsed = Settings.model_validate(settings)
    spec = kind.model_validate(model).completed(parsed, description, None)
    spec.check(parsed, description)
    network = spec.build(description, 0)
    phases = spec.phases(parsed, description, network, data.train)
    return loop.Training(network, phases, data, None, 0, {}, Memory(), Silence())


L2 = {"L2": {"l2": 0.01}}
ADAM = {"Adam": {"learning_rate": 0.01, "beta_1": 0.8, "epsilon": 1e-4}}
MOMENTUM = {"SGD": {"learning_rate": 0.3, "momentum": 0.9}}
FALLING = {"Adam": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.02, "decay_steps": 20}}}}
FEW = {"batch_size": 25, "epochs": 2}
STAGES = [{"encoder": [dense(12, "sigmoid")]}, {"encoder": [dense(6, "sigmoid")]}]
PHASES = {"pretrain": {"epochs": 1}, "fine_tune": {"epochs": 1}, "head": {"epochs": 2, "labels": 50}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "classes": (of_classes(dense(16, "relu"), dense(10, "softmax")), {"optimizer": ADAM, "batch_size": 30}),
    "falling": (of_classes(dense(16, "tanh", use_bias=False), dense(10, "softmax")), {"optimizer": FALLING}),
    "separate activations": (
        of_classes(dense(9), {"Activation": {"activation": "sigmoid"}}, dense(9), "ReLU", dense(10), "Softmax"),
        {"optimizer": {"SGD": {"learning_rate": 0.5}}},
    ),
    "squared": (
        of_classes(dense(10, "sigmoid")),
        {
            "loss": "mean_squared_error",
            "loss_per": "sample",
            "optimizer": {"SGD": {"learning_rate": 0.3, "momentum": 0.9}},
        },
    ),
    "samples": (of_samples(dense(20, "relu"), dense(5)), {"optimizer": ADAM}),
    "binary": (
        of_samples(dense(20, "tanh")),
        {"loss": "binary_crossentropy", "loss_per": "sample", "optimizer": {"Adam": {"learning_rate": 0.003}}},
    ),
    "noisy": (of_samples(dense(20, "relu"), corruption={"masking": 0.3}), {"optimizer": ADAM, "batch_size": 17}),
    "stacked": (
        {"kind": "stacked_autoencoder", "stages": STAGES, "head": [dense(10, "softmax")]},
        {"optimizer": ADAM, "phases": PHASES},
    ),
    "random": (
        of_classes(
            {"GaussianNoise": {"stddev": 0.3}},
            dense(16, "relu"),
            {"Dropout": {"rate": 0.4}},
            dense(12, "tanh"),
            {"GaussianDropout": {"rate": 0.2}},
            {"Dropout": {"rate": 0}},
            dense(10, "softmax"),
        ),
        {"optimizer": ADAM},
    ),
    "activations by their inputs": (
        of_classes(
            dense(16, "gelu"),
            dense(12, "selu"),
            dense(12),
            {"Activation": {"activation": "mish"}},
            dense(10, "softmax"),
        ),
        {"optimizer": ADAM},
    ),
    "penalized weights and outputs": (
        of_classes(
            dense(
                16,
                "relu",
                kernel_regularizer={"L1L2": {"l1": 0.01, "l2": 0.02}},
                bias_regularizer=L2,
                activity_regularizer={"L1": {"l1": 0.03}},
            ),
            dense(10, "softmax", kernel_regularizer=L2),
        ),
        {"optimizer": {"SGD": {"learning_rate": 0.1}}},
    ),
    "penalized code": (
        of_samples("Flatten", dense(9, "sigmoid"), sparsity={"l1": 0.01, "kl": {"target": 0.1, "weight": 0.2}}),
        {"optimizer": ADAM},
    ),
    "samples of different weights": (
        {"kind": "regressor", "layers": [dense(30, "tanh", kernel_regularizer=L2), dense(2)]},
        {"weighted": True},
    ),
    "classes of different weights": (
        of_classes(dense(16, "relu", kernel_regularizer=L2), dense(10, "softmax")),
        {"optimizer": ADAM, "class_weight": "balanced"},
    ),
    "contractive": (of_samples(dense(9, "sigmoid"), contraction=0.1), {"optimizer": ADAM}),
    "tied": (
        of_samples("Flatten", dense(20, "tanh", kernel_regularizer=L2), dense(6), tied=True)
        | {"decoder": [dense(20, "tanh"), dense(64, "sigmoid", use_bias=False)]},
        {"optimizer": ADAM, "batch_size": 60},
    ),
    "random samples": (of_samples("Flatten", {"Dropout": {"rate": 0.2}}, dense(20, "relu")), {"optimizer": ADAM}),
    "two classes": (
        of_classes(dense(9, "relu", kernel_regularizer=L2), dense(1, "sigmoid")),
        {"loss": "binary_crossentropy", "class_weight": "balanced"},
    ),
    "classes by sigmoids": (
        of_classes(dense(9, "gelu"), dense(10, "sigmoid")),
        {"loss": {"BinaryCrossentropy": {"label_smoothing": 0.1}}, "loss_per": "output"},
    ),
    "distance of probabilities": (of_classes(dense(10, "softmax")), {"loss": "mean_squared_error", "optimizer": ADAM}),
    "k-sparse": (
        of_samples("Flatten", dense(30, "tanh"), sparsity={"k": 4}),
        {"optimizer": ADAM, "loss": {"Huber": {"delta": 0.3}}},
    ),
    "random code": (
        of_samples("Flatten", dense(20, "tanh"), dense(6), variational={"beta": 0.3}),
        {"optimizer": {"Adam": {"clipnorm": 0.01, "epsilon": 1e-4}}},
    ),
    "limited together": (
        of_classes(dense(16), {"LeakyReLU": {"negative_slope": 0.1}}, dense(10, "softmax")),
        {
            "optimizer": {"SGD": {"learning_rate": 0.3, "global_clipnorm": 0.1}},
            "loss": {"CategoricalCrossentropy": {"label_smoothing": 0.1}},
        },
    ),
    "limited and tied": (
        of_samples("Flatten", dense(20, "elu", kernel_regularizer=L2), tied=True, last="sigmoid")
        | {"decoder": [dense(64, "sigmoid")]},
        {"optimizer": {"SGD": {"learning_rate": 0.3, "clipnorm": 0.05}}, "batch_size": 60},
    ),
    "curve": (
        {"kind": "regressor", "layers": [dense(30, "tanh"), dense(2)]},
        {"optimizer": {"SGD": {"learning_rate": 0.1, "momentum": 0.5, "nesterov": True}}, "steps_per_epoch": 9},
    ),
}


OPTIMIZERS = {
    "Adadelta": {"learning_rate": 0.5},
    "Adagrad": {"learning_rate": 0.05},
    "Adam": {"amsgrad": True, "clipvalue": 0.002},
    "AdamW": {"learning_rate": 0.01, "epsilon": 1e-4},
    "Adamax": {"epsilon": 1e-4},
    "Lion": {"learning_rate": 0.001},
    "Nadam": {"learning_rate": 0.01, "epsilon": 1e-4},
    "RMSprop": {"momentum": 0.5, "centered": True, "epsilon": 1e-4},
}
CASES |= {
    name: (of_classes(dense(10, "softmax")), {"optimizer": {name: values}}) for name, values in OPTIMIZERS.items()
}


# of a drawn code test_random_chains.py compares the steps: its random numbers are Python's, which XLA does not compile
@pytest.mark.parametrize("case", [case for case in CASES if case != "random code"])
def test_a_chain_ends_where_tensorflow_ends(case, monkeypatch):
    if case.startswith("random"):
        draw_as_machine_code(monkeypatch)
    model, settings = CASES[case]
    ours = training_of(model, FEW | settings)
    assert {choose(phase.plan, 200).backend for phase in ours.phases} == {NativeBackend}
    outcome = ours.run()
    monkeypatch.setattr(backend, "BACKENDS", (TensorFlowBackend,))
    theirs = training_of(model, FEW | settings)
    expected = theirs.run()
    for name, value in outcome.weights.items():
        np.testing.assert_allclose(value, expected.weights[name], rtol=5e-4, atol=5e-5, err_msg=name)
    for row, other in zip(ours.recorder.rows, theirs.recorder.rows, strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - {"phase", "epoch", "seconds"}:
            assert row[name] == (other[name] and pytest.approx(other[name], rel=1e-4)), name
    slots = [run.recorder.checkpoints[-1].tensors for run in (ours, theirs)]
    assert slots[0].keys() == slots[1].keys()
    for name, value in slots[0].items():
        np.testing.assert_allclose(value, slots[1][name], rtol=2e-3, atol=5e-5, err_msg=name)


UNEQUAL = {"masking": 0.1, "emphasis": {"corrupted": 1.0, "untouched": 0.5}}
CONVOLUTION = {"Conv2D": {"filters": 2, "kernel_size": 3}}


@pytest.mark.parametrize(
    ("model", "settings", "reason"),
    [
        (of_classes(dense(16, "relu", kernel_regularizer={"OrthogonalRegularizer": {"factor": 0.02}}),
                    dense(10, "softmax")), {}, "the term 0.02 mean |cos| between the rows of kernel has no"),
        (of_classes(dense(10, "softmax", activity_regularizer=L2)), {}, "a penalty on the outputs of the last Dense"),
        (of_classes(dense(9, "relu", activity_regularizer=L2), {"Dropout": {"rate": 0.1}}, dense(10, "softmax")), {},
         "layer Dropout behind a code, or a penalty on its inputs has no"),
        (of_samples("Flatten", dense(9), {"Dropout": {"rate": 0.1}}, sparsity={"l1": 0.1}), {},
         "a penalty on what is no output of a Dense layer has no"),
        ({"kind": "classifier", "layers": [CONVOLUTION, "Flatten", dense(10, "softmax")]}, {},
         "layer Conv2D has no machine code for whole steps"),  # single convolutions may
        (of_classes(dense(9), {"Dropout": {"rate": 0.1}}, "ReLU", dense(10, "softmax")), {}, "layer ReLU has no"),
        (of_classes(dense(10, "softmax")), {"loss": "categorical_hinge"}, "CategoricalHinge behind softmax outputs"),
        (of_samples(dense(8, "relu"), last="softmax"), {}, "MeanSquaredError behind softmax outputs has no"),
        (of_classes({"ReLU": {"threshold": 1.0}}, dense(10, "softmax")), {}, "layer ReLU has no machine code"),
        (of_samples(dense(8)) | {"decoder": [{"Dropout": {"rate": 0.1}}, dense(64)], "sparsity": {"k": 3}}, {},
         "layer Dropout behind a code, or a penalty on its inputs has no"),
        (of_samples(dense(9, "tanh", activity_regularizer=L2), sparsity={"k": 3}), {},
         "sparsity: k behind a penalty on its inputs has no"),
        (of_classes("BatchNormalization", dense(10, "softmax")), {}, "layer BatchNormalization has no machine code"),
        (of_classes(dense(16, "log_softmax"), dense(10, "softmax")), {}, "activation log_softmax has no machine code"),
        (of_classes(dense(10, "softmax")), {"optimizer": "ftrl"}, "optimizer Ftrl has no machine code"),
        (of_classes(dense(10, "softmax")), {"track": ["gradient_norms"]}, "track: gradient_norms has no machine code"),
        (of_samples(dense(9, "tanh"), dense(8, "sigmoid"), contraction=0.1), {},
         "the term 0.1 sum_ij (dh_j/dx_i)^2 has no machine code"),
        (of_samples(dense(8, "relu"), corruption=UNEQUAL), {}, "times 1 where x was changed, else 0.5 has no"),
        ({"kind": "stacked_autoencoder", "stages": STAGES[:1], "head": [dense(10, "softmax")], "frozen": True}, {},
         "some of its weights are not trained"),
        ({"kind": "rbm", "hidden": 8}, {}, "its model is more than a chain of layers"),
    ],
)  # fmt: skip
def test_what_is_more_than_a_chain_goes_through_tensorflow_and_the_reason_is_reported(model, settings, reason):
    phase = training_of(model, FEW | settings).phases[-1]
    choice = choose(phase.plan, 200)
    assert choice.backend is TensorFlowBackend
    assert reason in str(choice)
    assert str(choice).startswith("steps by TensorFlow: ")


def test_large_batches_large_nets_and_machines_without_a_compiler_go_through_tensorflow(monkeypatch):
    plan = training_of(*CASES["classes"]).phases[0].plan
    most = native_chain.LARGEST_BATCH
    assert NativeBackend.refusal(plan, most, ()) is None
    assert NativeBackend.refusal(plan, most + 1, ()) == f"batches of more than {most} samples"
    tied, few = training_of(*CASES["tied"]).phases[0].plan, native_chain.LEAST_TIED_BATCH
    assert NativeBackend.refusal(tied, few, ()) is None
    assert NativeBackend.refusal(tied, few - 1, ()) == f"tied weights with batches of fewer than {few} samples"
    assert NativeBackend.refusal(plan, 30, ["GPU:0"]) == "an accelerator takes them"
    monkeypatch.setattr(native_chain, "LARGEST_NET", 64 * 16 + 16 * 10)
    assert NativeBackend.refusal(plan, 30, ()) is None
    monkeypatch.setattr(native_chain, "LARGEST_NET", 64 * 16 + 16 * 10 - 1)
    assert NativeBackend.refusal(plan, 30, ()) == "more than 1183 weights"
    monkeypatch.undo()
    monkeypatch.setattr(processor, "simd_unit", lambda: None)
    assert NativeBackend.refusal(plan, 30, ()) == "nothing can be compiled for this processor"


def test_a_phase_with_few_labels_is_judged_by_the_batches_that_it_sees():
    model = {"kind": "stacked_autoencoder", "stages": STAGES[:1], "head": [dense(10, "softmax")]}
    settings = {"batch_size": "all", "phases": {"head": {"epochs": 1, "labels": 60}}}
    [head] = training_of(model, settings).phases
    assert choose(head.plan, 5000).backend is NativeBackend


@pytest.mark.parametrize("case", [
        "samples", "random", "tied", "penalized weights and outputs", "penalized code",
        "k-sparse", "random code", "limited together", "limited and tied",
    ],
)  # fmt: skip
def test_the_number_of_threads_changes_no_bit(case, monkeypatch):
    monkeypatch.setattr(native_backend, "PRODUCTS", 1)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(machine, "cores", lambda threads=threads: threads)
        training = training_of(*CASES[case])
        outcome = training.run()
        rows = [{**row, "seconds": 0.0} for row in training.recorder.rows]
        found.append((rows, [value.tobytes() for value in outcome.weights.values()]))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("case", ["samples of different weights", "squared", "noisy", "two classes", "k-sparse"])
def test_a_split_is_measured_as_by_keras_whose_layers_are_left_alone(case, monkeypatch):
    monkeypatch.setattr(native_measurement, "AT_ONCE", 32)
    training = training_of(*CASES[case])
    under_way = loop.PhaseInTraining(training, training.phases[0], 0, None)
    under_way.begin(1)
    under_way.train(1)
    split = under_way.samples.validation
    found = under_way.engine.measurement(split)
    assert isinstance(found, NativeMeasurement)
    before = training.network.weight_arrays()
    means = found.means()
    assert all((value == before[name]).all() for name, value in training.network.weight_arrays().items())
    under_way.engine.sync_network()
    assert means == pytest.approx(Measurement(training.phases[0], split).means(), rel=1e-5)
    assert found.means() == means


@pytest.mark.parametrize("case", ["penalized code", "contractive", "random code"])
def test_what_depends_on_the_batch_or_is_drawn_in_evaluation_is_measured_by_keras(case):
    training = training_of(*CASES[case])
    under_way = loop.PhaseInTraining(training, training.phases[0], 0, None)
    assert not isinstance(under_way.validation, NativeMeasurement)


@pytest.mark.parametrize("case", ["random", "tied", "Nadam", "k-sparse", "random code", "limited together"])
def test_a_resumed_training_ends_with_the_same_bytes(case):
    model, settings = CASES[case]
    whole, cut, rest = (training_of(model, {"batch_size": 60} | settings | {"epochs": 3}) for _ in range(3))
    expected = whole.run()
    cut.recorder.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    outcome = rest.run(cut.recorder.checkpoints[-1])
    assert cut.recorder.checkpoints[-1].epoch == 1
    assert {name: value.tobytes() for name, value in outcome.weights.items()} == {
        name: value.tobytes() for name, value in expected.weights.items()
    }


def test_an_interrupt_before_all_threads_have_begun_leaves_none_of_them(monkeypatch):
    monkeypatch.setattr(native_backend, "PRODUCTS", 1)
    monkeypatch.setattr(machine, "cores", lambda: 3)
    begun, start = [], threading.Thread.start

    def interrupted(thread):
        if len(begun) == 2:
            raise KeyboardInterrupt
        begun.append(thread)
        start(thread)

    training = training_of(*CASES["samples"])
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.run()
    for thread in begun:
        thread.join(timeout=10)
        assert not thread.is_alive()
