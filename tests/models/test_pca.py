"""The kind pca: its numbers against NumPy, its runs through the commands."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mlphys.config.load import load
from mlphys.errors import UserError
from mlphys.numerics import pca as components_of
from mlphys.runs.run import Run
from mlphys.schema.document import dump, read
from tests.helpers.cli import mlphys

CONFIG = {
    "name": "pca",
    "data": {"name": "digits", "train": 900, "validation": 300, "test": 300},
    "model": {"kind": "pca", "components": 7},
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pca.yaml").write_text(dump(CONFIG))
    return tmp_path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Trained, drawn, and evaluated on all three splits."""
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("pca.yaml").write_text(dump(CONFIG))
        mlphys(
            "train", "pca.yaml", "--quiet", "--no-report", "--out", "run", "--set", "plots=[reconstructions, latent]"
        )
        for split in ("test", "train"):
            mlphys("evaluate", "run", "--split", split, "--no-plots")
    return Run(path / "run")


def training_samples(run: Run) -> np.ndarray:
    return run.dataset().train.x.reshape(900, 64).astype(np.float64)


def test_the_components_are_the_leading_eigenvectors_of_the_covariance(run):
    variances, vectors = np.linalg.eigh(np.cov(training_samples(run).T, bias=True))
    found = run.weights["components"].astype(np.float64)
    overlap = found @ vectors[:, ::-1][:, :7]
    np.testing.assert_allclose(np.abs(overlap), np.eye(7), atol=1e-4)
    np.testing.assert_allclose(found @ found.T, np.eye(7), atol=1e-5)
    assert (np.diff(run.weights["variances"]) <= 0).all()
    np.testing.assert_allclose(run.weights["variances"], variances[::-1], atol=1e-6)
    np.testing.assert_allclose(run.weights["mean"], training_samples(run).mean(axis=0), atol=1e-6)


def test_the_largest_entry_of_each_component_is_positive(run):
    found = run.weights["components"]
    assert (found[np.arange(7), np.abs(found).argmax(axis=1)] > 0).all()


def test_the_reconstruction_error_is_the_sum_of_the_variances_left_out(run):
    left_out = run.weights["variances"][7:].sum(dtype=np.float64)
    measured = run.metrics["train"]
    assert measured["squared_error"] == pytest.approx(left_out, rel=1e-4)
    assert measured["mse"] == pytest.approx(left_out / 64, rel=1e-4)
    assert measured["loss"] == measured["reconstruction_loss"] == measured["mse"]
    assert run.history[0]["mse"] == pytest.approx(measured["mse"], rel=1e-6)
    assert run.history[0]["validation_mse"] == pytest.approx(run.metrics["validation"]["mse"], rel=1e-6)


def test_the_explained_variance_is_the_share_of_the_leading_variances(run):
    variances = run.weights["variances"]
    assert run.metrics["train"]["explained_variance"] == pytest.approx(variances[:7].sum() / variances.sum(), rel=1e-5)
    assert run.metrics["test"]["explained_variance"] < 1


def test_the_error_on_the_test_samples_is_that_of_pca_beside_autoencoders(run):
    dataset = run.dataset()
    known = components_of.error(dataset.train.x.reshape(900, 64), dataset.test.x.reshape(300, 64), 7)
    assert run.metrics["test"]["mse"] == pytest.approx(known, rel=1e-4)


def test_a_run_has_one_row_of_history_codes_and_reconstructions(run):
    assert [(row["phase"], row["epoch"]) for row in run.history] == [("fit", 1)]
    arrays = run.predictions("test")
    x = run.dataset().test.x
    codes = (x.reshape(300, 64) - run.weights["mean"]) @ run.weights["components"].T
    np.testing.assert_allclose(arrays["codes"], codes, atol=1e-5)
    nearest = codes @ run.weights["components"] + run.weights["mean"]
    np.testing.assert_allclose(arrays["reconstructions"].reshape(100, 64), nearest[:100], atol=1e-5)
    for picture in ("reconstructions", "latent"):
        assert (run.path / "figures" / f"{picture}.png").exists()


def test_a_fraction_of_the_variance_becomes_a_count(folder, run):
    mlphys("train", "pca.yaml", "--quiet", "--no-report", "--out", "run", "--set", "model.components=0.9")
    count = read(Path("run/config.yaml")).data["model"]["components"]
    variances = run.weights["variances"].astype(np.float64)
    assert variances[:count].sum() >= 0.9 * variances.sum() > variances[: count - 1].sum()
    assert load_file("run/weights.safetensors")["components"].shape == (count, 64)


