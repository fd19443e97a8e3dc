"""Epoch after epoch, phase after phase, until done, stopped, interrupted or diverged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlphys.errors import UserError
from mlphys.history import quantities
from mlphys.phases import Fit, Gradient, Network, Phase
from mlphys.randomness import rng
from mlphys.schema.data import Dataset, Split
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.corruption import Corrupter
from mlphys.training.early_stopping import Watch
from mlphys.training.engine import Engine, Measurement, load_weights, weights_of
from mlphys.training.progress import Reporter

CHUNK_SECONDS = 0.7  # a call cannot be interrupted: Ctrl-C is heard after it
FIRST_CHUNK = 1  # batches, before the speed is known
CHECKPOINT_SECONDS = 1.0  # at most one a second: many epochs are shorter than a write


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `stopped` is "early_stopping", "epochs" or "target"."""

    weights: dict[str, np.ndarray]
    best_epoch: int
    stopped: str


class Diverged(UserError):
    """The loss is not finite any more; `outcome` holds the last good weights."""

    def __init__(self, text: str, outcome: Outcome):
        super().__init__(text)
        self.outcome = outcome


@dataclass(frozen=True)
class Progress:
    """The end of an epoch: variables now and at the best epoch, and how many rows of history belong to it."""

    epoch: int
    rows: int
    state: Mapping[str, np.ndarray]
    best: Mapping[str, np.ndarray]
    watch: Watch


class Keeper(Protocol):
    """Keeps what training produces: the run directory, seen from the loop."""

    def row(self, row: Mapping[str, Any]) -> None: ...

    def checkpoint(self, checkpoint: Checkpoint) -> None: ...


@dataclass
class Training:
    """The phases of one experiment under way.

    `feed(epoch, samples)` gives the training samples of an epoch where each has its own; None: all
    are trained on `dataset.train`. `fingerprints` go into every checkpoint.
    """

    network: Network
    phases: Sequence[Phase]
    dataset: Dataset
    feed: Callable[[int, int], Split] | None
    seed: int
    fingerprints: dict[str, str]
    keeper: Keeper
    reporter: Reporter

    def run(self, start: Checkpoint | None = None) -> Outcome:
        """Train all phases, from `start` on. Raises Diverged, and passes KeyboardInterrupt on.

        Either way the last whole epoch is in a checkpoint when it raises.
        """
        history: list[dict[str, Any]] = list(start.history) if start else []
        self.metrics = list(dict.fromkeys(name for phase in self.phases for name in phase.metrics))
        outcome = Outcome(weights_of(self.network), 0, "epochs")
        names = [phase.name for phase in self.phases]
        first = names.index(start.phase) if start else 0
        for phase in self.phases[first:]:
            resumed = start if start and start.phase == phase.name else None
            match phase:
                case Gradient():
                    outcome = PhaseInTraining(self, phase, history, resumed).run()
                case Fit():
                    outcome = fitted(self, phase, history, resumed)
        return outcome


def fitted(training: Training, phase: Fit, history: list[dict[str, Any]], start: Checkpoint | None) -> Outcome:
    """One fit phase, a row of history and a checkpoint: its weights are the network's now."""
    if start:
        weights = _weights(start.tensors)
        load_weights(phase.network, weights)
        return Outcome(weights, 0, "epochs")
    began = time.perf_counter()
    training.reporter.begin(phase.name, 1, 0)
    try:
        weights = dict(phase.fit(training.dataset.train))
        load_weights(phase.network, weights)
        row: dict[str, Any] = {"phase": phase.name, "epoch": 1, "seconds": 0.0}
        row |= Measurement(phase, training.dataset.train).means()
        if len(training.dataset.validation):
            means = Measurement(phase, training.dataset.validation).means()
            row |= {f"validation_{name}": value for name, value in means.items()}
        row["seconds"] = round(time.perf_counter() - began, 4)
        history.append(row)
        training.keeper.row(row)
        tensors = {f"weights/{name}": value for name, value in weights.items()}
        training.keeper.checkpoint(
            Checkpoint(phase.name, 1, list(history), Watch().as_dict(), training.fingerprints, tensors)
        )
        training.reporter.epoch(row)
    finally:
        training.reporter.end()
    return Outcome(weights, 0, "epochs")


