"""Trained runs in a notebook: their numbers are those of the run directory, whichever way one comes to them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlphys
from mlphys.figures.example_experiments import autoencoder_of_images, classifier_of_images, regressor_of_points

pytestmark = pytest.mark.slow

PCA = {"data": {"name": "digits", "train": 60, "validation": 30, "test": 30}, "model": {"kind": "pca", "components": 3}}


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> dict[str, mlphys.Run]:
    """Runs of a classifier, an autoencoder, components and a regressor, measured on test."""
    folder = tmp_path_factory.mktemp("runs")
    preprocessed = {"data": {**autoencoder_of_images()["data"], "preprocess": ["standardize"]}}
    configs = {
        "classifier": classifier_of_images(),
        "autoencoder": {**autoencoder_of_images(), **preprocessed},
        "pca": PCA,
        "regressor": regressor_of_points(),
    }
    runs = {name: mlphys.train(config, seed=3, out=folder / name, quiet=True) for name, config in configs.items()}
    for run in runs.values():
        run.evaluate()
    return runs


@pytest.fixture
def classifier(trained_once) -> mlphys.Run:
    return trained_once["classifier"]


@pytest.fixture
def autoencoder(trained_once) -> mlphys.Run:
    return trained_once["autoencoder"]


def test_a_run_tells_what_its_files_say(classifier: mlphys.Run):
    assert classifier.state == "done"
    assert classifier.config["seed"] == 3
    assert classifier.history["epoch"].tolist() == [1, 2]
    assert {"loss", "validation_accuracy"} <= set(classifier.history)
    accuracy = (classifier.predictions()["probabilities"].argmax(axis=1) == classifier.predictions()["labels"]).mean()
    assert classifier.metrics["test"]["accuracy"] == pytest.approx(accuracy)
    assert classifier.layers == ["layers.0.Conv2D", "layers.1.Flatten", "layers.2.Dense"]
    assert classifier.weights["layers.0.Conv2D.kernel"].shape == (7, 7, 1, 2)


def test_predict_gives_the_probabilities_that_evaluate_kept(classifier: mlphys.Run):
    x, y = classifier.data("test")
    assert (x.shape, x.dtype, y.shape) == ((30, 8, 8, 1), np.float32, (30,))
    kept = classifier.predictions("test")["probabilities"]
    np.testing.assert_allclose(classifier.predict(x), kept, atol=1e-6)
    np.testing.assert_allclose(classifier.model(classifier.preprocess(x)).numpy(), kept, atol=1e-6)
    np.testing.assert_allclose(classifier.layer(x, "Dense_0"), kept, atol=1e-6)


def test_a_layer_is_named_by_its_place_or_by_its_number_among_those_of_its_class(classifier: mlphys.Run):
    x, _ = classifier.data("test", most=2)
    assert classifier.layer(x, "Conv2D_0").shape == (2, 2, 2, 2)
    np.testing.assert_array_equal(classifier.layer(x, "Conv2D_0"), classifier.layer(x, "layers.0.Conv2D"))


def test_decode_of_code_is_predict_in_the_units_of_the_data(autoencoder: mlphys.Run):
    x, _ = autoencoder.data("test")
    codes, reconstructions = autoencoder.code(x), autoencoder.predict(x)
    assert (codes.shape, reconstructions.shape) == ((30, 3), x.shape)
    np.testing.assert_allclose(autoencoder.decode(codes), reconstructions, atol=1e-5)
    np.testing.assert_allclose(codes, autoencoder.predictions()["codes"], atol=1e-5)


def test_encoder_and_decoder_are_the_parts_of_the_keras_model(autoencoder: mlphys.Run):
    z = autoencoder.preprocess(autoencoder.data("validation", 4)[0])
    parts = autoencoder.decoder(autoencoder.encoder(z)).numpy()
    np.testing.assert_allclose(autoencoder.model(z).numpy(), parts, atol=1e-6)


def test_a_model_that_is_no_keras_model_predicts_and_has_codes_all_the_same(trained_once):
    run = trained_once["pca"]
    x, _ = run.data("test")
    assert run.code(x).shape == (30, 3)
    rest = ((run.predict(x) - x) ** 2).mean()
    assert run.metrics["test"]["mse"] == pytest.approx(rest, rel=1e-4)


def test_a_regressor_predicts_targets(trained_once):
    x, _ = trained_once["regressor"].data("test")
    kept = trained_once["regressor"].predictions()["outputs"]
    np.testing.assert_allclose(trained_once["regressor"].predict(x), kept, atol=1e-6)


def test_a_picture_is_a_figure_that_a_notebook_shows_by_itself_once(classifier: mlphys.Run):
    from matplotlib.figure import Figure

    before = {path: path.stat().st_mtime_ns for path in classifier.path.rglob("*")}
    figure = classifier.plot("filters")
    assert isinstance(figure, Figure)
    assert figure.canvas.manager is None  # pyplot, whose figures notebooks show at the end of a cell, does not know it
    content, place = figure._repr_png_()
    assert content.startswith(b"\x89PNG")
    assert place["width"] == round(72 * figure.get_size_inches()[0])
    assert next(iter(classifier.plots("filters"))) == "filters"
    assert {path: path.stat().st_mtime_ns for path in classifier.path.rglob("*")} == before


def test_an_analysis_gives_its_numbers_its_sentence_and_its_figures(classifier: mlphys.Run):
    found = classifier.analyze("invariance", samples=10, shift=[0, 1], rotation=[0.0], scale=[1.0], noise=[0.0])
    assert [row["amount"] for row in found.numbers["shift"]] == [0, 1]
    assert next(iter(found.figures)).startswith("invariance")
    assert json.loads((classifier.path / "analysis" / "invariance.json").read_text()) == found.numbers
    assert found.summary.split()[0] in found._repr_html_()
    assert "data:image/png;base64," in found._repr_html_()
    assert len(repr(found)) < 500


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "code": (
        lambda run: run.code(np.zeros((1, 8, 8, 1))),
        "{path}: kind: classifier has no code; its layers' outputs are run.layer(x, name)",
    ),
    "decode": (
        lambda run: run.decode(np.zeros((1, 3))),
        "{path}: decode: kind: classifier has no decoder; train one of kind: autoencoder",
    ),
    "encoder": (
        lambda run: run.encoder,
        "{path}: kind: classifier has no Keras model as encoder; there is model",
    ),
    "predictions": (
        lambda run: run.predictions("train"),
        "{path}: has no predictions on train; run.evaluate('train') makes them",
    ),
    "split": (
        lambda run: run.predictions("tset"),
        "unknown split; received text 'tset'; allowed train, validation, test; did you mean test?",
    ),
    "one sample": (
        lambda run: run.predict(np.zeros((8, 8, 1))),
        "x: expected an array of shape (n, 8, 8, 1), n at least 1; received (8, 8, 1); write x[None] for a single one",
    ),
    "no sample": (
        lambda run: run.predict(np.zeros((0, 8, 8, 1))),
        "x: expected an array of shape (n, 8, 8, 1), n at least 1; received (0, 8, 8, 1)",
    ),
    "text": (lambda run: run.predict("seven"), "x: expected an array of numbers; received str"),
    "layer": (
        lambda run: run.layer(np.zeros((1, 8, 8, 1)), "Conv_0"),
        "{path}: no layer is called text 'Conv_0'; there are Conv2D_0, Flatten_0, Dense_0; did you mean Conv2D_0?",
    ),
    "plot": (
        lambda run: run.plot("latent"),
        "{path}: latent: kind: classifier has no codes; train a model of kind: autoencoder for this picture",
    ),
    "analysis": (
        lambda run: run.analyze("energy"),
        "{path}: energy: kind: classifier has no energy; it takes a tied kind: autoencoder of one layer, or an rbm",
    ),
    "setting": (
        lambda run: run.analyze("invariance", sample=3),
        "analyze('invariance'): sample: unknown key; did you mean samples? "
        "(allowed: split, samples, shift, rotation, scale, noise)",
    ),
    "out": (
        lambda run: mlphys.train(classifier_of_images(), out=run.path),
        "{path}: exists and is not empty; a run is never overwritten: name another --out, remove it, or resume it with "
        "`mlphys resume {path}`",
    ),
    "study": (
        lambda run: mlphys.load_study(run.path),
        "{path}: no such study; mlphys.sweep makes one; load_run opens a single run",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_run_does_not_have_is_refused_with_the_remedy(what: str, classifier: mlphys.Run):
    ask, text = REFUSED[what]
    with pytest.raises(mlphys.UserError) as error:
        ask(classifier)
    assert str(error.value) == text.replace("{path}", str(classifier.path))


def test_the_page_of_a_run_is_written_beside_it(classifier: mlphys.Run):
    path = classifier.report()
    assert path == classifier.path / "report.html"
    assert path.read_text().startswith("<!DOCTYPE html>")
    path.write_text("old")
    classifier.evaluate("validation")
    assert path.read_text() != "old"


def test_components_have_arrays_and_no_keras_model(trained_once):
    with pytest.raises(mlphys.UserError, match="kind: pca has no Keras model as model; weights has its arrays"):
        trained_once["pca"].model  # noqa: B018


def test_the_page_of_a_run_has_the_main_number_its_baseline_curves_and_net_and_escapes_names(classifier, tmp_path):
    page = classifier._repr_html_()
    metrics = classifier.metrics["test"]
    assert f"always the most frequent class: {metrics['majority_accuracy']:.4f}"[:36] in page
    assert "test accuracy" in page
    assert page.count("<svg") == 2
    assert '<td style="text-align: left; padding: 1px 8px">layers.0.Conv2D</td>' in page
    assert "<script" not in page
    hostile = tmp_path / "<img src=x onerror=alert(1)>" / "1"
    shutil.copytree(classifier.path, hostile)
    page = mlphys.load_run(hostile)._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_training_that_left_no_weights_has_its_history_and_tells_how_to_resume_it(classifier, tmp_path: Path):
    begun = tmp_path / "begun"
    shutil.copytree(
        classifier.path, begun, ignore=shutil.ignore_patterns("checkpoints", "*.safetensors", "metrics.json")
    )
    status = json.loads((begun / "status.json").read_text())
    (begun / "status.json").write_text(json.dumps({**status, "state": "interrupted", "stopped": None}))
    run = mlphys.load_run(begun)
    assert repr(run) == f"<run {begun}: interrupted after 2 epochs>"
    assert len(run.history["loss"]) == 2
    with pytest.raises(mlphys.UserError, match=r"is not finished \(interrupted, 2 epochs so far\); `mlphys resume"):
        run.predict(np.zeros((1, 8, 8, 1)))


def test_the_complete_config_of_a_run_trains_it_again_resumes_to_it_and_compares_with_it(trained_once, tmp_path: Path):
    run = trained_once["classifier"]
    other = mlphys.train(run.config, {"training.epochs": 1}, out=tmp_path / "other", quiet=True)
    other.evaluate()
    found = mlphys.compare(run, str(other.path))
    assert found.differing == {"training.epochs": [2, 1]}
    (pair,) = found.pairs
    difference = run.metrics["test"]["accuracy"] - other.metrics["test"]["accuracy"]
    assert pair["difference"] == pytest.approx(difference, abs=1e-9)
    assert "McNemar" in str(found)
    assert "<table>" in found._repr_html_()
    longer = mlphys.resume(other, {"training.epochs": 2}, quiet=True)
    np.testing.assert_array_equal(longer.history["loss"], run.history["loss"])
    assert longer.config == run.config


def test_a_sweep_is_a_study_with_a_row_for_each_point_and_a_run_for_each_member(tmp_path: Path):
    grid = {"model.layers.0.Dense.units": "2:3:lin2"}  # as in the command; a list is [2, 3]
    config = regressor_of_points()
    study = mlphys.sweep(config, grid, {"training.epochs": 1}, out=tmp_path / "study", workers=0, threads=1, quiet=True)
    assert study.states == ["done", "done"]
    assert [row["model.layers.0.Dense.units"] for row in study.table] == [2, 3]
    means = [run.metrics["validation"]["mse"] for run in study.runs]
    assert [row["mean"] for row in study.table] == pytest.approx(means)
    assert study.plot().axes
    assert "2 members, 2 done" in study._repr_html_()
    assert repr(mlphys.load_study(study.path)) == f"<study {study.path}: 2 of 2 runs done>"
    with pytest.raises(mlphys.UserError, match=r"is a study of many runs; mlphys\.load_study opens it"):
        mlphys.load_run(study.path)
