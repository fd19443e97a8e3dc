"""Files of the user's own from training to prediction: what the network saw is what it sees later."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mlphys.runs.run import Run
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)
DAYS = 2459000.5 + 0.02 * RANDOM.normal(size=(60, 2))
LABELS = np.array(["late", "early"])[(DAYS.sum(axis=1) < 2 * 2459000.5).astype(int)]
ONE_UNIT = {"kind": "classifier", "layers": [{"Dense": {"units": 1, "activation": "sigmoid"}}]}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def train(data, model, loss) -> str:
    config = {"name": "own", "data": data, "model": model, "training": {"loss": loss, "epochs": 1}}
    Path("own.yaml").write_text(dump(config))
    return mlphys("train", "own.yaml")


def predicted(file, column):
    mlphys("predict", "own", file, "--out", "predicted.csv")
    rows = list(csv.DictReader(Path("predicted.csv").read_text().splitlines()))
    Path("predicted.csv").unlink()
    return [row[column] for row in rows]


def test_arrays_are_read_in_prediction_as_they_were_in_training():
    np.savez("a.npz", dates=DAYS, when=LABELS, other=LABELS)
    data = {"name": "array", "path": "a.npz", "x": "dates", "y": "when", "scale": 2.0, "validation": 0, "test": 0}
    said = train(data, ONE_UNIT, "binary_crossentropy").splitlines()
    assert said[0].startswith("x: float64, minus 2459000.")
    assert said[1] == "a.npz: 1 arrays are not used: other"
    run = Run(Path("runs/own/1"))
    assert run.data["units"]["scale"] == 2
    p = run.trained.predictions(run.dataset().train.x)["probabilities"]
    np.save("b.npy", DAYS)
    np.savetxt("b.csv", DAYS, fmt="%.9f")
    for file in ("a.npz", "b.npy", "b.csv"):
        assert np.allclose(sorted(map(float, predicted(file, "p_late"))), np.sort(p[:, 1]), atol=1e-6), file
    assert set(predicted("b.npy", "class")) <= {"early", "late"}


def test_a_table_is_read_in_prediction_as_it_was_in_training():
    sites = np.array(["N", "S"])[np.arange(60) % 2]
    cells = [
        f"{'?' if i == 7 else f'{u:.3f}'.replace('.', ',')};{s}"
        for i, (u, s) in enumerate(zip(DAYS[:, 0], sites, strict=True))
    ]
    Path("t.csv").write_text("\n".join(["u;site;y", *(f"{cell};{i}" for i, cell in enumerate(cells))]), "latin-1")
    data = {"name": "table", "path": "t.csv", "target": "y", "categories": ["site"], "missing": "mean", "test": 0}
    train({**data, "validation": 0}, {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]}, "mean_squared_error")
    run = Run(Path("runs/own/1"))
    outputs = run.trained.predictions(run.dataset().train.x)["outputs"]
    Path("new.csv").write_text(
        "\n".join(["site,u", *(f"{s},{c.split(';')[0].replace(',', '.')}" for c, s in zip(cells, sites, strict=True))])
    )
    assert np.allclose(sorted(map(float, predicted("new.csv", "y"))), np.sort(outputs[:, 0]), rtol=1e-5)


def test_signals_go_into_a_sequence_layer_as_they_are():
    np.savez("a.npz", x=RANDOM.normal(size=(40, 16, 3)), y=np.arange(40) % 2)
    layers = [{"Conv1D": {"filters": 2, "kernel_size": 3}}, "GlobalMaxPooling1D", {"Dense": {"units": 2}}]
    layers[-1]["Dense"]["activation"] = "softmax"
    train({"name": "array", "path": "a.npz"}, {"kind": "classifier", "layers": layers}, "categorical_crossentropy")
    assert Run(Path("runs/own/1")).description.shape == (16, 3)
    np.save("b.npy", np.zeros((2, 16, 3)))
    assert len(predicted("b.npy", "class")) == 2
