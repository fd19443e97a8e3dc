"""The kind energy_classifier: classes whose energies are known, phases, resumes, its runs through the commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.errors import Refusal, UserError
from mlphys.models import energy_classifier
from mlphys.networks import tensorflow
from mlphys.runs.run import Run
from mlphys.schema.data import Description
from mlphys.schema.document import dump
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training as Settings
from mlphys.training import loop
from mlphys.training.progress import Silence
from tests.helpers.cli import mlphys
from tests.helpers.memory_writer import Memory

D = 12
LINEAR = {"autoencoder": {"units": 3, "activation": "linear"}}
BASIC = {"optimizer": {"Adam": {"learning_rate": 0.02}}, "batch_size": 25, "epochs": 2}


def planes(classes: int = 2, samples: int = 200) -> Splits:
    """Classes around the same mean, each in three dimensions of its own, orthogonal to those of the others."""
    random = np.random.default_rng(1)
    bases = np.split(np.linalg.qr(random.normal(size=(D, D)))[0], D // 3, axis=1)
    y, place = np.arange(samples) % classes, random.normal(size=(samples, 3))
    place *= random.uniform(1, 2, (samples, 1)) / np.linalg.norm(place, axis=1, keepdims=True)
    x = np.stack([bases[k] @ h for k, h in zip(y, place, strict=True)]) + 0.5
    x += 0.05 * random.normal(size=x.shape)
    x, y = x.astype(np.float32), y.astype(np.int32)
    half, rest = samples // 2, 3 * samples // 4
    return Splits(Split(x[:half], y[:half]), Split(x[half:rest], y[half:rest]), Split(x[rest:], y[rest:]))


PLANES = energy_classifier.EnergyClassifier.model_validate({"kind": "energy_classifier", "of": {"pca": 1}})


def training_of(of: dict[str, Any], dataset: Splits, recorder: Memory | None = None, **settings: Any) -> loop.Training:
    classes = tuple(map(str, range(int(dataset.train.y.max()) + 1)))
    description = Description((D,), classes, len(dataset.train), None)
    parsed = Settings.model_validate(settings)
    spec = energy_classifier.EnergyClassifier.model_validate({"kind": "energy_classifier", "of": of})
    spec = spec.completed(parsed, description, None)
    spec.check(parsed, description)
    tensorflow.reset_names()  # as in a new process
    network = spec.build(description, seed=0)
    network = replace(network, compiles_in_xla=False)  # which takes longer than the training
    phases = spec.phases(parsed, description, network, dataset.train)
    return loop.Training(network, phases, dataset, None, 0, {}, recorder or Memory(), Silence())


def said_after(training: loop.Training, x: np.ndarray) -> dict[str, np.ndarray]:
    training.run()
    return {name: np.asarray(value) for name, value in PLANES.predictions(training.network, x).items()}


def test_classes_in_planes_of_their_own_are_distinguished_by_principal_components_without_a_mistake():
    dataset = planes(classes=4, samples=400)
    said = said_after(training_of({"pca": 3}, dataset), dataset.test.x)
    np.testing.assert_array_equal(said["probabilities"].argmax(axis=1), dataset.test.y)
    assert said["probabilities"].max(axis=1).mean() > 0.95


def test_blobs_are_distinguished_by_the_distance_from_their_means_and_components():
    random = np.random.default_rng(2)
    y = (np.arange(300) % 3).astype(np.int32)
    x = (4 * np.eye(D)[y] + 0.3 * random.normal(size=(300, D))).astype(np.float32)
    dataset = Splits(Split(x[:100], y[:100]), Split(x[100:200], y[100:200]), Split(x[200:], y[200:]))
    said = said_after(training_of({"pca": 1}, dataset), x[200:])
    np.testing.assert_array_equal(said["probabilities"].argmax(axis=1), y[200:])


def test_the_energy_of_a_pca_is_minus_half_the_squared_distance_from_its_components():
    dataset = planes(classes=3, samples=300)
    x = dataset.test.x.astype(np.float64)
    said = said_after(training_of({"pca": 2}, dataset), dataset.test.x)
    for k in range(3):
        own = dataset.train.x[dataset.train.y == k].astype(np.float64)
        mean = own.mean(axis=0)
        v = np.linalg.svd(own - mean)[2][:2]
        squared = ((x - mean - (x - mean) @ v.T @ v) ** 2).sum(axis=1)
        np.testing.assert_allclose(said["energies"][:, k], -squared / 2, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(said["class_errors"][:, k], squared / D, rtol=1e-3, atol=1e-6)


def test_autoencoders_learn_to_tell_the_planes_apart():
    dataset = planes()
    training = training_of(LINEAR, dataset, **{**BASIC, "epochs": 60})
    said = said_after(training, dataset.test.x)
    assert (said["probabilities"].argmax(axis=1) == dataset.test.y).mean() > 0.95
    rows = training.recorder.rows
    assert [row["phase"] for row in rows[::60]] == ["train_0", "train_1", "calibrate"]
    assert rows[-1]["validation_accuracy"] > 0.95
    assert rows[-1]["mse"] is rows[0]["accuracy"] is None


def test_each_class_is_trained_on_its_own_samples_only():
    def weights_after(dataset: Splits) -> dict[str, np.ndarray]:
        return training_of(LINEAR, dataset, **{**BASIC, "epochs": 1}).run().weights

    dataset = planes()
    x = np.where(dataset.train.y[:, None] == 1, 0, dataset.train.x)
    first, again = weights_after(dataset), weights_after(replace(dataset, train=Split(x, dataset.train.y)))
    changed = {name.partition(".")[0] for name, value in first.items() if value.tobytes() != again[name].tobytes()}
    assert changed == {"class_1", "calibration"}


@pytest.mark.parametrize(
    ("of", "settings"),
    [
        (
            {"autoencoder": {"units": 3, "corruption": {"masking": 0.2}, "contraction": 0.01}},
            {**BASIC, "early_stopping": {"patience": 2}},
        ),
        ({"pca": 2}, {}),
    ],
    ids=["autoencoder", "pca"],
)
def test_a_training_that_goes_on_after_any_epoch_of_any_phase_ends_with_the_same_bytes(of, settings, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)  # one after every epoch
    dataset = planes()
    whole = training_of(of, dataset, **settings)
    outcome, rows = whole.run(), whole.recorder.rows
    assert [checkpoint.rows for checkpoint in whole.recorder.checkpoints] == [*range(1, len(rows) + 1)]
    last = None
    for row in rows:  # each goes on from the one before, for an epoch
        recorder = Memory(interrupt_after=1)
        with pytest.raises(KeyboardInterrupt):
            training_of(of, dataset, recorder, **settings).run(last)
        assert [{**each, "seconds": 0} for each in recorder.rows] == [{**row, "seconds": 0}]
        last = recorder.checkpoints[-1]
    resumed = training_of(of, dataset, **settings).run(last)
    for name, value in outcome.weights.items():
        assert value.tobytes() == resumed.weights[name].tobytes(), name


def test_the_calibration_makes_no_probability_of_the_validation_samples_worse_on_average():
    dataset = planes(classes=3, samples=300)
    training = training_of({"pca": 1}, dataset)
    training.run()
    uncalibrated = PLANES.build(Description((D,), ("0", "1", "2"), 150, None), seed=0)
    for name, variable in uncalibrated.weights.items():
        if not name.startswith("calibration"):
            variable.assign(training.network.weights[name])
    x, y = dataset.validation.x, dataset.validation.y
    losses = [
        np.asarray(
            PLANES.cost(Settings(), Description((D,), ("0", "1", "2"), 150, None), network)(x, y, False)[0]["loss"]
        ).mean()
        for network in (training.network, uncalibrated)
    ]
    assert losses[0] < losses[1]


def without(k: int, split: Split) -> Split:
    return Split(split.x[split.y != k], split.y[split.y != k])


@pytest.mark.parametrize("of", [LINEAR, {"pca": 2}], ids=["autoencoder", "pca"])
def test_a_class_without_samples_is_reported_before_anything_is_trained(of):
    dataset = planes(classes=3)
    lacking = replace(dataset, train=without(1, dataset.train))
    training = "there are no training samples of 1; raise data.train, or leave the class out by data.classes"
    with pytest.raises(UserError) as caught:
        training_of(of, lacking)
    assert str(caught.value) == training
    lacking = training_of(of, replace(dataset, validation=without(2, dataset.validation)))
    validation = "there are no validation samples of 2; raise data.validation, or leave the class out by data.classes"
    with pytest.raises(UserError) as caught:
        lacking.run()
    assert str(caught.value) == validation
    assert lacking.recorder.rows == []


def test_more_components_than_a_class_has_directions_are_refused():
    dataset = planes()
    few = np.r_[np.flatnonzero(dataset.train.y == 0), np.flatnonzero(dataset.train.y == 1)[:3]]
    reason = (
        "model.of.pca.components: 3 components need 4 training samples of each class, and one has 3; "
        "lower it, or raise data.train"
    )
    with pytest.raises(UserError) as caught:
        training_of({"pca": 3}, replace(dataset, train=Split(dataset.train.x[few], dataset.train.y[few])))
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("of", "settings", "where", "why"),
    [
        ({"pca": 13}, {}, "model.of.pca.components", "13 components of 12 values; lower it"),
        (
            {"pca": 2},
            {"epochs": 5},
            "training",
            "components are computed at once, by eigenvectors: leave training out",
        ),
        (
            {"autoencoder": {"units": 20_000_000}},
            {},
            "model.of.autoencoder.units",
            "2 x 12 x 20000000 weights are more than 250000000; lower it",
        ),
        (
            {"autoencoder": {"units": 3, "sparsity": {"k": 2}}},
            {},
            "model.of.autoencoder.sparsity.k",
            "a code cut to its k largest values has no energy; use l1 or kl",
        ),
        (
            {"autoencoder": {"units": 3, "activation": "tanh", "sparsity": {"kl": {"target": 0.1, "weight": 1.0}}}},
            {},
            "model.of.autoencoder.sparsity.kl",
            "compares activities between 0 and 1 with a target; end the encoder in a layer with activation: sigmoid",
        ),
        (
            {"autoencoder": {"units": 3, "output": "linear"}},
            {"loss": "binary_crossentropy"},
            "model.of.autoencoder.output",
            "BinaryCrossentropy takes values between 0 and 1; write output: sigmoid",
        ),
        (
            LINEAR,
            {"augmentation": {"noise": 0.1}},
            "training.augmentation",
            "each class is trained on its samples one after the other, as they are; leave it out, or use corruption",
        ),
        (
            LINEAR,
            {"phases": {"train": {"labels": 5}}},
            "training.phases.train.labels",
            "only a head is trained with labels; leave it out",
        ),
        (
            LINEAR,
            {"early_stopping": {"monitor": "validation_accuracy"}},
            "training.early_stopping.monitor",
            "validation_accuracy is that of all classes together, known after training; monitor validation_loss",
        ),
        (
            LINEAR,
            {"class_weight": "balanced"},
            "training.class_weight",
            "only a classifier's loss weighs classes; leave it out",
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_with_its_place(of, settings, where, why):
    with pytest.raises(Refusal) as caught:
        training_of(of, planes(), **settings)
    assert (".".join(map(str, caught.value.path)), caught.value.text) == (where, why)


@pytest.mark.parametrize("classes", [(), ("a",)])
def test_there_must_be_classes_to_tell_apart(classes):
    spec = energy_classifier.EnergyClassifier.model_validate({"kind": "energy_classifier", "of": {"pca": 2}})
    with pytest.raises(Refusal) as caught:
        spec.rows(Description((D,), classes, 10, None))
    assert caught.value.text == f"there are {len(classes) or 'no'} classes, and nothing to tell apart"


CONFIG = {
    "name": "energies",
    "data": {"name": "digits", "classes": [3, 8], "train": 180, "validation": 77, "test": 100},
    "model": {"kind": "energy_classifier", "of": {"autoencoder": {"units": 20}}},
    "training": {
        "loss": "binary_crossentropy",
        "batch_size": 20,
        "epochs": 20,
        "optimizer": {"Adam": {"learning_rate": 0.01}},
    },
    "plots": ["learning_curves", "confusion_matrix", "misclassified", "filters"],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Trained, drawn, and evaluated on test and training samples."""
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("energies.yaml").write_text(dump(CONFIG))
        mlphys("train", "energies.yaml", "--quiet", "--no-report", "--out", "run")
        mlphys("evaluate", "run", "--no-plots")
        mlphys("evaluate", "run", "--split", "train", "--no-plots")
    return Run(path / "run")


