"""Sound configs, runs and studies, which the families damage."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

TEMPORARY = tempfile.gettempdir()  # cases have another one
NETWORK = "model: {kind: classifier, layers: [LAYER, Flatten, {Dense: {units: 10, activation: softmax}}]}\n"
CONFIG = f"name: small\ndata: {{name: digits}}\n{NETWORK}".replace("LAYER, ", "")
REGRESSION = "data: {name: function_1d, function: sine}\nmodel: {kind: regressor, layers: [{Dense: {units: 1}}]}\n"
PCA = "model: {kind: pca, components: 2}\n"
SPLITS = "train: 60, validation: 20, test: 20"
TRAINED = f"""
name: small
data: {{name: digits, {SPLITS}}}
model: {{kind: classifier, layers: [Flatten, {{Dense: {{units: 10, activation: softmax}}}}]}}
training: {{optimizer: adam, loss: categorical_crossentropy, epochs: 3}}
plots: [learning_curves, filters, confusion_matrix, misclassified]
analysis: [size]
expect: {{test.accuracy: [0, 1]}}
"""


def wrote(name: str, content: str | bytes) -> Callable[[], None]:
    """A preparation: this file in the working folder, and folders for it."""
    return partial(write, name, content)


def write(name: str, content: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))


def after(*preparations: Callable[[], object]) -> Callable[[], None]:
    """One preparation after the other."""

    def prepare() -> None:
        for each in preparations:
            each()

    return prepare


@cache
def run_template() -> Path:
    """A finished run with every file that a run can have, written without training."""
    return _built("run", _write_run)


@cache
def study_template() -> Path:
    """A study of three seeds, measured on test."""
    return _built("study", _write_study)


def a_run(name: str = "runs/small/1") -> None:
    """A sound run in the working folder."""
    shutil.copytree(run_template(), name)


def a_study(name: str = "runs/many/1") -> None:
    shutil.copytree(study_template(), name)


def _built(name: str, write_it: Callable[[], Path]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hostile_", dir=TEMPORARY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder / write_it()


def _write_run() -> Path:
    from mlphys.io import handwriting  # noqa: F401 - what all later cases need is imported once
    from mlphys.runs.writer import RunWriter
    from mlphys.training.checkpoint import Checkpoint
    from mlphys.training.early_stopping import Watch
    from tests.helpers import fake_run

    Path("small.yaml").write_text(TRAINED)
    path = fake_run.write(Path("small.yaml"))
    writer = RunWriter(path)
    for epoch in (1, 2, 3):
        row = {"phase": "train", "epoch": epoch, "seconds": 0.1, "loss": 1 / epoch, "accuracy": 0.5}
        writer.row({**row, "validation_loss": 1.1 / epoch, "validation_accuracy": 0.4})
        writer.checkpoint(Checkpoint("train", epoch, epoch, Watch(), {}, {}))
    writer.environment({"started": "2026-01-01T00:00:00+00:00", "threads": 1, "packages": {}, "engine": {}})
    writer.status("done", stopped="epochs")
    labels = np.arange(20, dtype=np.int32) % 10
    probabilities = np.full((20, 10), 0.02, np.float32)
    probabilities[np.arange(20), labels] = 0.82
    arrays = {"labels": labels, "probabilities": probabilities, "losses": np.full(20, 0.2, np.float32)}
    shown = {"shown": np.arange(5, dtype=np.int32), "images": np.zeros((5, 8, 8, 1), np.float32)}
    writer.predictions("test", arrays | shown)
    writer.metrics({"test": {"samples": 20, "accuracy": 0.9, "accuracy_stderr": 0.06}})
    (path / "figures").mkdir(exist_ok=True)
    (path / "figures/learning_curves.csv").write_text("epoch,loss\n1,1\n")
    return path


def _write_study() -> Path:
    from tests.helpers import made_up_results

    random = np.random.default_rng(0)
    path = Path("runs/many/1")
    made_up_results.study(path, [random.random(made_up_results.SAMPLES) < 0.9 for _ in range(3)])
    return path
