"""The trained nets whose pages are looked at."""

from __future__ import annotations

import functools
from collections.abc import Callable
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

NETS = {
    "regions": """
data: {name: spirals, samples_per_class: 60, validation: 60, test: 30}
model: {kind: classifier, layers: [{Dense: {units: 8, activation: tanh}}, {Dense: {units: 3, activation: softmax}}]}
training: {epochs: 5, snapshots: 4, optimizer: {Adam: {learning_rate: 0.03}}}
""",
    "field": """
data: {name: moons, samples: 300, train: 200, validation: 50, test: 50, preprocess: [standardize]}
model: {kind: autoencoder, encoder: [{Dense: {units: 8, activation: relu}}], decoder: mirror}
training: {epochs: 5, snapshots: 4, loss_per: sample, optimizer: {Adam: {learning_rate: 0.01}}}
""",
    "curve": """
data: {name: function_1d, function: sine, samples: 60, target_scaling: standardize}
model: {kind: regressor, layers: [{Dense: {units: 4, activation: tanh}}, {Dense: 1}]}
training: {epochs: 5, snapshots: 4, optimizer: {Adam: {learning_rate: 0.03}}}
""",
    "pca": """
data: {name: digits, train: 300, validation: 50, test: 50}
model: {kind: pca, components: 5}
""",
    "rbm": """
data: {name: digits, train: 300, validation: 60, test: 50}
model: {kind: rbm, hidden: 8}
training: {epochs: 3, snapshots: 3}
""",
}


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run of a net of NETS, trained when a test first needs it."""
    folder = tmp_path_factory.mktemp("nets")

    @functools.cache
    def trained(name: str) -> Path:
        (folder / f"{name}.yaml").write_text(f"name: {name}\n{NETS[name]}\nplots: []\n")
        mlphys("train", folder / f"{name}.yaml", "--out", folder / name, "--quiet")
        return folder / name

    return trained


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small, evaluated, and code, trained only; who changes a run copies it."""
    folder = tmp_path_factory.mktemp("pages")
    for name, text in (("small", CLASSIFIER), ("code", AUTOENCODER)):
        (folder / f"{name}.yaml").write_text(text)
        mlphys("train", folder / f"{name}.yaml", "--out", folder / name, "--quiet")
    mlphys("evaluate", folder / "small")
    return folder