def test_a_run_holds_energies_beside_probabilities_and_what_it_measured(run):
    arrays, measured = run.predictions("test"), run.metrics["test"]
    a, b = (run.weights[f"calibration.{name}"] for name in ("scales", "biases"))
    scores = a * arrays["energies"] + b
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(arrays["probabilities"], p / p.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-6)
    right = arrays["energies"].argmax(axis=1) == arrays["labels"]
    assert measured["uncalibrated_accuracy"] == right.mean()
    assert measured["accuracy"] > 0.9 > measured["majority_accuracy"]
    own = arrays["class_errors"][np.arange(100), arrays["labels"]]
    assert measured["mse"] == pytest.approx(own.mean(), rel=1e-5)
    assert run.config.model.of.output == "sigmoid"


def test_principal_components_of_each_class_are_better_on_its_training_samples(run):
    assert run.metrics["train"]["pca_mse"] < run.metrics["train"]["mse"]


def test_its_pictures_are_drawn_the_filters_a_line_a_class(run):
    for picture in ("learning_curves", "confusion_matrix", "filters"):
        assert (run.path / "figures" / f"{picture}.png").exists()
    table = (run.path / "figures" / "filters.csv").read_text().splitlines()
    assert table[0] == "layer,class,unit,row,column,weight"
    assert len(table) == 1 + 2 * 20 * 64
    kernel = run.weights["class_1.encoder.0.Dense.kernel"]
    assert float(table[-1].rpartition(",")[2]) == pytest.approx(kernel[63, 19], rel=1e-5)


