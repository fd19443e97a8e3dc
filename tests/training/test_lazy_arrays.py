"""Training on samples that stay on disk, against training on the same samples in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from mlphys.data import preprocessing
from mlphys.models import classifier
from mlphys.numerics import chunked
from mlphys.schema.augmentation import Augmentation
from mlphys.schema.data import Description
from mlphys.schema.preprocess import Standardize, SubtractMean, Whiten
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training as Settings
from mlphys.training import engine, loop, prefetch
from mlphys.training.augmentation import Augmenter
from mlphys.training.progress import Silence
from tests.helpers.digits import load_digits

DIGITS = Description((8, 8, 1), tuple("0123456789"), 1797, None)
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
DENSE = ["Flatten", {"Dense": {"units": 16, "activation": "relu"}}, SOFTMAX]
CONV = [
    {"Conv2D": {"filters": 4, "kernel_size": 3}},
    "BatchNormalization",
    "Flatten",
    {"Dropout": {"rate": 0.5}},
    SOFTMAX,
]
BATCH = 30
SETTINGS = {"optimizer": "adam", "batch_size": BATCH, "epochs": 2}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    """Two batches a block, and few samples in all other pieces."""
    monkeypatch.setattr(prefetch, "LARGEST_BLOCK", 2 * BATCH * 64 + 50)
    monkeypatch.setattr(chunked, "LARGEST_PIECE", 40 * 64)


class Memory:
    """Keeps rows and checkpoints; interrupts after an epoch."""

    def __init__(self, interrupt_after: int | None = None):
        self.rows, self.checkpoints, self.interrupt_after = [], [], interrupt_after

    def row(self, row):
        self.rows.append({name: value for name, value in row.items() if name != "seconds"})

    def checkpoint(self, checkpoint):
        self.checkpoints.append(checkpoint)
        if checkpoint.epoch == self.interrupt_after:
            self.interrupt_after = None
            raise KeyboardInterrupt


def digits(folder=None) -> Splits:
    """250 samples to train, a batch size of which the last batch is no whole one; stored where there is a folder."""
    data = load_digits()
    x, y = (data.images[:370, ..., None] / 16).astype(np.float32), data.target[:370].astype(np.int32)
    if folder:
        np.save(folder / "x.npy", x)
        mapped = np.load(folder / "x.npy", mmap_mode="r")
        x = chunked.lazy_array(len(x), x.shape[1:], lambda rows: mapped[rows])
    return Splits(Split(x[:250], y[:250]), Split(x[250:340], y[250:340]), Split(x[340:], y[340:]))


def trained(dataset, layers, settings=None, steps=(), augmentation=None, recorder=None, start=None):
    """The outcome's weights, and the rows of history."""
    spec, parsed = (
        classifier.Classifier(kind="classifier", layers=layers),
        Settings.model_validate(settings or SETTINGS),
    )
    fitted = preprocessing.fit(steps, dataset.train.x)
    description = replace(DIGITS, shape=preprocessing.output_shape(steps, DIGITS.shape))
    network = spec.build(description, 0)
    seen, recorder = fitted.dataset(dataset), recorder or Memory()
    phases = spec.phases(parsed, description, network, seen.train)
    feed = None
    if augmentation:
        augment = Augmenter(augmentation, 0)

        def feed(epoch, samples):
            return dataset.train, lambda block, number: Split(fitted.apply(augment(block.x, epoch, number)), block.y)

    outcome = loop.Training(network, phases, seen, feed, 0, {}, recorder, Silence()).run(start)
    return {name: value.tobytes() for name, value in outcome.weights.items()}, recorder.rows


TURNED = Augmentation(rotation=20, shift=1, noise=0.1)
WHOLE = {**SETTINGS, "batch_size": 25}  # without a smaller last batch, of which TensorFlow makes a second graph
CASES = {
    "dense": {"layers": DENSE},
    "conv": {"layers": CONV},
    "standardized": {"layers": CONV, "settings": WHOLE, "steps": [SubtractMean(), Standardize()]},
    "turned": {"layers": CONV, "settings": WHOLE, "augmentation": TURNED, "steps": [Standardize()]},
    "few steps": {"layers": CONV, "settings": {**SETTINGS, "steps_per_epoch": 3, "epochs": 4}},
    "more steps than a pass has": {"layers": CONV, "settings": {**SETTINGS, "steps_per_epoch": 11}},
    "one batch": {"layers": CONV, "settings": {**SETTINGS, "batch_size": "all"}},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_samples_on_disk_train_to_the_same_bytes_as_in_memory(case, tmp_path):
    assert trained(digits(tmp_path), **case) == trained(digits(), **case)


def test_a_training_on_stored_samples_that_was_interrupted_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    case = {"layers": CONV, "settings": WHOLE, "augmentation": TURNED}
    whole, rows = trained(digits(tmp_path), **case)
    recorder = Memory(interrupt_after=1)
    with pytest.raises(KeyboardInterrupt):
        trained(digits(tmp_path), **case, recorder=recorder)
    assert trained(digits(tmp_path), **case, start=recorder.checkpoints[-1]) == (whole, rows[1:])


def stored_engine(dataset: Splits) -> engine.Engine:
    spec = classifier.Classifier(kind="classifier", layers=[CONV[0], "Flatten", SOFTMAX])
    network = spec.build(DIGITS, 0)
    (phase,) = spec.phases(Settings.model_validate(SETTINGS), DIGITS, network, dataset.train)
    return engine.Engine(phase, dataset.train)


def test_stored_samples_are_traced_once_whatever_the_chunks_and_epochs(tmp_path):
    trainer = stored_engine(digits(tmp_path))
    for _ in range(2):
        trainer.start_epoch(np.arange(250), {})
        for start, stop in ((0, 1), (1, 2), (2, 7), (7, 9)):
            trainer.train(start, stop)
    assert (trainer.batches, trainer.traces) == (9, 1)


def test_a_block_is_read_once_by_another_thread_and_no_more_than_the_next_one_ahead():
    data, read = digits(), []

    def fetch(rows):
        read.append((threading.current_thread() is threading.main_thread(), rows.tolist()))
        return data.train.x[rows]

    split = Split(chunked.lazy_array(250, (8, 8, 1), fetch), data.train.y)
    trainer = stored_engine(replace(data, train=split))
    order = np.random.default_rng(0).permutation(250)
    trainer.start_epoch(order, {})
    trainer.train(0, 1)
    assert len(read) <= 2
    trainer.train(1, 9)
    assert read == [(False, order[start : start + 60].tolist()) for start in range(0, 250, 60)]


def test_what_goes_wrong_while_reading_ahead_is_raised_when_the_block_is_asked_for():
    data = digits()

    def fetch(rows):
        if 200 in rows:
            raise OSError("the disk is gone")
        return data.train.x[rows]

    trainer = stored_engine(replace(data, train=Split(chunked.lazy_array(250, (8, 8, 1), fetch), data.train.y)))
    trainer.start_epoch(np.arange(250), {})
    trainer.train(0, 6)  # the samples up to 180
    with pytest.raises(OSError, match="the disk is gone"):
        trainer.train(6, 9)


def test_whitened_samples_on_disk_are_those_in_memory(tmp_path):
    steps = [Whiten(kind="pca", components=20)]
    here, there = (preprocessing.fit(steps, d.train.x).dataset(d) for d in (digits(), digits(tmp_path)))
    np.testing.assert_allclose(chunked.read(there.train.x[::-1]), here.train.x[::-1], rtol=1e-4, atol=1e-5)
