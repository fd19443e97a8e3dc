"""Train twelve small runs, one of each way to a number, whose metrics `scripts.verify` recomputes.

python -m scripts.verified_runs FOLDER     # then python -m scripts.verify FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from sklearn.datasets import load_digits

from mlphys.cli import main as mlphys

ADAM = {"optimizer": {"Adam": {"learning_rate": 0.01}}, "batch_size": 50, "epochs": 4}
DECAY = {"ExponentialDecay": {"initial_learning_rate": 0.02, "decay_steps": 10, "decay_rate": 0.9}}
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}


def dense(units: int, activation: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Dense": {"units": units, "activation": activation, **more}}


def autoencoder(*encoder: dict[str, Any], decoder: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"kind": "autoencoder", "encoder": list(encoder), "decoder": decoder, **more}


REGULARIZED = dense(16, "relu", kernel_regularizer={"L2": {"l2": 0.01}})
CONVOLUTION = {"Conv2D": {"filters": 3, "kernel_size": 3, "activation": "relu"}}
STAGES = [{"encoder": [dense(20, "sigmoid")]}, {"encoder": [dense(8, "sigmoid")]}]
VARIATIONAL = autoencoder(
    dense(20, "relu"), dense(6), decoder=[dense(20, "relu"), dense(64, "sigmoid")], variational={"beta": 0.5}
)

# name: model, training
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "dense": (
        {"kind": "classifier", "layers": ["Flatten", REGULARIZED, SOFTMAX]},
        {**ADAM, "optimizer": {"Adam": {"learning_rate": DECAY}}},
    ),
    "convolutional": ({"kind": "classifier", "layers": [CONVOLUTION, "Flatten", SOFTMAX]}, ADAM),
    "regression": ({"kind": "regressor", "layers": ["Flatten", dense(12, "tanh"), dense(2)]}, ADAM),
    "sparse": (autoencoder(dense(12, "relu"), decoder=[dense(64)], sparsity={"l1": 0.01}), ADAM),
    "contractive": (autoencoder(dense(12, "sigmoid"), decoder=[dense(64)], contraction=0.1), ADAM),
    "deep_contractive": (
        autoencoder(dense(14, "tanh"), dense(5, "sigmoid"), decoder=[dense(64)], contraction=0.1),
        ADAM,
    ),
    "variational": (VARIATIONAL, {**ADAM, "loss": "binary_crossentropy"}),
    "stacked": ({"kind": "stacked_autoencoder", "stages": STAGES, "head": [SOFTMAX]}, ADAM),
    "pca": ({"kind": "pca", "components": 6}, None),
    "kmeans": ({"kind": "kmeans", "clusters": 8}, None),
    "rbm": ({"kind": "rbm", "hidden": 15}, ADAM),
    "energies": ({"kind": "energy_classifier", "of": {"autoencoder": {"units": 8}}}, {**ADAM, "epochs": 10}),
}


def arrays(targets: np.ndarray) -> dict[str, np.ndarray]:
    """Digits in three splits, in the order of the file."""
    x = (load_digits().images[..., None] / 16).astype(np.float32)
    splits = {"train": slice(0, 800), "val": slice(800, 1200), "test": slice(1200, 1600)}
    return {f"{name}_{split}": a[rows] for split, rows in splits.items() for name, a in (("x", x), ("y", targets))}


def train(folder: Path) -> None:
    """Write the data, train each run into `folder`, and evaluate it on its test split."""
    digits = load_digits()
    ink = np.stack([digits.images.mean(axis=(1, 2)), digits.images.std(axis=(1, 2))], axis=1) / 16
    np.savez(folder / "classes.npz", **arrays(digits.target))
    np.savez(folder / "numbers.npz", **arrays(ink.astype(np.float32)))
    for name, (model, training) in RUNS.items():
        file = "numbers" if model["kind"] == "regressor" else "classes"
        experiment = {"name": name, "data": {"name": "array", "path": str(folder / f"{file}.npz")}, "model": model}
        config, run = folder / f"{name}.yaml", folder / name
        config.write_text(yaml.safe_dump(experiment | ({"training": training} if training else {})))
        mlphys(["train", str(config), "--out", str(run), "--quiet"], standalone_mode=False)
        mlphys(["evaluate", str(run), "--json"], standalone_mode=False)


def main() -> None:
    """Train them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    train(parser.parse_args().folder.resolve())


if __name__ == "__main__":
    main()
