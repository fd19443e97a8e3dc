"""Epoch after epoch, phase after phase, until done, stopped, interrupted or diverged."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlphys.errors import UserError
from mlphys.phases import Gradient
from mlphys.randomness import rng
from mlphys.schema.data import Dataset
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.early_stopping import Watch
from mlphys.training.engine import Engine, Measurement
from mlphys.training.progress import Reporter

CHUNK_SECONDS = 0.7  # a call cannot be interrupted: Ctrl-C is heard after it
FIRST_CHUNK = 20  # batches, before the speed is known
CHECKPOINT_SECONDS = 1.0  # at most one a second: many epochs are shorter than a write


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `stopped` is "early_stopping", "epochs" or "target"."""

    weights: dict[str, np.ndarray]
    best_epoch: int
    stopped: str


class Diverged(UserError):
    """The loss is not finite any more; `outcome` holds the last good weights."""

    outcome: Outcome


class Keeper(Protocol):
    """Keeps what training produces: the run directory, seen from the loop."""

    def row(self, row: Mapping[str, Any]) -> None: ...

    def checkpoint(self, checkpoint: Checkpoint) -> None: ...


@dataclass
class Training:
    """The phases of one experiment under way. `fingerprints` go into every checkpoint."""

    phases: Sequence[Gradient]
    dataset: Dataset
    seed: int
    fingerprints: dict[str, str]
    keeper: Keeper
    reporter: Reporter

    def run(self, start: Checkpoint | None = None) -> Outcome:
        """Train all phases, from `start` on. Raises Diverged, and passes KeyboardInterrupt on.

        Either way the last whole epoch is in a checkpoint when it raises.
        """
        self.history: list[dict[str, Any]] = list(start.history) if start else []
        outcome = None
        names = [phase.name for phase in self.phases]
        first = names.index(start.phase) if start else 0
        for phase in self.phases[first:]:
            resumed = start if start and start.phase == phase.name else None
            outcome = PhaseInTraining(self, phase).run(resumed)
        assert outcome is not None
        return outcome


class PhaseInTraining:
    """One gradient phase: its engine, and what it remembers from epoch to epoch."""

    def __init__(self, training: Training, phase: Gradient):
        self.training = training
        self.phase = phase
        self.settings = phase.settings
        self.engine = Engine(phase, training.dataset.train)
        validation = training.dataset.validation
        self.validation = Measurement(phase, validation) if len(validation) else None
        self.watch = Watch()
        self.chunk = FIRST_CHUNK

    def run(self, start: Checkpoint | None) -> Outcome:
        self.state = self.engine.state()
        self.best = self.state
        epoch = 0
        if start:
            self.state = {name: value for name, value in start.tensors.items() if not name.startswith("best/")}
            self.best = {name[5:]: value for name, value in start.tensors.items() if name.startswith("best/")}
            self.engine.restore(self.state)
            self.watch, epoch = Watch.from_dict(start.watch), start.epoch
        self.saved_epoch, self.saved_at = epoch, -math.inf
        self.last_row_at = time.perf_counter()
        reporter = self.training.reporter
        reporter.begin(self.phase.name, self.settings.epochs, epoch)
        try:
            while epoch < self.settings.epochs and not self.stopped():
                self.epoch(epoch + 1)
                epoch += 1
        except Diverged as error:
            error.outcome = self.outcome(epoch)
            raise
        finally:
            reporter.end()
            self.save(at_once=True)
        return self.outcome(epoch)

    def stopped(self) -> str | None:
        stopping = self.settings.early_stopping
        return self.watch.stopped(stopping) if stopping else None

    def outcome(self, epoch: int) -> Outcome:
        kept = self.best if self.settings.early_stopping and self.watch.best_epoch else self.state
        self.engine.restore(kept)
        weights = {name.removeprefix("weights/"): value for name, value in kept.items() if name.startswith("weights/")}
        best_epoch = self.watch.best_epoch if self.settings.early_stopping else epoch
        return Outcome(weights, best_epoch, self.stopped() or "epochs")

    def epoch(self, epoch: int) -> None:
        """Train one epoch, measure it, record it."""
        self.engine.start_epoch(self.order(epoch), self.seeds(epoch))
        row: dict[str, Any] = {"phase": self.phase.name, "epoch": epoch, "seconds": 0.0}
        row |= self.train(epoch)
        if self.validation:
            row |= {f"validation_{name}": value for name, value in self.validation.means().items()}
        row["learning_rate"] = self.engine.learning_rate()
        self.state = self.engine.state()
        stopping = self.settings.early_stopping
        if stopping:
            self.watch = self.watch.after(stopping, epoch, row[stopping.monitor])
            if self.watch.best_epoch == epoch:
                self.best = self.state
        now = time.perf_counter()
        row["seconds"], self.last_row_at = round(now - self.last_row_at, 4), now
        self.training.history.append(row)
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
            # The first call compiles, so its time says nothing of the speed.
            if epoch > 1 or done > 0:
                self.chunk = max(1, math.ceil((stop - done) * CHUNK_SECONDS / max(took, 1e-4)))
            done = stop
            if not all(math.isfinite(value) for value in means.values()):
                raise Diverged(self.advice(epoch))
            self.training.reporter.chunk(epoch, done / self.engine.batches, means)
        return means

    def order(self, epoch: int) -> np.ndarray:
        if not self.settings.shuffle:
            return np.arange(self.engine.samples)
        return rng(self.training.seed, f"order/{self.phase.name}", epoch).permutation(self.engine.samples)

    def seeds(self, epoch: int) -> dict[str, np.ndarray]:
        """The start of each random layer's stream in this epoch."""
        return {
            name: rng(self.training.seed, f"{self.phase.name}/{name}", epoch).integers(2**32, size=2, dtype=np.uint32)
            for name in self.phase.network.seeds
        }

    def save(self, at_once: bool) -> None:
        """Keep the last whole epoch, unless that is done or was just done."""
        rows = self.training.history
        epoch = rows[-1]["epoch"] if rows and rows[-1]["phase"] == self.phase.name else 0
        if epoch == self.saved_epoch or not (at_once or time.monotonic() - self.saved_at > CHECKPOINT_SECONDS):
            return
        best = {f"best/{name}": value for name, value in self.best.items()} if self.settings.early_stopping else {}
        self.training.keeper.checkpoint(
            Checkpoint(
                self.phase.name,
                epoch,
                rows,
                self.watch.as_dict(),
                self.training.fingerprints,
                {**self.state, **best},
            )
        )
        self.saved_epoch, self.saved_at = epoch, time.monotonic()

    def advice(self, epoch: int) -> str:
        rate = self.engine.learning_rate()
        return (
            f"the loss is not finite any more in epoch {epoch} at learning rate {rate:g}; "
            f"try a smaller learning_rate (such as {rate / 10:g}), or clipnorm: 1 in the optimizer"
        )
