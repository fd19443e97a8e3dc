"""Train seven small configs from two checkouts on this machine and compare their runs byte for byte.

python -m scripts.same_bytes ../before .     # exit code 1 if a weight, an epoch or a metric differs
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

DIGITS = {"name": "digits", "train": 400, "validation": 100, "test": 0}
SIGMOID = {"activation": "sigmoid"}
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
TRAINING = {"optimizer": "adam", "batch_size": 40, "epochs": 4}

# One for each way of training: machine code, our convolutions, XLA, phases, sampling, noise.
CONFIGS: dict[str, dict[str, Any]] = {
    "dense": {
        "model": {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 20, "activation": "relu"}}, SOFTMAX]},
        "training": TRAINING,
    },
    "convolutional": {
        "model": {
            "kind": "classifier",
            "layers": [
                {"Conv2D": {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"}},
                {"MaxPooling2D": {"pool_size": 2}},
                "Flatten",
                SOFTMAX,
            ],
        },
        "training": TRAINING,
    },
    "tied_contractive": {
        "model": {
            "kind": "autoencoder",
            "encoder": [{"Dense": {"units": 20, **SIGMOID}}],
            "decoder": "mirror",
            "tied": True,
            "contraction": 0.1,
        },
        "training": TRAINING,
    },
    "stacked": {
        "model": {
            "kind": "stacked_autoencoder",
            "stages": [
                {"encoder": [{"Dense": {"units": 24, **SIGMOID}}], "corruption": {"masking": 0.2}},
                {"encoder": [{"Dense": {"units": 12, **SIGMOID}}], "sparsity": {"l1": 1e-3}},
            ],
            "head": [SOFTMAX],
        },
        "training": {**TRAINING, "phases": {"pretrain": {}, "fine_tune": {}, "head": {}}},
    },
    "augmented": {
        "model": {"kind": "classifier", "layers": ["Flatten", SOFTMAX]},
        "training": {
            **TRAINING,
            "augmentation": {"rotation": 20, "scale": [0.8, 1.2], "shift": 2, "noise": 0.1, "edges": "reflect"},
        },
    },
    "rbm": {"model": {"kind": "rbm", "hidden": 20}, "training": TRAINING},
    "dropout": {
        "model": {
            "kind": "classifier",
            "layers": [
                "Flatten",
                {"Dense": {"units": 20, "activation": "relu"}},
                {"Dropout": {"rate": 0.3}},
                SOFTMAX,
            ],
        },
        "training": {**TRAINING, "early_stopping": {"monitor": "validation_loss", "patience": 2}},
    },
}


def trained(checkout: Path, name: str, folder: Path) -> dict[str, Any]:
    """The files by name that `mlphys train` of a checkout writes, history without seconds."""
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump({"name": name, "data": DIGITS, **CONFIGS[name]}))
    command = "from mlphys.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", command, "train", str(config), "--out", name, "--quiet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(checkout.resolve())},  # overrides the installed package
        check=True,
    )
    run = folder / name
    with (run / "history.csv").open(newline="") as file:
        history = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
    files = ("weights.safetensors", "metrics.json", "predictions_validation.npz")
    return {"history.csv": history, **{file: (run / file).read_bytes() for file in files}}


def main() -> None:
    """Print one line per config; exit code 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("configs", nargs="*", choices=[*CONFIGS, []], help="these only; default all")
    arguments = parser.parse_args()
    different = False
    for name in arguments.configs or CONFIGS:
        found = []
        for checkout in (arguments.old, arguments.new):
            with tempfile.TemporaryDirectory() as folder:
                found.append(trained(checkout, name, Path(folder)))
        changed = [file for file in found[0] if found[0][file] != found[1][file]]
        different = different or bool(changed)
        print(f"{name:18} {'DIFFERENT: ' + ', '.join(changed) if changed else 'the same bytes'}", flush=True)
    sys.exit(different)


if __name__ == "__main__":
    main()
