"""Epochs that have samples of their own: fresh ones, distorted ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.config.load import load
from mlphys.data import preprocessing
from mlphys.errors import UserError
from mlphys.schema.document import dump
from mlphys.training import loop
from mlphys.training.epoch_data import feed
from mlphys.training.progress import Silence
from tests.helpers.memory_writer import Memory

FRESH = {"name": "circle_or_square", "size": 9, "samples": 80, "validation": 10, "test": 10, "fresh": True}
DIGITS = {"name": "digits", "train": 100, "validation": 20, "test": 20}
CIRCLES = {"name": "circles", "size": 8, "samples": 60, "validation": 5, "test": 5, "fresh": True}
# noise is drawn in every epoch, and keeps XLA, which takes seconds, out
DENSE = [{"GaussianNoise": {"stddev": 0.1}}, "Flatten", {"Dense": {"units": 4, "activation": "tanh"}}]
TURNED = {"rotation": 20.0, "shift": 1.0, "noise": 0.1}
BENT = {"elastic": {"alpha": 0.5, "sigma": 2.0}, "edges": "nearest"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def experiment(data: dict, **training):
    """The experiment, its samples and what its preprocessing is fitted with."""
    classes = {"circle_or_square": 2, "lorentz_gauss": 2, "digits": 10}.get(data["name"])
    if classes:
        model = {"kind": "classifier", "layers": [*DENSE, {"Dense": {"units": classes, "activation": "softmax"}}]}
    else:
        model = {"kind": "autoencoder", "encoder": DENSE, "decoder": "mirror"}
    Path("f.yaml").write_text(dump({"data": data, "model": model, "training": training}))
    loaded = load(Path("f.yaml"))
    dataset = loaded.dataset()
    return loaded, dataset, preprocessing.fit(loaded.experiment.data.preprocess, dataset.train.x)


def test_where_all_epochs_have_the_same_samples_there_is_no_feed():
    assert feed(*experiment(DIGITS)) is None
    assert feed(*experiment({**FRESH, "fresh": False})) is None


def test_no_two_epochs_have_a_fresh_sample_in_common_nor_one_that_is_measured_on():
    loaded, dataset, fitted = experiment({"name": "lorentz_gauss", "points": 60, "samples": 80, "fresh": True})
    of_epoch = feed(loaded, dataset, fitted)
    drawn = [split.x for split in (dataset.train, dataset.validation, dataset.test)]
    together = np.concatenate(drawn + [of_epoch(epoch, 60)[0].x for epoch in (1, 2, 3)])
    assert len(np.unique(together, axis=0)) == len(together) == 80 + 3 * 60


def test_validation_and_test_samples_are_those_without_fresh():
    dataset, known = experiment(FRESH)[1], experiment({**FRESH, "fresh": False})[1]
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(dataset, split).x, getattr(known, split).x)


def test_an_epoch_has_the_same_fresh_samples_whenever_it_is_drawn_and_for_another_seed_others():
    loaded, dataset, fitted = experiment(FRESH)
    first, again = feed(loaded, dataset, fitted), feed(loaded, dataset, fitted)
    first(1, 60)
    assert first(2, 60)[0].x.tobytes() == again(2, 60)[0].x.tobytes()
    other = load(Path("f.yaml"), ["seed=1"])
    assert feed(other, dataset, fitted)(2, 60)[0].x.tobytes() != again(2, 60)[0].x.tobytes()


def test_distorted_samples_are_those_of_the_dataset_before_preprocessing():
    data = {**DIGITS, "preprocess": ["standardize"]}
    loaded, dataset, fitted = experiment(data, augmentation={"noise": 1e-6})
    split, change = feed(loaded, dataset, fitted)(1, 100)
    assert split is dataset.train
    x = change(split, 0).x
    np.testing.assert_allclose(x, fitted.apply(dataset.train.x), atol=1e-3)
    assert not np.array_equal(x, fitted.apply(dataset.train.x))


def test_more_fresh_samples_in_an_epoch_than_memory_holds_are_refused():
    experiment(FRESH, batch_size=30, steps_per_epoch=1000)
    with pytest.raises(UserError) as raised:
        load(Path("f.yaml"), ["training.steps_per_epoch=1000000"])
    assert str(raised.value) == (
        "--set training.steps_per_epoch=1000000: training.steps_per_epoch: 30000000 fresh samples in an epoch: "
        "30000000 images of 9 x 9 are 2430000000 pixels, more than 250000000; lower samples or size"
    )


def trained(made, recorder, start=None):
    loaded, dataset, fitted = made
    settings, description = loaded.experiment.training, loaded.net_input
    network = loaded.experiment.model.build(description, 0)
    seen = fitted.dataset(dataset)
    phases = loaded.experiment.model.phases(settings, description, network, seen.train)
    return loop.Training(network, phases, seen, feed(*made), 0, {}, recorder, Silence()).run(start)


@pytest.mark.parametrize(
    ("data", "training"),
    [
        (FRESH, {}),
        (FRESH, {"steps_per_epoch": 3}),
        (CIRCLES, {"steps_per_epoch": 9, "augmentation": {"noise": 0.1}}),
        (DIGITS, {"steps_per_epoch": 5}),
        (DIGITS, {"augmentation": TURNED, "batch_size": 25}),
        ({**DIGITS, "preprocess": [{"project": 9}]}, {"augmentation": BENT, "steps_per_epoch": 2}),
    ],
    ids=["fresh", "fresh steps", "fresh noise", "steps across passes", "turned", "bent"],
)
def test_a_training_resumed_after_any_epoch_ends_with_the_same_bytes(data, training, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)  # one after every epoch
    made = experiment(data, **{"epochs": 3, "batch_size": 30, **training})
    recorder = Memory()
    whole = trained(made, recorder)
    for checkpoint in recorder.checkpoints[:-1]:
        rest = Memory()
        resumed = trained(made, rest, checkpoint)
        rows = [*recorder.rows[: checkpoint.rows], *rest.rows]
        assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in recorder.rows]
        for name, value in whole.weights.items():
            assert value.tobytes() == resumed.weights[name].tobytes(), (checkpoint.epoch, name)
