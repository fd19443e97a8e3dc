"""Runs and studies with made-up predictions, written without training."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import yaml

from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.studies.study_file import Study, StudyFile
from tests.helpers import fake_run

CONFIG = {
    "name": "small",
    "data": {"name": "digits"},
    "model": {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]},
    "plots": [],
}
SAMPLES = 359  # of the test split of digits


def classifier(right: np.ndarray, folder: Path | None = None, **changes: object) -> Path:
    """A run of a classifier of digits that has the test samples of `right` (SAMPLES,) right."""
    config = Path("made_up.yaml")
    config.write_text(yaml.safe_dump({**CONFIG, **changes}))
    path = fake_run.write(config)
    labels = np.arange(SAMPLES, dtype=np.int32) % 10
    probabilities = np.full((SAMPLES, 10), 0.02, np.float32)
    probabilities[np.arange(SAMPLES), np.where(right, labels, (labels + 1) % 10)] = 0.82
    writer = RunWriter(path)
    writer.predictions(
        "test",
        {
            "labels": labels, "probabilities": probabilities, "losses": np.where(right, 0.2, 3.9).astype(np.float32),
            "shown": np.zeros(0, np.int32), "images": np.zeros((0, 8, 8, 1), np.float32),
        },
    )  # fmt: skip
    accuracy = float(np.mean(right))
    writer.metrics({"test": {"samples": SAMPLES, "accuracy": accuracy, "accuracy_stderr": 0.01}})
    if folder:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, folder)
    return folder or path


def study(path: Path, rights: list[np.ndarray], **changes: object) -> Study:
    """A study of as many seeds as there are `rights`, evaluated on test."""
    records = []
    for number, right in enumerate(rights, 1):
        run = Run(classifier(right, path / "members" / str(number), **{**changes, "seed": number}))
        records.append(
            {
                "number": number, "overrides": {"seed": number}, "labels": {}, "directory": f"members/{number}",
                "state": "done", "epochs": 1, "seconds": 1.0, "metrics": {"test": run.metrics["test"]},
            }
        )  # fmt: skip
    content = {
        "mlphys": "0", "command": "train", "name": "small", "source": "f.yaml", "config": {**CONFIG, **changes},
        "grid": {}, "seeds": list(range(1, len(rights) + 1)), "folds": None, "evaluated": "test", "chooses": False,
        "executor": {"name": "this process", "workers": 0}, "threads": 1, "members": records,
    }  # fmt: skip
    found = Study(path)
    found.write(StudyFile.model_validate(content))
    return found
