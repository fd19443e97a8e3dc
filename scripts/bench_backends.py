"""Time the steps that have machine code beside those of TensorFlow, which took them before: what each term gains.

python -m scripts.bench_backends                the table to stdout
python -m scripts.bench_backends --write        into docs/performance.md too

Both train the same net on the same 10 000 images of 784 values in one process, an epoch of one after an epoch of the
other; medians of nine epochs each, after one that is not counted.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml

from mlphys import machine
from mlphys.config.experiment import MODELS
from mlphys.schema.data import Description
from mlphys.schema.samples import Split
from mlphys.schema.training import Training
from mlphys.training import backend
from mlphys.training.engine import Engine
from mlphys.training.native_backend import NativeBackend
from mlphys.training.tensorflow_backend import TensorFlowBackend
from scripts import marked_tables

DOCUMENT = marked_tables.ROOT / "docs" / "performance.md"
SAMPLES, EPOCHS = 10_000, 9
NETS = Path(__file__).with_name("bench_backends.yaml")


@dataclass
class Trained:
    """A net under training by one backend, and the names of the generators of its random layers."""

    engine: Engine
    generators: tuple[str, ...]


def begun(net: dict[str, Any], taken: type[Any], data: tuple[np.ndarray, np.ndarray]) -> Trained:
    kind, training = MODELS[net["model"]["kind"]], Training.model_validate(net["training"])
    description = Description((28, 28, 1), tuple("0123456789"), SAMPLES, None)
    spec = kind.model_validate(net["model"]).completed(training, description, None)
    network = spec.build(description, 0)
    [phase, *_] = spec.phases(training, description, network, Split(*data))
    with mock.patch.object(backend, "BACKENDS", (taken, TensorFlowBackend)):
        assert backend.choose(phase.plan, SAMPLES).backend is taken, net["name"]
        return Trained(Engine(phase, Split(*data)), tuple(network.seeds))


def epoch(trained: Trained, number: int) -> float:
    """Seconds of an epoch in a random order."""
    seeds = {name: np.array([number, 1], np.uint32) for name in trained.generators}
    trained.engine.start_epoch(np.random.default_rng(number).permutation(SAMPLES), seeds)
    began = time.perf_counter()
    trained.engine.train(0, trained.engine.batches)
    return time.perf_counter() - began


def row(net: dict[str, Any], data: tuple[np.ndarray, np.ndarray]) -> list[str]:
    engines = [begun(net, taken, data) for taken in (NativeBackend, TensorFlowBackend)]
    times = np.array([[epoch(each, number) for each in engines] for number in range(EPOCHS + 1)])[1:]
    machine_code, tensorflow = (statistics.median(column) for column in times.T)
    ratios = times[:, 1] / times[:, 0]
    ratio = f"{tensorflow / machine_code:.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
    return [net["name"], f"{machine_code:.3f} s", f"{tensorflow:.3f} s", ratio]


def table() -> str:
    generator = np.random.default_rng(0)
    x = generator.random((SAMPLES, 28, 28, 1), np.float32)
    x[x < 0.7] = 0  # as many pixels as digits have
    data = x, generator.integers(10, size=SAMPLES, dtype=np.int32)
    head = "| net | machine code | TensorFlow | ratio (smallest to largest) |"
    rows = (row(net, data) for net in yaml.safe_load(NETS.read_text()))
    return marked_tables.printed(head, rows, f"{machine.cores()} cores of {machine.processor()}")


if __name__ == "__main__":
    marked_tables.benchmark(__doc__, "bench_backends", DOCUMENT, table)
