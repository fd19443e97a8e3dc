"""Regression in the targets' units, weights of samples, a learning rate that falls: from the config to the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from mlphys.runs.run import Run
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys, reason

N = 120
LINEAR = [{"Dense": {"units": 2}}]
SOFTMAX = [{"Dense": {"units": 2, "activation": "softmax", "kernel_initializer": "zeros"}}]
DESCENT = {"optimizer": {"SGD": {"learning_rate": 0.5}}, "batch_size": "all", "epochs": 4}
CONFIGS: dict[str, Any] = {
    "scaled": {
        "data": {"name": "table", "path": "own.csv", "features": ["a", "b"], "target": ["mass", "energy"]},
        "model": {"kind": "regressor", "layers": LINEAR},
        "training": {"optimizer": {"Adam": {"learning_rate": 0.1}}, "epochs": 20},
        "plots": ["predicted_against_true", "residuals"],
    },
    "weighted": {
        "data": {"name": "table", "path": "own.csv", "features": ["a", "b"], "target": "label", "weights": "w"},
        "model": {"kind": "classifier", "layers": SOFTMAX},
        "training": DESCENT,
        "plots": ["confusion_matrix", "roc", "precision_recall", "reliability"],
    },
    "plateau": {
        "data": {"name": "moons", "samples": 60},
        "model": {"kind": "classifier", "layers": [{"Dense": {"units": 2, "activation": "softmax"}}]},
        "training": {"epochs": 6, "reduce_lr_on_plateau": {"factor": 0.5, "patience": 1, "min_delta": 1.0}},
    },
}
CONFIGS["scaled"]["data"]["target_scaling"] = "standardize"


def write_table(path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(N, 2))
    mass, energy = 5 + x[:, 0] + 0.1 * random.normal(size=N), 1000 + 50 * x[:, 1] + random.normal(size=N)
    label = np.where(x[:, 0] + random.normal(size=N) > 0, "signal", "background")
    weight = random.exponential(size=N) + 0.01
    rows = np.stack([*x.T.astype(str), mass.astype(str), energy.astype(str), label, weight.astype(str)], axis=1)
    path.write_text("\n".join(["a,b,mass,energy,label,w", *(",".join(row) for row in rows)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a table and an evaluated run of each config."""
    path = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        write_table(Path("own.csv"))
        for name, config in CONFIGS.items():
            Path(f"{name}.yaml").write_text(dump({"name": name, **config}))
            mlphys("train", f"{name}.yaml", "--quiet", "--no-report")
            mlphys("evaluate", name)
    return path


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def run(name: str) -> Run:
    return Run(Path("runs", name, "1"))


def test_predictions_and_metrics_are_in_the_targets_units_and_the_loss_in_scaled_ones():
    arrays, metrics, dataset = run("scaled").predictions("test"), run("scaled").metrics["test"], run("scaled").dataset()
    assert arrays is not None
    np.testing.assert_array_equal(arrays["labels"], dataset.test.y)
    assert metrics["mse"] == pytest.approx(((arrays["outputs"] - arrays["labels"]) ** 2).mean(), rel=1e-5)
    assert metrics["per_target"]["energy"]["r2"] > 0.8
    spread = dataset.train.y.std(axis=0)
    scaled = (arrays["outputs"] - arrays["labels"]) / spread
    np.testing.assert_allclose(arrays["losses"], (scaled**2).mean(axis=1), rtol=1e-3)


def test_predict_names_the_targets_and_is_the_network_of_the_run():
    Path("new.csv").write_text("b,a\n0.5,1\n")
    header, row = mlphys("predict", "scaled", "new.csv").splitlines()
    assert header == "file,sample,mass,energy"
    of_run = run("scaled").trained
    [[mass, energy]] = of_run.predictions(np.array([[1, 0.5]], np.float32))["outputs"]
    assert [float(value) for value in row.split(",")[2:]] == pytest.approx([mass, energy])
    np.testing.assert_allclose(of_run.output("outputs")(np.array([[1, 0.5]], np.float32)), [[mass, energy]], rtol=1e-6)
    [facts] = json.loads(mlphys("predict", "scaled", "new.csv", "--json"))
    assert facts["mass"] == pytest.approx(mass)


def test_evaluate_prints_each_target_under_its_name():
    text = mlphys("evaluate", "scaled", "--no-plots")
    assert "mass" in text
    assert "r2" in text
    warnings = [line for line in text.splitlines() if line.startswith("warning")]
    assert all("the test split was evaluated" in line for line in warnings)  # by the tests before