def test_predictions_have_a_column_a_class_for_probability_and_energy(run, tmp_path):
    np.save(tmp_path / "x.npy", run.dataset().test.x[:2])
    header = mlphys("predict", run.path, tmp_path / "x.npy").splitlines()[0]
    assert header == (
        "file,sample,class,probability,distance,farther_than,p_3,p_8,energy_0,energy_1,class_mse_0,class_mse_1"
    )


def test_a_finished_run_is_not_trained_longer(run):
    said = mlphys("resume", run.path, "--set", "training.epochs=30", code=2)
    assert "is trained in phases, and the epochs of those before are spent; retrain with other epochs" in said


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            {"name": "digits", "validation": 0},
            "data.validation: energies are compared after a calibration on validation samples; "
            "give it some, such as 0.1",
        ),
        (
            {"name": "circle_or_square", "samples": 300, "size": 8, "fresh": True},
            "data.fresh: each class is trained on its samples one after the other, and fresh ones are of all; "
            "leave it out",
        ),
    ],
)  # fmt: skip
def test_data_that_cannot_be_calibrated_with_or_split_by_class_is_refused(data, reason, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(dump({**CONFIG, "data": data}))
    assert reason in " ".join(mlphys("config", "check", path, code=2).split())


def test_the_cost_tells_autoencoder_energy_and_calibration(run):
    said = mlphys("config", "explain", run.path.parent / "energies.yaml")
    assert (
        "cost = each class: mean over the samples of  1/64 sum_k -[t log p + (1 - t) log(1 - p)]\n"
        "then: mean over the validation samples of  -log softmax_k(a_k E_k(x) + b_k) of the class, k = 1 ... 2\n"
        "    + ridge / 2 sum_k A_k^2 + B_k^2, a_k E_k + b_k = A_k z_k + B_k, z_k the standardized E_k\n"
        "    ridge: the best of 0.1 ... 1e-09 in 5 folds of the validation samples\n"
        "    E_k(x) = sum_j log(1 + exp s_j) + b x, s = x W + c, with W, c and b of class k\n"
    ) in said
