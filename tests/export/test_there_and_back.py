"""Nets that go to Keras and come from it: the same losses step by step, and the same numbers after a round trip."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mlphys.numerics.randomness import rng
from tests.helpers.cli import mlphys

SIZE, SAMPLES, STEPS, BATCH = 6, 100, 100, 20
SIZES = ("data.train=100", "data.validation=10", "data.test=20", "training.epochs=0")
AS_BEFORE = [word for size in SIZES for word in ("--set", size)]


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """The file data.npz in the current folder: images x and their classes y."""
    monkeypatch.chdir(tmp_path)
    random = rng(1, "samples")
    y = np.arange(SAMPLES + 30) % 3
    x = (random.normal(size=(len(y), SIZE, SIZE, 1)) + y[:, None, None, None]).astype("f4")
    np.savez("data.npz", x=x, y=y)
    return x, y


def test_a_hundred_steps_from_imported_weights_have_the_losses_that_keras_has(samples):
    import keras
    from keras import layers

    x, y = samples
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Conv2D(3, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.ExponentialDecay(0.02, 50, 0.8)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.save("net.keras")
    losses = []
    for step in range(STEPS):
        rows = slice(step % 5 * BATCH, (step % 5 + 1) * BATCH)
        losses.append(float(model.train_on_batch(x[rows], y[rows])))
        model.reset_metrics()

    mlphys("config", "from-keras", "net.keras", "--weights", "--out", "net.yaml")
    order = ["data.split=in_order", f"data.train={SAMPLES}", "data.validation=10", "data.test=20"]
    one_step = ["training.shuffle=false", f"training.batch_size={BATCH}", "training.steps_per_epoch=1"]
    settings = [*order, *one_step, f"training.epochs={STEPS}"]
    overrides = [word for setting in settings for word in ("--set", setting)]
    mlphys("train", "net.yaml", *overrides, "--out", "run", "--quiet", "--no-report")
    rows = csv.DictReader(Path("run/history.csv").read_text().splitlines())
    ours = np.array([float(row["loss"]) for row in rows])
    assert len(ours) == STEPS
    np.testing.assert_allclose(ours, losses, rtol=1e-4)
    assert losses[-1] < losses[0] / 2


def test_a_net_that_goes_to_keras_and_back_measures_the_same(samples):
    Path("first.yaml").write_text("""
data: {name: array, path: data.npz, preprocess: [standardize], train: 100, validation: 10, test: 20}
model:
  kind: classifier
  layers: [{Conv2D: {filters: 3, kernel_size: 3, activation: gelu}}, {Dropout: 0.3}, Flatten,
    {Dense: {units: 3, activation: softmax}}]
training: {epochs: 2}
""")
    mlphys("train", "first.yaml", "--out", "first", "--quiet", "--no-report")
    mlphys("export", "first", "--format", "keras", "--out", "net.keras")
    mlphys("config", "from-keras", "net.keras", "--weights", "--out", "again.yaml")
    written = Path("again.yaml").read_text()
    assert "preprocess: [standardize]" in written
    mlphys("train", "again.yaml", *AS_BEFORE, "--out", "again", "--quiet", "--no-report")
    measured = [json.loads(mlphys("evaluate", run, "--json", "--no-plots")) for run in ("first", "again")]
    for metric in ("accuracy", "loss", "nll", "auc"):
        assert measured[1][metric] == pytest.approx(measured[0][metric], rel=1e-6), metric
    assert re.search(r"file: again\.safetensors\n +sha256: [0-9a-f]{64}", written)


def test_an_autoencoder_that_undoes_its_preprocessing_comes_back_whole(samples):
    Path("first.yaml").write_text("""
data: {name: array, path: data.npz, preprocess: [{scale: 2.0}], train: 100, validation: 10, test: 20}
model:
  kind: autoencoder
  encoder: [Flatten, {Dense: {units: 4, activation: tanh}}]
  decoder: [{Dense: {units: 36}}, {Reshape: [6, 6, 1]}]
training: {epochs: 2}
""")
    mlphys("train", "first.yaml", "--out", "first", "--quiet", "--no-report")
    mlphys("export", "first", "--format", "keras", "--out", "net.keras")
    mlphys("config", "from-keras", "net.keras", "--weights", "--out", "again.yaml")
    mlphys("train", "again.yaml", *AS_BEFORE, "--out", "again", "--quiet", "--no-report")
    measured = [json.loads(mlphys("evaluate", run, "--json", "--no-plots"))["mse"] for run in ("first", "again")]
    assert measured[1] == pytest.approx(measured[0], rel=1e-6)