def test_targets_far_from_one_are_warned_of_with_the_line_to_add_and_a_bad_net_is_told():
    Path("far.yaml").write_text(dump({"name": "far", **CONFIGS["scaled"]}))
    unscaled = ("--set", "data.target_scaling=null", "--set", "training.epochs=1")
    remark = "energy has mean 9"
    checked = mlphys("data", "check", "far.yaml", *unscaled)
    printed = mlphys("train", "far.yaml", *unscaled)
    for text in (checked, printed):
        line = next(line for line in text.splitlines() if line.startswith("warning: the targets are far"))
        assert remark in line.replace("mean 10", "mean 9")
        assert line.endswith("write data.target_scaling: standardize")
    assert "warning: validation: worse than always the mean of the training targets" in printed
    assert "class" not in checked.split("samples of")[0].replace("classes", "")


def test_a_weighted_training_is_descent_along_the_weighted_gradient():
    train = run("weighted").dataset().train
    assert train.weights is not None
    w = train.weights / train.weights.mean()
    one_hot = np.eye(2)[train.y]
    kernel, bias = np.zeros((2, 2)), np.zeros(2)
    for _ in range(4):
        scores = train.x @ kernel + bias
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        error = w[:, None] * (p - one_hot) / len(w)
        kernel, bias = kernel - 0.5 * train.x.T @ error, bias - 0.5 * error.sum(axis=0)
    found = run("weighted").weights
    np.testing.assert_allclose(found["layers.0.Dense.kernel"], kernel, atol=1e-5)
    np.testing.assert_allclose(found["layers.0.Dense.bias"], bias, atol=1e-5)


def test_metrics_and_history_are_by_weight():
    weighted = run("weighted")
    for split in ("validation", "test"):
        arrays = weighted.predictions(split)
        assert arrays is not None
        metrics, p, w = weighted.metrics[split], arrays["probabilities"], arrays["weights"]
        right = p.argmax(axis=1) == arrays["labels"]
        assert metrics["accuracy"] == pytest.approx(np.average(right, weights=w))
        expected = sklearn_metrics.roc_auc_score(arrays["labels"], p[:, 1], sample_weight=w)
        assert metrics["auc"] == pytest.approx(expected)
        assert metrics["effective_samples"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-5)
    last, metrics = weighted.history[-1], weighted.metrics["validation"]
    assert last["validation_accuracy"] == pytest.approx(metrics["accuracy"])
    assert last["validation_loss"] == pytest.approx(metrics["loss"], rel=1e-5)


def test_pictures_are_drawn_by_weight():
    figures = run("weighted").path / "figures"
    assert {"confusion_matrix.png", "roc.png", "precision_recall.png", "reliability.png"} <= {
        path.name for path in figures.iterdir()
    }
    counts = np.genfromtxt(figures / "confusion_matrix.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    arrays = run("weighted").predictions("test")
    assert arrays is not None
    assert counts["count"].sum() == pytest.approx(arrays["weights"].sum(), rel=1e-4)


def test_negative_weights_in_training_are_refused_before_a_run_is_made():
    text = Path("own.csv").read_text().splitlines()
    Path("negative.csv").write_text(
        "\n".join([text[0], *(line.rpartition(",")[0] + ",-1" for line in text[1:9]), *text[9:]])
    )
    Path("negative.yaml").write_text(dump({"name": "negative", **CONFIGS["weighted"]}))
    here = ("train", "negative.yaml", "--quiet", "--set", "data.path=negative.csv")
    assert "training samples have negative weights" in reason(*here)
    assert not Path("runs/negative").exists()
    mlphys(*here, "--set", "data.negative_weights=absolute")


def test_a_kind_that_does_not_weigh_samples_refuses_weights():
    Path("pca.yaml").write_text(
        dump({"name": "pca", "data": CONFIGS["weighted"]["data"], "model": {"kind": "pca", "components": 1}})
    )
    assert "data.weights: kind: pca does not weigh samples" in reason("train", "pca.yaml")


def test_a_learning_rate_on_a_plateau_falls_and_a_resumed_run_ends_with_the_same_bytes(tmp_path):
    rates = [row["learning_rate"] for row in run("plateau").history]
    assert rates == pytest.approx([1e-3 / 2 ** max(0, k - 1) for k in range(6)])
    mlphys("train", "plateau.yaml", "--quiet", "--no-report", "--out", tmp_path / "half", "--set", "training.epochs=3")
    mlphys("resume", tmp_path / "half", "--quiet", "--no-report", "--set", "training.epochs=6")
    resumed = Run(tmp_path / "half")
    assert [row["learning_rate"] for row in resumed.history] == rates
    for name, value in run("plateau").weights.items():
        assert value.tobytes() == resumed.weights[name].tobytes()
