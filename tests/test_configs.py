"""Every config that comes along, from training to pictures, on little data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlphys.config.load import load
from mlphys.config.pretrained import runs_before
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
    for source in runs_before(path):
        train_an_epoch(path.with_name(f"{source}.yaml"))
    train_an_epoch(path)
    experiment = load(path).experiment
    mlphys("evaluate", "--split", "test" if experiment.data.test else "train")
    pictures = read(path).data["plots"]
    mlphys("plot", "--only", ",".join(pictures))
    for picture in pictures:
        assert Path("runs", path.stem, "1", "figures", f"{picture}.png").exists()


def train_an_epoch(path: Path) -> None:
    """Without pictures, which training and evaluation would draw once each."""
    experiment = load(path).experiment
    most = {"train": 400, "validation": 50, "test": 50}
    few = experiment.data.name != "image_function"  # its picture needs the pixels
    little: dict[str, int] = (
        {} if not few else {f"data.{split}": min(getattr(experiment.data, split), size) for split, size in most.items()}
    )
    if experiment.model.ITERATIVE:
        little["training.epochs"] = 1
    for name, phase in (experiment.training.phases or {}).items():
        little |= {f"training.phases.{name}.epochs": 1} if phase.epochs else {}
        little |= {f"training.phases.{name}.labels": 50} if phase.labels else {}
    if experiment.training.steps_per_epoch:
        little["training.steps_per_epoch"] = 2
    sets = [word for key, value in little.items() for word in ("--set", f"{key}={value}")]
    mlphys("train", path, *sets, "--set", "plots=[]", "--quiet")
