"""A batch in parts is the batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mlphys import machine
from mlphys.config.experiment import MODELS
from mlphys.schema.training import Training
from mlphys.training import microbatches
from tests.helpers.waiting import ended, killed_if_stuck
from tests.training.test_engine import DIGITS, digits, trained

SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
CONV = [
    {"Conv2D": {"filters": 4, "kernel_size": 5, "padding": "same", "activation": "relu",
                "kernel_regularizer": {"L2": {"l2": 0.01}}}},
    {"AveragePooling2D": {"pool_size": 2}},
    {"Conv2D": {"filters": 3, "kernel_size": 3, "activation": "tanh"}},
    "Flatten",
    SOFTMAX,
]  # fmt: skip
NORMALIZED = [CONV[0], "BatchNormalization", "Flatten", SOFTMAX]
DENSE = ["Flatten", SOFTMAX]
GIVEN = {"TF_NUM_INTRAOP_THREADS": "5"}


def phase(model):
    kind = MODELS[model["kind"]].model_validate(model)
    return kind.phases(Training(epochs=1), DIGITS, kind.build(DIGITS, 0), digits().train)[0]


def of_classifier(layers):
    return phase({"kind": "classifier", "layers": layers})


def of_autoencoder(**more):
    encoder = [CONV[0], "Flatten", {"Dense": {"units": 5, "activation": "sigmoid"}}]
    decoder = [{"Dense": {"units": 64}}, {"Reshape": {"target_shape": [8, 8, 1]}}]
    return phase({"kind": "autoencoder", "encoder": encoder, "decoder": decoder, **more})


def numbers(row):
    return {key: value for key, value in row.items() if isinstance(value, float) and key != "seconds"}


@pytest.mark.parametrize("cores", [2, 3])
def test_an_epoch_in_parts_ends_where_one_of_whole_batches_ends(cores, monkeypatch):
    settings = {
        "optimizer": {"SGD": {"learning_rate": 0.1}}, "batch_size": 49, "epochs": 2,
        "track": ["gradient_norms", "saturation"],
    }  # fmt: skip
    monkeypatch.setattr(machine, "threads", lambda: 1)
    whole, kept, _ = trained(CONV, settings)
    monkeypatch.setattr(machine, "threads", lambda: cores)
    sizes = []
    monkeypatch.setattr(
        microbatches, "sizes", lambda *of, sizes_of=microbatches.sizes: sizes.append(sizes_of(*of)) or sizes[-1]
    )
    parted, kept_parted, _ = trained(CONV, settings)
    assert sizes == [{2: [25, 24], 3: [17, 16, 16]}[cores], [5]]  # of the batches, and of the last, smaller one
    for name, weight in whole.weights.items():
        np.testing.assert_allclose(parted.weights[name], weight, atol=1e-5)
    for row, other in zip(kept.rows, kept_parted.rows, strict=True):
        assert numbers(other) == pytest.approx(numbers(row), rel=1e-4)


def test_there_are_no_more_parts_than_cores_and_vectors_have_samples_for(monkeypatch):
    conv = of_classifier(CONV)
    monkeypatch.setattr(machine, "threads", lambda: 4)
    batches = (10, 31, 50, 66)
    assert [microbatches.sizes(conv, batch, False) for batch in batches] == [
        [10],
        [16, 15],
        [13, 13, 12, 12],
        [17, 17, 16, 16],
    ]
    monkeypatch.setattr(machine, "threads", lambda: 12)
    assert len(microbatches.sizes(conv, 100, False)) == 7
    assert len(microbatches.sizes(conv, 1000, False)) == 8  # more would take long to trace
    monkeypatch.setattr(machine, "threads", lambda: 20)
    assert len(microbatches.sizes(conv, 1000, False)) == 1  # most of the cores would be idle


def test_batches_whose_samples_do_not_stand_alone_stay_whole(monkeypatch):
    monkeypatch.setattr(machine, "threads", lambda: 2)
    assert len(microbatches.sizes(of_autoencoder(), 100, False)) == 2
    assert len(microbatches.sizes(of_autoencoder(sparsity={"l1": 0.1}), 100, False)) == 2
    assert len(microbatches.sizes(of_autoencoder(), 100, True)) == 1  # on an accelerator
    whole = [
        of_classifier(NORMALIZED),
        of_classifier(DENSE),  # compiled in XLA
        of_autoencoder(sparsity={"kl": {"target": 0.1, "weight": 1}}),
        phase({"kind": "rbm", "hidden": 8}),
    ]
    assert [microbatches.sizes(each, 100, False) for each in whole] == [[100]] * 4


def test_the_order_of_random_draws_is_fixed(monkeypatch):
    monkeypatch.setattr(machine, "threads", lambda: 4)
    dropped = [{"Dropout": {"rate": 0.5}}, *CONV]
    settings = {"optimizer": "SGD", "batch_size": 64, "epochs": 2}
    first, second = (trained(dropped, settings)[0] for _ in range(2))
    assert all((first.weights[name] == second.weights[name]).all() for name in first.weights)


IMPORTED = """
import json, os, sys
import keras, tensorflow as tf
from mlphys import machine
from mlphys.models import classifier
from mlphys.networks import tensorflow
from mlphys.schema.shapes import trace
from mlphys.training import microbatches

machine.threads = lambda: 2
for line in sys.stdin:
    layers, batch, given = json.loads(line)
    if os.fork() == 0:
        os.environ.update(given)
        layers = classifier.Classifier(kind="classifier", layers=layers).layers
        rows = trace(layers, (8, 8, 1), ("model", "layers"))
        tensorflow.configure(microbatches.operation_threads(rows, batch))
        print(tf.config.threading.get_intra_op_parallelism_threads(), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def threads_of() -> Iterator[Callable[[Any, int | str, dict[str, str]], int]]:
    """What TensorFlow gives an operation: starts it, in a fork of a process that has imported it, which takes long."""
    others = {name: value for name, value in os.environ.items() if name not in GIVEN}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", IMPORTED], env=others, **pipes) as process:

        def threads(*case: Any) -> int:
            print(json.dumps(case), file=process.stdin, flush=True)
            with killed_if_stuck(process):
                return int(process.stdout.readline())

        yield threads
        process.stdin.close()
        ended(process, "a process whose input has ended to end")


@pytest.mark.parametrize(
    ("layers", "batch", "given", "expected"),
    [
        (CONV, 64, {}, 1),
        (CONV, "all", {}, 1),
        (CONV, 17, {}, 1),
        (CONV, 16, {}, 0),  # 0: as TensorFlow chooses
        (CONV, 64, GIVEN, 0),
        (DENSE, 64, {}, 0),
        (NORMALIZED, 64, {}, 0),
    ],
)
def test_operations_get_one_thread_each_where_parts_share_the_cores(threads_of, layers, batch, given, expected):
    assert threads_of(layers, batch, given) == expected