class PhaseInTraining:
    """One gradient phase: its engine, and how far it is.

    `progress` is replaced in one assignment at the end of an epoch, so that an interrupt at any
    instant finds a whole epoch in it.
    """

    def __init__(self, training: Training, phase: Gradient, history: list[dict[str, Any]], start: Checkpoint | None):
        self.training = training
        self.phase = phase
        self.history = history
        self.settings = phase.settings
        if start:  # what the phase is trained on may follow from the weights
            load_weights(phase.network, _weights(start.tensors))
        train, validation = self.prepared(training.dataset.train), training.dataset.validation
        if not phase.only_train:
            validation = self.prepared(validation)
        self.corrupt = None
        if phase.corruption:
            self.corrupt = Corrupter(phase.corruption, training.seed, phase.name)
            if len(validation):
                validation = Corrupter(phase.corruption, training.seed, f"{phase.name}, validation")(validation)
        self.train_split = train
        self.engine = Engine(phase, train)
        self.validation = Measurement(phase, validation) if len(validation) else None
        self.chunk = FIRST_CHUNK
        self.compiled = False
        if start:
            self.progress = _resumed(start)
            self.engine.restore(self.progress.state)
        else:
            state = self.engine.state()
            self.progress = Progress(0, len(history), state, state, Watch())
        self.saved_epoch, self.saved_at = self.progress.epoch, -math.inf
        self.last_row_at = time.perf_counter()

    def run(self) -> Outcome:
        reporter = self.training.reporter
        reporter.begin(self.phase.name, self.settings.epochs, self.progress.epoch)
        try:
            while self.progress.epoch < self.settings.epochs and not self.stopped():
                self.epoch(self.progress.epoch + 1)
        finally:
            reporter.end()
            self.save(at_once=True)
        return self.outcome()

    def stopped(self) -> str | None:
        stopping = self.settings.early_stopping
        return self.progress.watch.stopped(stopping) if stopping else None

    def outcome(self) -> Outcome:
        """The weights to keep, which are now the network's: of the best epoch with early stopping, else the last."""
        progress, stopping = self.progress, self.settings.early_stopping
        kept = progress.best if stopping and progress.watch.best_epoch else progress.state
        self.engine.restore(kept)
        weights = _weights(kept)
        best_epoch = progress.watch.best_epoch if stopping else progress.epoch
        return Outcome(weights, best_epoch, self.stopped() or "epochs")

    def epoch(self, epoch: int) -> None:
        """Train one epoch, measure it, record it."""
        fed = self.fed(epoch)
        samples = len(self.train_split if fed is None else fed)
        self.engine.start_epoch(self.order(epoch, samples), self.seeds(epoch), fed)
        row: dict[str, Any] = {"phase": self.phase.name, "epoch": epoch, "seconds": 0.0}
        row |= self.columns("", self.train(epoch))
        if self.validation:
            row |= self.columns("validation_", self.validation.means())
        row["learning_rate"] = self.engine.learning_rate()
        state, watch, best = self.engine.state(), self.progress.watch, self.progress.best
        if "parameters" in self.settings.track:
            row |= _parameters(state)
        if not all(math.isfinite(row[name]) for name in quantities(row) if row[name] is not None) or not _finite(state):
            raise self.diverged(epoch)
        if self.settings.early_stopping:
            watch = watch.after(self.settings.early_stopping, epoch, row[self.settings.early_stopping.monitor])
            best = state if watch.best_epoch == epoch else best
        now = time.perf_counter()
        row["seconds"], self.last_row_at = round(now - self.last_row_at, 4), now
        del self.history[self.progress.rows :]
        self.history.append(row)
        self.progress = Progress(epoch, len(self.history), state, best, watch)
        self.training.keeper.row(row)
        self.save(at_once=False)
        self.training.reporter.epoch(row)

    def train(self, epoch: int) -> dict[str, float]:
        """All batches of an epoch, in chunks of about CHUNK_SECONDS; the means of the metrics."""
        done, means = 0, {}
        while done < self.engine.batches:
            began = time.perf_counter()
            stop = min(done + self.chunk, self.engine.batches)
            means = self.engine.train(done, stop)
            took = time.perf_counter() - began
            if self.compiled:  # the first call compiles, so its time says nothing of the speed
                self.chunk = max(1, math.ceil((stop - done) * CHUNK_SECONDS / max(took, 1e-4)))
            done, self.compiled = stop, True
            if not all(math.isfinite(value) for value in means.values()):
                raise self.diverged(epoch)
            self.training.reporter.chunk(epoch, done / self.engine.batches, means)
        return means

    def order(self, epoch: int, samples: int) -> np.ndarray:
        """The epoch's part of an endless row of passes over the samples."""
        start, stop = (epoch - 1) * self.engine.samples, epoch * self.engine.samples
        first, last = start // samples, math.ceil(stop / samples)
        passes = np.concatenate([self.one_pass(number + 1, samples) for number in range(first, last)])
        return passes[start - first * samples : stop - first * samples]

    def columns(self, prefix: str, means: Mapping[str, float]) -> dict[str, float | None]:
        """The measured columns of history.csv, None for those of other phases."""
        return {f"{prefix}{name}": means.get(name) for name in self.training.metrics}

    def prepared(self, split: Split) -> Split:
        return self.phase.prepare(split) if self.phase.prepare and len(split) else split

    def fed(self, epoch: int) -> Split | None:
        """The samples of an epoch that has its own, None for those that all have."""
        feed = self.training.feed
        split = self.prepared(feed(epoch, self.engine.samples)) if feed else None
        if self.corrupt is None:
            return split
        return self.corrupt(self.train_split if split is None else split, epoch)

    def one_pass(self, number: int, samples: int) -> np.ndarray:
        if not self.settings.shuffle:
            return np.arange(samples)
        return rng(self.training.seed, f"order/{self.phase.name}", number).permutation(samples)

    def seeds(self, epoch: int) -> dict[str, np.ndarray]:
        """The start of each random layer's stream in this epoch."""
        return {
            name: rng(self.training.seed, f"{self.phase.name}/{name}", epoch).integers(2**32, size=2, dtype=np.uint32)
            for name in self.phase.network.seeds
        }

    def save(self, at_once: bool) -> None:
        """Keep the last whole epoch, unless that is done or a checkpoint was just written."""
        progress = self.progress
        recent = time.monotonic() - self.saved_at <= CHECKPOINT_SECONDS
        if progress.epoch == self.saved_epoch or (recent and not at_once):
            return
        best = {f"best/{name}": value for name, value in progress.best.items()} if self.settings.early_stopping else {}
        self.training.keeper.checkpoint(
            Checkpoint(
                self.phase.name,
                progress.epoch,
                self.history[: progress.rows],
                progress.watch.as_dict(),
                self.training.fingerprints,
                {**progress.state, **best},
            )
        )
        self.saved_epoch, self.saved_at = progress.epoch, time.monotonic()

    def diverged(self, epoch: int) -> Diverged:
        rate = self.engine.learning_rate()
        text = (
            f"the loss is not finite any more in epoch {epoch} at learning rate {rate:g}; "
            f"try a smaller learning_rate (such as {rate / 10:g}), or clipnorm: 1 in the optimizer"
        )
        return Diverged(text, self.outcome())


def _resumed(start: Checkpoint) -> Progress:
    state = {name: value for name, value in start.tensors.items() if not name.startswith("best/")}
    best = {name[5:]: value for name, value in start.tensors.items() if name.startswith("best/")}
    return Progress(start.epoch, len(start.history), state, best, Watch.from_dict(start.watch))


def _weights(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix("weights/"): value for name, value in tensors.items() if name.startswith("weights/")}


def _parameters(state: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Each number of each weight, by the weight's name and its place in it: `layers.0.Dense.kernel.0.0`."""
    return {
        ".".join([name.removeprefix("weights/"), *map(str, place)]): float(value[place])
        for name, value in state.items()
        if name.startswith("weights/")
        for place in np.ndindex(value.shape)
    }


def _finite(state: Mapping[str, np.ndarray]) -> bool:
    return all(np.isfinite(value).all() for value in state.values())
