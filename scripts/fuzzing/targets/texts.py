"""What is typed or written: configs, --set, --where, --grid."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.fuzzing.contract import Open, Target
from scripts.marked_tables import ROOT

SHIPPED = (
    "conv_digits", "bottleneck_circles", "vector_field_moons", "spirals", "fit_absolute", "pca_cloud", "ising_dense",
    "circle_or_square", "stacked_circles", "image_as_function", "denoising_circles", "gradient_descent_line",
)  # fmt: skip
KINDS = (
    b"data: {name: digits}\nmodel: {kind: rbm, hidden: 8}\ntraining: {epochs: 2}\n",
    b"data: {name: digits}\nmodel: {kind: kmeans, clusters: 10}\n",
    b"data: {name: digits}\nmodel:\n  kind: autoencoder\n  encoder: [Flatten, {Dense: {units: 4, activation: relu}}]\n"
    b"  decoder: [{Dense: {units: 64}}, {Reshape: {target_shape: [8, 8, 1]}}]\n  sparsity: {k: 2}\n"
    b"study: {grid: {training.batch_size: [16, 32]}, seeds: 3}\n",
    b"data: {name: digits, preprocess: [subtract_mean, standardize], classes: [1, 2], folds: 5, fold: 0}\n"
    b"model: {kind: classifier, layers: [{Dense: {units: 2, activation: softmax, kernel_regularizer: {L2: {l2: 1e-3}}"
    b"}}]}\ntraining: {optimizer: {Adam: {learning_rate: {ExponentialDecay: {initial_learning_rate: 1e-3, decay_steps: "
    b"10, decay_rate: 0.9}}}}, early_stopping: {patience: 3}, snapshots: 5}\nexpect: {test.accuracy: [0.5, 1]}\n"
    b"plots: [learning_curves]\nanalysis: [size]\npublished: {test.accuracy: {value: 0.93, error: null, source: a}}\n",
)
CONFIG = (
    b"data: {name: digits}\nmodel:\n  kind: classifier\n"
    b"  layers: [Flatten, {Dense: {units: 8}}, {Dense: {units: 10, activation: softmax}}]\n"
)
SETTINGS = (
    b"training.epochs=5", b"model.layers.1={Dense: {units: 3, activation: relu}}",
    b"training.optimizer={Adam: {learning_rate: 1e-3}}", b"seed=3",
    b"data.preprocess=[standardize]\ntraining.batch_size=all", b"model.layers.1.Dense.units=12",
    b"expect.test.accuracy=[0.5, 1]", b"model.layers=[Flatten, {Dense: {units: 10, activation: softmax}}]",
    b"training.early_stopping={monitor: validation_accuracy, patience: 5}", b"data.classes=[0, 1, 2]",
    b"about={id: a, remark: 'b'}", b"training.loss={CategoricalFocalCrossentropy: {gamma: 2}}",
)  # fmt: skip
CONDITIONS = (
    b"test.accuracy > 0.98 and training.batch_size == 100", b"not (name == 'small' or seed in [1, 2, 3])",
    b"model.kind in ['pca', \"kmeans\"]", b"epochs >= 3 and not state == done", b"seed < -1.5e3 or a.b.c != true",
)  # fmt: skip
GRIDS = (
    b"training.batch_size=[16,32,64]", b"training.optimizer.Adam.learning_rate=1e-3:1:log7", b"seed=0:5:lin6",
    b"model.layers={small: [Flatten], large: [{Dense: {units: 3}}]}\nseed=[1, 2]", b"a.b=[true, 1, null, 'x']",
    b"training.epochs=1:10", b"data.train=[100, 1e3]",
)  # fmt: skip


def _text(content: bytes) -> str:
    return os.fsdecode(content)  # as the arguments of a command


def _configs() -> list[bytes]:
    return [*(ROOT.joinpath("configs", f"{name}.yaml").read_bytes() for name in SHIPPED), *KINDS]


def _config(folder: Path) -> Open:
    from mlphys.config.load import load

    def opened(content: bytes) -> object:
        Path("c.yaml").write_bytes(content)
        return load(Path("c.yaml"))

    return opened


def _set(folder: Path) -> Open:
    from mlphys.config.load import load

    Path("c.yaml").write_bytes(CONFIG)
    return lambda content: load(Path("c.yaml"), _text(content).split("\n"))


def _where(folder: Path) -> Open:
    from mlphys.studies import run_table, where

    rows = [
        {"name": "small", "state": "done", "seed": 1, "test.accuracy": 0.9, "epochs": 3, "model.kind": "pca"},
        {"name": None, "state": "running", "seed": 2.5, "test.accuracy": None, "epochs": True, "a.b.c": [1, {"b": 2}]},
    ]
    return lambda content: run_table.selected(rows, where.parse(_text(content)), None, [])


def _grid(folder: Path) -> Open:
    from mlphys.studies import members

    def opened(content: bytes) -> object:
        found = members.grid(_text(content).split("\n"))
        return {key: members._options(key, values, "--grid") for key, values in found.items()}

    return opened


TARGETS = (
    Target("config", _configs, _config, longest=8192),
    Target("set", lambda: list(SETTINGS), _set, longest=1024),
    Target("where", lambda: list(CONDITIONS), _where, longest=1024),
    Target("grid", lambda: list(GRIDS), _grid, longest=1024),
)
