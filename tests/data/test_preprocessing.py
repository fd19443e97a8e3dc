"""Chains of fitted steps: what they are fitted to, what a run keeps of them, what pictures show."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlphys.config.load import load
from mlphys.data import preprocessing
from mlphys.io.run_files import WEIGHTS, RunFiles
from mlphys.numerics import chunked
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema.document import dump, read
from mlphys.schema.preprocess import (
    STEPS,
    ContrastNormalize,
    Project,
    Scale,
    Standardize,
    SubtractMean,
    Whiten,
)
from mlphys.schema.preprocess_step import Step
from mlphys.schema.samples import Split, Splits
from tests.helpers.cli import mlphys, refused
from tests.helpers.digits import load_digits
from tests.helpers.memory_layout import assert_as_saved

MNIST = Path(os.environ.get("MLPHYS_DATA", "")) / "mnist.npz"
SMALL = {
    "name": "small",
    "data": {
        "name": "digits", "train": 300, "validation": 100, "test": 200,
        "preprocess": ["subtract_mean", {"project": 0.9}, {"whiten": "pca"}],
    },
    "model": {"kind": "classifier", "layers": [{"Dense": {"units": 10, "activation": "softmax"}}]},
    "training": {"optimizer": {"Adam": {"learning_rate": 0.02}}, "epochs": 3},
}  # fmt: skip
AUTOENCODER = SMALL | {
    "name": "auto",
    "data": SMALL["data"] | {"preprocess": ["standardize"]},
    "model": {"kind": "autoencoder", "encoder": [{"Dense": {"units": 6}}], "decoder": "mirror"},
    "plots": ["reconstructions"],
}


def digits(n: int = 400) -> np.ndarray:
    return (load_digits().images[:n, ..., None] / 16).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(dump(SMALL))
    Path("auto.yaml").write_text(dump(AUTOENCODER))
    return tmp_path


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("small.yaml").write_text(dump(SMALL))
        mlphys("train", "small.yaml", "--quiet", "--no-report", "--out", "run")
    return path / "run"


@pytest.fixture
def run(trained_once, folder) -> Path:
    return Path(shutil.copytree(trained_once, "run"))


CHAIN = (Scale(by=0.5), SubtractMean(), Whiten(kind="zca"))


def test_a_chain_is_inverted_from_behind():
    x = digits()
    fitted = preprocessing.fit(CHAIN, x)
    np.testing.assert_allclose(fitted.inverse(fitted.apply(x)), x, atol=1e-4)


def test_each_step_is_fitted_to_what_the_steps_before_it_leave():
    x = digits()
    fitted = preprocessing.fit((Scale(by=0.5), SubtractMean()), x)
    np.testing.assert_allclose(fitted.arrays[1]["mean"], 2 * x.mean(axis=0), rtol=1e-6)


def test_no_steps_change_nothing_and_copy_nothing():
    x = digits()
    none = preprocessing.fit((), x)
    split = Split(x, np.zeros(len(x)))
    dataset = Splits(split, split, split)
    assert none.apply(x) is x
    assert none.split(split) is split
    assert none.dataset(dataset) is dataset
    assert none.inverse(x) is x


def test_only_the_training_samples_are_fitted():
    x = digits()
    train, rest = Split(x[:100], np.zeros(100)), Split(x[100:], np.zeros(300))
    fitted = preprocessing.fit((Standardize(),), train.x)
    np.testing.assert_allclose(fitted.arrays[0]["mean"], x[:100].mean(axis=0), rtol=1e-6)
    seen = fitted.dataset(Splits(train, rest, rest))
    assert abs(seen.train.x.mean()) < 1e-6
    np.testing.assert_array_equal(seen.test.x, fitted.apply(rest.x))


def test_how_many_samples_are_transformed_at_once_changes_nothing(monkeypatch):
    x = digits()
    fitted = preprocessing.fit((Standardize(), ContrastNormalize()), x)
    whole = fitted.apply(x)
    monkeypatch.setattr(chunked, "AT_ONCE", 7)
    np.testing.assert_array_equal(fitted.apply(x), whole)


def test_what_was_fitted_is_restored_from_the_weights_by_name():
    x = digits()
    fitted = preprocessing.fit((SubtractMean(), Project(components=5)), x)
    weights = fitted.named_arrays()
    wanted = preprocessing.fitted_shapes(fitted.steps, (8, 8, 1))
    assert {name: array.shape for name, array in weights.items()} == wanted == {
        "preprocess.0.subtract_mean.mean": (8, 8, 1),
        "preprocess.1.project.mean": (64,),
        "preprocess.1.project.vectors": (5, 64),
    }  # fmt: skip
    again = preprocessing.restored(fitted.steps, (8, 8, 1), weights)
    np.testing.assert_array_equal(again.apply(x), fitted.apply(x))


EACH: dict[str, list[Step]] = {
    "subtract_mean": [SubtractMean()],
    "standardize": [Standardize()],
    "scale": [Scale(by=255)],
    "project": [Project(components=5), Project(components=1), Project(components=64)],
    "whiten": [
        Whiten(kind="pca"),
        Whiten(kind="pca", components=1),
        Whiten(kind="zca"),
        Whiten(kind="zca", components=5),
    ],
    "contrast_normalize": [ContrastNormalize()],
}


@pytest.mark.parametrize(
    "steps",
    [*([step] for name in STEPS for step in EACH[name]), [step for name in STEPS for step in EACH[name][:1]]],
    ids=repr,
)
def test_what_is_fitted_lies_in_memory_as_what_is_read_back_and_gives_the_same_bytes(steps, tmp_path):
    x = digits()
    fitted = preprocessing.fit(steps, x)
    RunWriter(tmp_path).weights(fitted.named_arrays())
    wanted = preprocessing.fitted_shapes(steps, x.shape[1:])
    again = preprocessing.restored(steps, x.shape[1:], RunFiles(tmp_path).tensors(WEIGHTS, wanted))
    assert_as_saved(fitted.named_arrays())
    assert_as_saved(again.named_arrays())
    seen = fitted.apply(x)
    assert again.apply(x).tobytes() == seen.tobytes()
    assert again.inverse(seen).tobytes() == fitted.inverse(seen).tobytes()


def test_a_step_is_fitted_to_what_the_steps_before_it_give_when_they_are_read_back():
    x = digits()
    fitted = preprocessing.fit((Project(components=5), SubtractMean()), x)
    first = preprocessing.restored(fitted.steps[:1], x.shape[1:], fitted.named_arrays())
    assert fitted.arrays[1]["mean"].tobytes() == SubtractMean().fit(first.apply(x))["mean"].tobytes()


def test_pictures_show_what_the_last_step_that_cannot_be_undone_gives():
    x = digits()
    steps = (Scale(by=2), ContrastNormalize(), Whiten(kind="pca"))
    fitted = preprocessing.fit(steps, x)
    assert not fitted.invertible
    assert preprocessing.first_invertible(steps) == 2
    assert preprocessing.display_shape(steps, (8, 8, 1)) == (8, 8, 1)
    assert preprocessing.output_shape(steps, (8, 8, 1)) == (64,)
    normalized = ContrastNormalize().apply(x / 2, {})
    np.testing.assert_allclose(fitted.for_display(x), normalized, atol=1e-6)
    np.testing.assert_allclose(fitted.inverse(fitted.apply(x)), normalized, atol=1e-3)
    assert preprocessing.first_invertible(CHAIN) == 0


def test_a_fraction_is_the_count_in_the_completed_config_and_reads_back(folder):
    loaded = load(Path("small.yaml"))
    x = loaded.dataset().train.x.reshape(300, 64).astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    count = int(np.searchsorted(np.cumsum(variances), 0.9 * variances.sum())) + 1
    assert loaded.experiment.model_dump()["data"]["preprocess"] == [
        "subtract_mean",
        {"project": {"components": count}},
        {"whiten": {"kind": "pca", "components": None, "epsilon": 1e-5}},
    ]
    assert loaded.net_input.shape == (count,)
    Path("complete.yaml").write_text(dump(loaded.experiment.model_dump()))
    assert load(Path("complete.yaml")) == loaded


def test_a_run_keeps_the_count_and_what_was_fitted(run):
    steps = read(run / "config.yaml").data["data"]["preprocess"]
    count = steps[1]["project"]["components"]
    assert isinstance(count, int)
    weights = load_file(run / "weights.safetensors")
    assert {name: array.shape for name, array in weights.items()} == {
        "layers.0.Dense.kernel": (count, 10),
        "layers.0.Dense.bias": (10,),
        "preprocess.0.subtract_mean.mean": (8, 8, 1),
        "preprocess.1.project.mean": (64,),
        "preprocess.1.project.vectors": (count, 64),
        "preprocess.2.whiten.mean": (count,),
        "preprocess.2.whiten.vectors": (count, count),
        "preprocess.2.whiten.scales": (count,),
    }


def test_what_is_read_back_measures_the_same_as_what_was_fitted(run):
    before = json.loads((run / "metrics.json").read_text())["validation"]
    with np.load(run / "predictions_validation.npz") as arrays:
        probabilities = arrays["probabilities"]
    mlphys("evaluate", run, "--split", "validation")
    assert json.loads((run / "metrics.json").read_text())["validation"] == before
    with np.load(run / "predictions_validation.npz") as arrays:
        np.testing.assert_array_equal(arrays["probabilities"], probabilities)


def test_a_trained_network_is_asked_in_the_space_of_the_data(run):
    found = Run(run)
    validation = found.dataset().validation
    with np.load(run / "predictions_validation.npz") as arrays:
        predictions = found.trained.predictions(validation.x)["probabilities"]
        np.testing.assert_allclose(predictions, arrays["probabilities"], atol=1e-6)
    layers = found.trained.layers(validation.x)
    np.testing.assert_allclose(layers["layers.0.Dense"], predictions, atol=1e-6)


def test_the_losses_along_parameters_are_those_of_nets_with_these_weights_and_the_net_keeps_its_own(run):
    found = Run(run)
    validation = found.dataset().validation
    names = ["layers.0.Dense.kernel", "layers.0.Dense.bias"]
    own = np.concatenate([found.weights[name].ravel() for name in names])
    zero, measured = found.trained.losses(validation, np.stack([0 * own, own]))
    assert zero == pytest.approx(np.log(10), rel=1e-6)
    assert measured == pytest.approx(found.metrics["validation"]["loss"], rel=1e-6)
    np.testing.assert_array_equal(found.trained.network.weights[names[0]].numpy(), found.weights[names[0]])


@pytest.mark.parametrize(
    ("name", "shape"), [("preprocess.0.subtract_mean.mean", (64,)), ("preprocess.1.project.vectors", (3, 64))]
)
def test_fitted_arrays_of_another_shape_are_refused_by_name(run, name, shape):
    weights = load_file(run / "weights.safetensors")
    expected = weights[name].shape
    save_file(weights | {name: np.zeros(shape, np.float32)}, run / "weights.safetensors")
    assert refused("evaluate", run) == (
        f"mlphys: run/weights.safetensors: does not fit config.yaml: {name} has shape {shape}, "
        f"the config says {expected}; retrain the experiment\n"
    )


def test_no_data_is_opened_to_complete_the_config_of_a_run(run):
    config = run / "config.yaml"
    config.write_text(re.sub(r"components: \d+", "components: 0.9", config.read_text()))
    assert "components: 0.9" in config.read_text()
    line = 1 + next(i for i, line in enumerate(config.read_text().splitlines()) if "project:" in line)
    assert refused("plot", run) == (
        f"mlphys: run/config.yaml:{line}: data.preprocess.1: a run's config holds the number of components, "
        "not a fraction; retrain it\n"
    )


@pytest.mark.slow
def test_without_validation_samples_there_is_nothing_to_transform(folder):
    mlphys("train", "small.yaml", "--quiet", "--no-report", "--set", "data.validation=0")
    mlphys("evaluate")


def test_what_cannot_be_fitted_leaves_no_run_behind(folder):
    steps = "data.preprocess=[{whiten: {kind: zca, epsilon: 0.0}}]"
    layers = "model.layers=[Flatten, {Dense: {units: 10, activation: softmax}}]"
    assert refused("train", "small.yaml", "--set", steps, "--set", layers) == (
        "mlphys: data.preprocess: whiten: some directions are constant and cannot get variance 1; "
        "lower components, or raise epsilon\n"
    )
    assert not Path("runs").exists()


@pytest.mark.slow
def test_reconstructions_are_measured_in_pixels_too_beside_pcas_there(folder):
    mlphys("train", "auto.yaml", "--quiet", "--no-report", "--out", "run")
    run = Run(Path("run"))
    measured = run.metrics["validation"]
    dataset = run.dataset()
    reconstructions = run.trained.image_outputs(dataset.validation.x)["reconstructions"]
    assert measured["pixel_mse"] == pytest.approx(((reconstructions - dataset.validation.x) ** 2).mean(), rel=1e-4)
    assert measured["mse"] != pytest.approx(measured["pixel_mse"], rel=0.1)
    with np.load("run/predictions_validation.npz") as arrays:
        np.testing.assert_allclose(arrays["images"], dataset.validation.x[:100], atol=1e-6)
        np.testing.assert_allclose(arrays["reconstructions"], reconstructions[:100], atol=1e-5)
    projected = preprocessing.fit((Project(components=6),), dataset.train.x)
    nearest = projected.inverse(projected.apply(dataset.validation.x))
    expected = ((nearest - dataset.validation.x) ** 2).mean()
    assert measured["pixel_pca_mse"] == pytest.approx(expected, rel=1e-3)
    assert Path("run/figures/reconstructions.png").exists()


@pytest.mark.slow
def test_a_run_behind_preprocessing_is_resumed_to_the_same_bytes(folder):
    mlphys("train", "small.yaml", "--quiet", "--no-report", "--out", "whole")
    mlphys("train", "small.yaml", "--quiet", "--no-report", "--out", "half", "--set", "training.epochs=2")
    mlphys("resume", "half", "--quiet", "--no-report", "--set", "training.epochs=3")
    assert Path("whole/weights.safetensors").read_bytes() == Path("half/weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            "[{project: 65}]",
            "data.preprocess.0: 65 components, but 300 training samples of 64 values vary in 64 directions at most; "
            "lower it",
        ),
        (
            "[{project: 10}, {project: 11}]",
            "data.preprocess.1: 11 components, but 300 training samples of 10 values vary in 10 directions at most; "
            "lower it",
        ),
        (
            "[{project: 1.5}]",
            "data.preprocess.0.project.components: expected a number of components, or a fraction of the variance "
            "below 1; received 1.5",
        ),
        (
            "[whitten]",
            "data.preprocess.0: unknown step; received text 'whitten'; did you mean whiten? (allowed: subtract_mean, "
            "standardize, scale, project, whiten, contrast_normalize)",
        ),
        ("[scale]", "data.preprocess.0.scale.by: missing; this key must be given"),
        ("[{scale: 0}]", "data.preprocess.0.scale.by: must be greater than 0; received 0"),
        (
            "[{whiten: {kind: pca, components: 99}}]",
            "data.preprocess.0: 99 components, but 300 training samples of 64 values vary in 64 directions at most; "
            "lower it",
        ),
    ],
)
def test_a_wrong_step_is_refused_at_its_place(folder, steps, message):
    override = f"data.preprocess={steps}"
    assert refused("config", "check", "small.yaml", "--set", override) == f"mlphys: --set {override}: {message}\n"


@pytest.mark.skipif(not MNIST.is_file(), reason="MLPHYS_DATA names no folder with mnist.npz")
@pytest.mark.slow
def test_ninety_percent_of_mnists_variance_are_in_87_components(folder):
    data = {"name": "mnist", "train": 50_000, "validation": 5000, "preprocess": [{"project": 0.9}]}
    Path("mnist.yaml").write_text(dump(SMALL | {"data": data}))
    loaded = load(Path("mnist.yaml"))
    assert loaded.experiment.data.preprocess == [Project(components=87)]
    assert loaded.net_input.shape == (87,)
