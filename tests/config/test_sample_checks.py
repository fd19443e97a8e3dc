"""What is wrong with samples themselves is known before the first step, and before a run is created."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.config import sample_checks
from mlphys.config.load import load
from mlphys.data import preprocessing
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys, reason

RANDOM = np.random.default_rng(0)
PROBABILITIES = RANDOM.uniform(size=(40, 6))
CLASSES = np.arange(40) % 2


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A config of arrays; gives its path."""
    monkeypatch.chdir(tmp_path)

    def write(model, training=None, data=None, **arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        config = {"name": "a", "data": {"name": "array", "path": "a.npz", **(data or {})}, "model": model}
        path = tmp_path / "a.yaml"
        path.write_text(dump({**config, "training": {"epochs": 1, **(training or {})}}))
        return path

    return write


def refused(path):
    """What `train` says, which leaves no run behind; `data check` says it too."""
    text = reason("train", path)
    assert not (path.parent / "runs").exists()
    assert f"warning: {text}" in mlphys("data", "check", path).splitlines()
    return text


AUTOENCODER = {"kind": "autoencoder", "encoder": [{"Dense": {"units": 3}}], "decoder": [{"Dense": {"units": 6}}]}
BINARY = {"loss": "binary_crossentropy"}
BEGINNING = "training.loss: BinaryCrossentropy compares probabilities, from 0 to 1; the "


@pytest.mark.parametrize(
    ("x", "data", "rest"),
    [
        (np.round(255 * PROBABILITIES), {}, "; write data.scale: 255, or"),
        (np.where(PROBABILITIES > 0.5, 1, -1), {}, "go from -1 to 1; save spins as (x + 1) / 2, or"),
        (PROBABILITIES - 0.5, {}, "; bring them into this range, or"),
        (PROBABILITIES, {"preprocess": ["standardize"]}, "; leave data.preprocess out, or"),
    ],
)
def test_a_binary_crossentropy_of_samples_outside_0_to_1_is_refused(write, x, data, rest):
    text = refused(write(AUTOENCODER, BINARY, data, x=x))
    assert text.startswith(f"{BEGINNING}samples of train ")
    assert text.endswith(f"{rest} write loss: mean_squared_error")


def test_the_remedies_of_a_binary_crossentropy_pass(write):
    x = np.round(255 * PROBABILITIES)
    for training, data, values in (
        (BINARY, {"scale": 255}, x),
        (BINARY, {}, PROBABILITIES),
        (BINARY, {}, x.astype(np.uint8)),
        ({"loss": "mean_squared_error"}, {}, x),
    ):
        loaded = load(write(AUTOENCODER, training, data, x=values))
        dataset = loaded.dataset()
        fitted = preprocessing.fit(loaded.experiment.data.preprocess, dataset.train.x)
        sample_checks.require_learnable(loaded, dataset, fitted)


def regressor(units):
    return {"kind": "regressor", "layers": [{"Dense": {"units": units, "activation": "sigmoid"}}]}


@pytest.mark.parametrize(
    ("y", "rest"),
    [
        (np.where(CLASSES, 255, 0), "targets of train go from 0 to 255; save them divided by 255"),
        (np.where(CLASSES, 1.0, -1.0), "targets of train go from -1 to 1; save spins as (x + 1) / 2"),
        (np.where(CLASSES, 0.5, 2.0), "targets of train go from 0.5 to 2; save them divided by 2"),
    ],
)
def test_a_binary_crossentropy_of_targets_outside_0_to_1_is_refused(write, y, rest):
    text = refused(write(regressor(1), BINARY, x=PROBABILITIES, y=y))
    assert text == f"{BEGINNING}{rest}, or write loss: mean_squared_error"


def test_targets_that_are_images_of_bytes_are_read_as_the_samples_are(write):
    x = RANDOM.integers(0, 256, (40, 4, 4)).astype(np.uint8)
    layers = [{"Conv2D": {"filters": 1, "kernel_size": 1, "activation": "sigmoid"}}]
    loaded = load(write({"kind": "regressor", "layers": layers}, BINARY, x=x, y=x[::-1]))
    dataset = loaded.dataset()
    assert (dataset.train.y.min(), dataset.train.y.max()) == (0, 1)
    sample_checks.require_learnable(loaded, dataset, preprocessing.fit([], dataset.train.x))


def test_spins_are_no_visible_units_of_a_machine_of_0_and_1_and_no_run_is_left(write):
    text = refused(write({"kind": "rbm", "hidden": 3}, x=np.where(PROBABILITIES > 0.5, 1, -1)))
    assert text.startswith("model.visible: bernoulli takes values from 0 to 1, the training samples have -1 to 1")
    assert "resume" not in text


NORMALIZED = [{"Dense": {"units": 4}}, "BatchNormalization", {"Dense": {"units": 2, "activation": "softmax"}}]


@pytest.mark.parametrize(("batch", "train"), [(1, 20), ("all", 1), (8, 1)])
def test_batch_normalization_of_one_sample_is_refused(write, batch, train):
    model = {"kind": "classifier", "layers": NORMALIZED}
    data = {"train": train, "validation": 0, "test": 0}
    path = write(model, {"batch_size": batch}, data, x=PROBABILITIES, y=CLASSES)
    assert reason("config", "check", path).endswith(
        "training.batch_size: layers.1.BatchNormalization of one sample is its bias, whatever the sample; "
        "write at least 2"
    )
    mlphys("config", "check", path, "--set", "training.batch_size=2", "--set", "data.train=20")


def test_batch_normalization_of_the_pixels_of_one_image_has_many_numbers_of_each_feature(write):
    layers = [{"Conv2D": {"filters": 2, "kernel_size": 1}}, "BatchNormalization", "Flatten", {"Dense": {"units": 2}}]
    layers[-1]["Dense"]["activation"] = "softmax"
    x = PROBABILITIES.reshape(40, 3, 2)
    mlphys("config", "check", write({"kind": "classifier", "layers": layers}, {"batch_size": 1}, x=x, y=CLASSES))


LINEAR = {"kind": "classifier", "layers": [{"Dense": {"units": 2, "activation": "softmax"}}]}


def remarks(path):
    loaded = load(path)
    dataset = loaded.dataset()
    return sample_checks.all_remarks(loaded, dataset)


@pytest.mark.parametrize("wrong", [-9999.0, 1e20, 99.99, -999.0])
def test_a_few_values_far_outside_of_all_others_are_named_with_their_number(write, wrong):
    x = RANDOM.normal(size=(400, 3))
    x[[7, 11], 1] = wrong
    (remark,) = remarks(write(LINEAR, data={"validation": 0, "test": 0}, x=x, y=np.arange(400) % 2))[:1]
    assert remark.startswith("x[:, 1]: 2 of 400 training samples lie far outside of all others")
    assert f"such as {wrong:g}" in remark


def test_of_many_features_with_outliers_the_first_are_named_and_the_others_counted(write):
    x = RANDOM.normal(size=(400, 5))
    x[7] = 1e4
    found = remarks(write(LINEAR, data={"validation": 0, "test": 0}, x=x, y=np.arange(400) % 2))
    assert [remark.partition(":")[0] for remark in found[:3]] == ["x[", "x[", "x["]
    assert found[3] == "2 more features have values far outside of all others"


@pytest.mark.parametrize(("samples", "far"), [(19, 1), (400, 16)], ids=["few samples", "4 % are no outliers"])
def test_far_values_are_no_outliers_where_little_is_known_or_many_are_far(write, samples, far):
    x = RANDOM.normal(size=(samples, 3))
    x[:far, 1] = 900
    found = remarks(write(LINEAR, data={"validation": 0, "test": 0}, x=x, y=np.arange(samples) % 2))
    assert not [remark for remark in found if "far outside of all others" in remark]


@pytest.mark.parametrize(
    "x",
    [
        RANDOM.normal(size=(400, 3)),
        RANDOM.exponential(size=(400, 3)),
        RANDOM.lognormal(size=(400, 3)),
        (RANDOM.uniform(size=(400, 3)) < 0.005).astype(float),
    ],
)
def test_ordinary_samples_are_not_remarked(write, x):
    assert remarks(write(LINEAR, x=x, y=np.arange(400) % 2)) == []


@pytest.mark.parametrize(("factor", "side"), [(1e5, "above"), (1e-7, "below"), (1e20, "above")])
def test_values_all_far_from_one_are_remarked_unless_they_are_standardized(write, factor, side):
    path = write(LINEAR, x=factor * (1 + PROBABILITIES), y=CLASSES)
    (remark,) = remarks(path)
    assert remark.startswith(f"the values of x are far {side} one")
    assert remarks(write(LINEAR, data={"preprocess": ["standardize"]}, x=factor * (1 + PROBABILITIES), y=CLASSES)) == []


def test_targets_far_from_mean_0_or_spread_1_are_remarked_with_the_line_to_add(write):
    y = np.stack([1e6 * (1 + PROBABILITIES[:, 0]), 0.01 * PROBABILITIES[:, 1]], axis=1)
    [remark] = remarks(write(regressor(2), {"loss": "mean_squared_error"}, x=PROBABILITIES, y=y))
    assert remark.startswith("the targets are far from mean 0 and spread 1, near which a net begins: mean 1.")
    assert remark.endswith("write data.target_scaling: standardize")
    scaled = {"target_scaling": "standardize"}
    assert remarks(write(regressor(2), {"loss": "mean_squared_error"}, scaled, x=PROBABILITIES, y=y)) == []
    assert remarks(write(regressor(2), {"loss": "mean_squared_error"}, x=PROBABILITIES, y=y / y.std(axis=0))) == []


def test_targets_that_are_all_equal_have_no_spread_to_be_remarked(write):
    assert remarks(write(regressor(1), {"loss": "mean_squared_error"}, x=PROBABILITIES, y=np.ones((40, 1)))) == []


def test_a_class_that_a_split_lacks_stops_the_run_with_the_counts_and_the_key(write):
    few = np.where(np.isin(np.arange(40), (3, 8)), 2, CLASSES)
    text = refused(
        write(
            {**LINEAR, "layers": [{"Dense": {"units": 3, "activation": "softmax"}}]},
            x_train=PROBABILITIES,
            y_train=few,
            x_test=PROBABILITIES,
            y_test=CLASSES,
        )
    )
    assert text == "array: validation has no sample of class 2 (train 2, test 0); raise data.validation, or set it to 0"