def test_above_4096_features_leading_components_alone_are_computed(folder):
    """Images of a Gaussian spot at random places in a plane: two directions hold nearly all."""
    random = np.random.default_rng(0)
    plane = np.linalg.qr(random.normal(size=(65 * 64, 2)))[0].T
    codes = random.normal(size=(60, 2)) * [8, 3]
    x = codes @ plane + 0.001 * random.normal(size=(60, 65 * 64))
    np.savez("wide.npz", x=x.reshape(60, 65, 64, 1).astype(np.float32), y=np.zeros(60, np.int64))
    data = {"name": "array", "path": "wide.npz", "validation": 0.2, "test": 0.2}
    Path("wide.yaml").write_text(dump(CONFIG | {"data": data, "model": {"kind": "pca", "components": 2}}))
    mlphys("train", "wide.yaml", "--quiet", "--no-report", "--out", "run")
    weights = load_file("run/weights.safetensors")
    assert weights["variances"].shape == (2,)
    found = weights["components"].astype(np.float64)
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(np.linalg.svd(found @ plane.T)[1], 1, atol=1e-4)
    mlphys("evaluate", "run")
    override = "model.components=0.5"
    assert mlphys("config", "check", "wide.yaml", "--set", override, code=2) == (
        f"mlphys: --set {override}: model.components: a fraction needs all components, for which 4160 values are "
        "too many; write their number\n"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.components=65",
            "model.components: 65 components, but 900 training samples of 64 values vary in 64 directions at most; "
            "lower it",
        ),
        (
            "data.train=5",
            "model.components: 7 components, but 5 training samples of 64 values vary in 4 directions at most; "
            "lower it",
        ),
        (
            "data.preprocess=[{project: 6}]",
            "model.components: 7 components, but 900 training samples of 6 values vary in 6 directions at most; "
            "lower it",
        ),
        (
            "model.components=1.5",
            "model.components: expected a number of components, or a fraction of the variance below 1; received 1.5",
        ),
        ("model.components=0", "model.components: expected a number of components, or a fraction of the variance "
         "below 1; received 0"),
        ("training.epochs=5", "training: components are computed at once, by eigenvectors: leave training out"),
        ("training.augmentation={noise: 0.1}",
         "training: components are computed at once, by eigenvectors: leave training out"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_refused(folder, override, message):
    with pytest.raises(UserError) as raised:
        load(Path("pca.yaml"), [override])
    place = "pca.yaml:9" if override.startswith("data") else f"--set {override}"
    assert str(raised.value) == f"{place}: {message}"


def test_a_config_is_judged_without_tensorflow(folder):
    code = (
        "import sys; from pathlib import Path; from mlphys.config.load import load; "
        "load(Path('pca.yaml'), ['model.components=0.9', 'data.preprocess=[{whiten: zca}]']);"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_finished_run_has_nothing_to_go_on_with(folder):
    mlphys("train", "pca.yaml", "--quiet", "--no-report", "--out", "run")
    assert mlphys("resume", "run", code=2) == "mlphys: run: it is finished, and more epochs change nothing\n"
    assert mlphys("resume", "run", "--set", "training.epochs=5", code=2) == (
        "mlphys: --set training.epochs=5: training: components are computed at once, by eigenvectors: "
        "leave training out\n"
    )


@pytest.mark.parametrize("killed", ["before its checkpoint", "behind its checkpoint"])
def test_a_killed_run_is_resumed_to_the_same_bytes(folder, killed):
    mlphys("train", "pca.yaml", "--quiet", "--no-report", "--out", "whole")
    mlphys("train", "pca.yaml", "--quiet", "--no-report", "--out", "run")
    status = Path("run/status.json")
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "running", "stopped": None}))
    Path("run/weights.safetensors").unlink()
    if killed == "before its checkpoint":
        for path in Path("run/checkpoints").iterdir():
            path.unlink()
    printed = mlphys("resume", "run")
    assert ("starting over" in printed) == (killed == "before its checkpoint")
    assert Path("run/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
    with Path("run/history.csv").open() as resumed, Path("whole/history.csv").open() as whole:
        rows = [[{**row, "seconds": ""} for row in csv.DictReader(file)] for file in (resumed, whole)]
    assert rows[0] == rows[1]
    assert json.loads(status.read_text())["state"] == "done"


def test_explain_tells_the_cost_and_no_optimizer(folder):
    said = mlphys("config", "explain", "pca.yaml")
    assert "cost = mean over the samples of  1/64 |x - m - V^T V (x - m)|^2, V V^T = 1" in said
    assert "optimizer" not in said
