"""Samples that are larger than memory, through every command, against the same samples in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlphys.datasets import image_folder
from mlphys.numerics import chunked
from mlphys.schema.document import dump
from mlphys.training import prefetch
from tests.helpers.cli import mlphys
from tests.helpers.digits import load_digits

SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
CLASSIFIER = {
    "kind": "classifier",
    "layers": [{"Conv2D": {"filters": 2, "kernel_size": 3}}, {"MaxPooling2D": {"pool_size": 2}}, "Flatten", SOFTMAX],
}
AUTOENCODER = {"kind": "autoencoder", "encoder": [{"Dense": {"units": 6}}], "decoder": [{"Dense": {"units": 64}}]}
CASES = {
    "classifier": {
        "model": CLASSIFIER,
        "data": {"preprocess": ["standardize"], "imbalance": {"3": 0.5}},
        "training": {"augmentation": {"rotation": 10, "noise": 0.1}, "class_weight": "balanced"},
        "plots": ["confusion_matrix", "misclassified"],
    },
    "autoencoder": {
        "model": AUTOENCODER,
        "data": {"preprocess": ["subtract_mean"]},
        "plots": ["reconstructions", "latent"],
    },
    "pca": {"model": {"kind": "pca", "components": 0.8}, "plots": ["components"]},
}


def digits(folder: Path) -> None:
    data = load_digits()
    x = (data.images * 15).astype(np.uint8)
    for name, rows in (("train", slice(0, 400)), ("test", slice(400, 500))):
        np.save(folder / f"x_{name}.npy", x[rows])
        np.save(folder / f"y_{name}.npy", data.target[rows])


def small_pieces(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunked, "LARGEST_PIECE", 50 * 64)
    patch.setattr(prefetch, "LARGEST_BLOCK", 70 * 64)


def all_large(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunked, "LARGEST_RESIDENT", 1)
    patch.setattr(image_folder, "LARGEST_RESIDENT", 1)


@pytest.mark.parametrize("case", CASES)
def test_a_run_on_samples_on_disk_holds_the_same_bytes_as_one_on_those_in_memory(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits(tmp_path)
    config = {"name": case, **CASES[case]}
    config["data"] = {"name": "array", "path": str(tmp_path), "validation": 50, **config.get("data", {})}
    if case != "pca":
        config["training"] = {"batch_size": 32, "epochs": 2, "optimizer": "adam", **config.get("training", {})}
    Path("c.yaml").write_text(dump(config))
    small_pieces(monkeypatch)
    printed, checked = {}, []
    for name in ("here", "there"):
        printed[name] = mlphys("train", "c.yaml", "--out", name, "--set", "plots=[]", "--no-report")
        mlphys("evaluate", name, "--no-report", *(("--shift", 1, "--noise", 0.2) if case == "classifier" else ()))
        mlphys("plot", name, "--only", ",".join(config["plots"]))
        checked.append(mlphys("data", "check", "c.yaml"))
        if case == "classifier":
            mlphys("data", "show", "c.yaml", "--out", f"{name}.png")
        all_large(monkeypatch)
    assert "stay on disk" not in printed["here"]
    assert " GB of samples stay on disk; they are read once now to compute their checksum" in printed["there"]
    tables = sorted(f"figures/{path.name}" for path in Path("here/figures").glob("*.csv"))
    assert tables
    for file in ("weights.safetensors", "metrics.json", "data.json", *tables):
        assert (Path("here") / file).read_bytes() == (Path("there") / file).read_bytes(), file
    for split in ("validation", "test"):
        with np.load(f"here/predictions_{split}.npz") as here, np.load(f"there/predictions_{split}.npz") as there:
            for name in here:
                np.testing.assert_array_equal(here[name], there[name])
    assert checked[0] == checked[1]
    if case == "classifier":
        assert Path("here.png").read_bytes() == Path("there.png").read_bytes()


def test_a_run_on_images_on_disk_is_resumed_to_the_same_bytes_as_one_on_those_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = load_digits()
    for k in range(120):
        Path(f"photos/{data.target[k] % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray((data.images[k] * 15).astype(np.uint8)).save(f"photos/{data.target[k] % 2}/{k}.png")
    layers = [*CLASSIFIER["layers"][:-1], {"Dense": {"units": 2, "activation": "softmax"}}]
    config = {
        "name": "photos",
        "data": {"name": "image_folder", "path": str(tmp_path / "photos"), "greyscale": True},
        "model": {"kind": "classifier", "layers": layers},
        "training": {"batch_size": 20, "epochs": 2, "steps_per_epoch": 3},
    }
    Path("c.yaml").write_text(dump(config))
    small_pieces(monkeypatch)
    mlphys("train", "c.yaml", "--out", "here")
    all_large(monkeypatch)
    mlphys("train", "c.yaml", "--out", "there", "--set", "training.epochs=1")
    mlphys("resume", "there", "--set", "training.epochs=2")
    assert Path("here/weights.safetensors").read_bytes() == Path("there/weights.safetensors").read_bytes()


PEAK = """
import sys, threading, time
from mlphys.cli import main
peak = 0
def watch():
    global peak
    while True:
        with open("/proc/self/status") as file:
            peak = max(peak, *(int(line.split()[1]) for line in file if line.startswith("RssAnon")))
        time.sleep(0.01)
threading.Thread(target=watch, daemon=True).start()
try:
    main(sys.argv[1:])
except SystemExit as done:
    print(peak, file=sys.stderr)
    sys.exit(done.code)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells its anonymous memory on Linux only")
def test_samples_larger_than_what_is_read_into_memory_take_no_more_of_it_than_a_few_blocks(tmp_path):
    """A file without content: in memory, as float32, they and the engine's copy would take 2.4 GB."""
    samples, shape = 18_400, (128, 128)
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (samples, *shape))
    np.save(tmp_path / "y.npy", np.arange(samples) % 2)
    config = {
        "name": "large",
        "data": {"name": "array", "path": str(tmp_path), "validation": 100, "test": 100, "preprocess": [{"scale": 2}]},
        "model": {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 2, "activation": "softmax"}}]},
        "training": {"batch_size": 100, "epochs": 2, "steps_per_epoch": 12},
        "plots": [],
    }
    (tmp_path / "c.yaml").write_text(dump(config))
    command = [sys.executable, "-c", PEAK, "train", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "done"
    peak = int(process.stderr.split()[-1]) / 2**20
    assert 0.1 < peak < 1.0  # GiB
