"""The trained nets whose pages are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.cli import mlphys

DATA = "data: {name: digits, train: 400, validation: 100, test: 100, preprocess: [standardize]}"
CLASSIFIER = f"""
name: small
{DATA}
model:
  kind: classifier
  layers:
    - Conv2D: {{filters: 4, kernel_size: 3, padding: same, activation: relu}}
    - MaxPooling2D: 2
    - Flatten
    - Dense: {{units: 10, activation: softmax}}
training: {{epochs: 6, batch_size: 40, optimizer: {{Adam: {{learning_rate: 0.01}}}}}}
plots: [learning_curves, confusion_matrix]
published: {{test.accuracy: {{value: 0.9, source: <b>lecture</b> 5}}}}
about: {{remark: <img src=x onerror=alert(1)>}}
"""
AUTOENCODER = f"""
name: code
{DATA}
model:
  kind: autoencoder
  encoder: [{{Dense: {{units: 6, activation: relu}}}}]
  decoder: mirror
  corruption: {{GaussianNoise: {{stddev: 0.3}}}}
training: {{epochs: 5, batch_size: 40}}
plots: []
"""


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small, evaluated, and code, trained only; who changes a run copies it."""
    folder = tmp_path_factory.mktemp("pages")
    for name, text in (("small", CLASSIFIER), ("code", AUTOENCODER)):
        (folder / f"{name}.yaml").write_text(text)
        mlphys("train", folder / f"{name}.yaml", "--out", folder / name, "--quiet")
    mlphys("evaluate", folder / "small")
    return folder
