"""Every config that comes along, from training to pictures, on little data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mlphys.analysis import gabor
from mlphys.config.load import load
from mlphys.config.pretrained import runs_before
from mlphys.schema.data import Dataset
from mlphys.schema.document import read
from tests.helpers.cli import mlphys

pytestmark = [pytest.mark.configs, pytest.mark.usefixtures("_mnist_is_read_once")]

CONFIGS = Path(__file__).parents[1] / "configs"


def needs_mnist(path: Path) -> bool:
    return "mnist" in path.stem


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_trains_an_epoch_on_little_data(path, tmp_path, monkeypatch):
    if needs_mnist(path) and not (Path(os.environ.get("MLPHYS_DATA", "")) / "mnist.npz").is_file():
        pytest.skip("MLPHYS_DATA names no folder with mnist.npz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gabor, "STARTS", 1)  # of 200 fits, each from several
    for source in runs_before(path):
        train_an_epoch(path.with_name(f"{source}.yaml"))
    train_an_epoch(path)
    experiment = load(path).experiment
    mlphys("evaluate", "--split", "test" if experiment.data.test else "train")
    pictures = read(path).data["plots"]
    mlphys("plot", "--only", ",".join(pictures))
    for picture in pictures:
        assert Path("runs", path.stem, "1", "figures", f"{picture}.png").exists()


def little_generated(data: Dataset, enough: int) -> dict[str, int]:
    """Of data drawn from a formula no more than `enough` samples, which are drawn before they are split."""
    drawn = data.describe().samples
    return {
        f"data.{key}": max(1, enough * getattr(data, key) // drawn)
        for key in type(data).model_fields
        if key in ("samples", "samples_per_temperature", "samples_per_class") and drawn > enough
    }


def train_an_epoch(path: Path) -> None:
    """Without pictures, which training and evaluation would draw once each."""
    experiment = load(path).experiment
    most = {"train": 400, "validation": 50, "test": 50}
    few = experiment.data.name != "image_function"  # its picture needs the pixels
    little: dict[str, Any] = (
        {} if not few else {f"data.{split}": min(getattr(experiment.data, split), size) for split, size in most.items()}
    )
    if experiment.model.ITERATIVE:
        little["training.epochs"] = 1
    for name, phase in (experiment.training.phases or {}).items():
        little |= {f"training.phases.{name}.epochs": 1} if phase.epochs else {}
        little |= {f"training.phases.{name}.labels": 50} if phase.labels else {}
    if experiment.training.steps_per_epoch:
        little["training.steps_per_epoch"] = 2
    if few:
        little |= little_generated(experiment.data, 2 * sum(most.values()))  # twice: a config may leave out a class
    if experiment.model.kind == "energy_classifier":
        little["data.classes"] = [3, 5, 8]  # a net for each; of these some are misclassified
    sets = [word for key, value in little.items() for word in ("--set", f"{key}={value}")]
    mlphys("train", path, *sets, "--set", "plots=[]", "--quiet")
