"""The training loop over phases and epochs, with checkpoints, early stopping and divergence."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.io.history import quantities
from mlphys.networks.compiled import Measurement
from mlphys.networks.network import Network
from mlphys.networks.phases import Fit, Gradient, Phase
from mlphys.numerics.memory_layout import as_saved
from mlphys.schema.samples import Splits
from mlphys.training import divergence, epoch_order
from mlphys.training.checkpoint import Checkpoint, Incomplete
from mlphys.training.divergence import finite
from mlphys.training.early_stopping import Watch
from mlphys.training.engine import Engine
from mlphys.training.outcome import Diverged, Outcome, Progress, Recorder, weights_of
from mlphys.training.phase_samples import Feed, PhaseSamples
from mlphys.training.plateau import Plateau, lowered
from mlphys.training.progress import Reporter
from mlphys.training.tracking import columns, parameters, weight_norms

CHUNK_SECONDS = 0.7  # a call cannot be interrupted: Ctrl-C acts after it
FIRST_CHUNK = 1  # batches, before the speed is known
CHECKPOINT_SECONDS = 1.0  # at most one a second: many epochs are shorter than a write


@dataclass
class Training:
    """Training of all phases of an experiment.

    Without `feed` all epochs use `dataset.train`. `fingerprints` are stored in every checkpoint. After the epochs in
    `snapshots`, 0 being before the first, the weights are recorded.
    """

    network: Network
    phases: Sequence[Phase]
    dataset: Splits
    feed: Feed | None
    seed: int
    fingerprints: dict[str, str]
    recorder: Recorder
    reporter: Reporter
    snapshots: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Collect the columns of history.csv of all phases."""
        self.metrics = list(dict.fromkeys(name for phase in self.phases for name in phase.metrics))
        of_phases = [columns(phase) if isinstance(phase, Gradient) else phase.tracked for phase in self.phases]
        self.tracked = list(dict.fromkeys(name for names in of_phases for name in names))

    def run(self, start: Checkpoint | None = None) -> Outcome:
        """Train all phases, or resume from `start`. Raises Diverged, and KeyboardInterrupt on Ctrl-C.

        Before it raises, the last complete epoch is saved in a checkpoint.
        """
        rows = start.rows if start else 0
        outcome = Outcome(self.network.weight_arrays(), 0, "epochs")
        names = [phase.name for phase in self.phases]
        if start and start.phase not in names:
            raise Incomplete(f"its checkpoint is of a phase that this training has not ({start.phase!r}); retrain it")
        first = names.index(start.phase) if start else 0
        for phase in self.phases[first:]:
            resumed = start if start and start.phase == phase.name else None
            match phase:
                case Gradient():
                    under_way = PhaseInTraining(self, phase, rows, resumed)
                    outcome, rows = under_way.run(), under_way.progress.rows
                case Fit():
                    rows += resumed is None
                    outcome = run_fit(self, phase, rows, resumed)
        return outcome

    def columns(self, prefix: str, means: Mapping[str, float]) -> dict[str, float | None]:
        """The columns of metrics in history.csv; None for metrics of other phases."""
        return {f"{prefix}{name}": means.get(name) for name in self.metrics}


def run_fit(training: Training, phase: Fit, rows: int, start: Checkpoint | None) -> Outcome:
    """Run a fit phase, load its weights into the network, and record one row of history and a checkpoint."""
    if start:
        start.require({f"weights/{name}": value for name, value in phase.network.weight_arrays().items()})
        weights = weights_of(start.tensors)
        phase.network.load_weights(weights)
        return Outcome(weights, 0, "epochs")
    began = time.perf_counter()
    training.reporter.begin(phase.name, 1, 0)
    try:
        arrays = dict(phase.fit(training.dataset.train, training.dataset.validation))
        tracked = {name: float(arrays.pop(name)) for name in phase.tracked}
        weights = {**phase.network.weight_arrays(), **as_saved(arrays)}
        phase.network.load_weights(weights)
        row: dict[str, Any] = {"phase": phase.name, "epoch": 1, "seconds": 0.0}
        row |= training.columns("", Measurement(phase, training.dataset.train).means())
        if len(training.dataset.validation):
            row |= training.columns("validation_", Measurement(phase, training.dataset.validation).means())
        row |= dict.fromkeys(training.tracked) | tracked
        row["seconds"] = round(time.perf_counter() - began, 4)
        training.recorder.row(row)
        tensors = {f"weights/{name}": value for name, value in weights.items()}
        training.recorder.checkpoint(Checkpoint(phase.name, 1, rows, Watch(), training.fingerprints, tensors))
        training.reporter.epoch(row)
    finally:
        training.reporter.end()
    return Outcome(weights, 0, "epochs")


class PhaseInTraining:
    """A gradient phase: its engine and progress.

    `progress` is replaced in one assignment at the end of an epoch, so that an interrupt at any
    instant finds a complete epoch.
    """

    def __init__(self, training: Training, phase: Gradient, rows: int, start: Checkpoint | None):
        self.training = training
        self.phase = phase
        self.settings = phase.settings
        saved = weights_of(start.tensors) if start else {}
        if phase.prepare and saved.keys() >= phase.network.weights.keys():  # samples computed with the weights
            phase.network.load_weights(saved)
        self.samples = PhaseSamples(phase, training.dataset, training.feed, training.seed)
        self.engine = Engine(phase, self.samples.train)
        validation = self.samples.validation
        self.validation = self.engine.measurement(validation) if len(validation) else None
        self.chunk = FIRST_CHUNK
        self.compiled = False
        state = self.engine.state()
        plateau = Plateau() if self.settings.reduce_lr_on_plateau else None
        self.progress = Progress(0, rows, state, state, Watch(), plateau)
        if start:
            start.require(self.tensors())
            if plateau and not start.plateau:
                raise Incomplete("its checkpoint lacks the state of reduce_lr_on_plateau; retrain it")
            self.progress = Progress.resumed(start)
            self.engine.restore(self.progress.state)
        self.saved_epoch, self.saved_at = self.progress.epoch, -math.inf
        self.last_row_at = time.perf_counter()

    def run(self) -> Outcome:
        reporter = self.training.reporter
        reporter.begin(self.phase.name, self.settings.epochs, self.progress.epoch)
        try:
            if not self.progress.rows:
                self.snapshot(self.progress)
            while self.progress.epoch < self.settings.epochs and not self.stopped():
                self.epoch(self.progress.epoch + 1)
        finally:
            reporter.end()
            self.save()
        return self.outcome()

    def stopped(self) -> str | None:
        stopping = self.settings.early_stopping
        return self.progress.watch.stopped(stopping) if stopping else None

    def outcome(self) -> Outcome:
        """Load the final weights into the network: those of the best epoch with early stopping, else the last."""
        progress, stopping = self.progress, self.settings.early_stopping
        final = progress.best if stopping and progress.watch.best_epoch else progress.state
        self.engine.restore(final)
        weights = weights_of(final)
        best_epoch = progress.watch.best_epoch if stopping else progress.epoch
        return Outcome(weights, best_epoch, self.stopped() or "epochs")

    def epoch(self, epoch: int) -> None:
        """Train, evaluate and record one epoch."""
        self.begin(epoch)
        row: dict[str, Any] = {"phase": self.phase.name, "epoch": epoch, "seconds": 0.0}
        row |= self.training.columns("", self.train(epoch))
        if self.validation:
            row |= self.training.columns("validation_", self.validation.means())
        row["learning_rate"] = self.engine.learning_rate()
        state, watch, best = self.engine.state(), self.progress.watch, self.progress.best
        row |= dict.fromkeys(self.training.tracked)  # None for those of other phases
        row |= self.engine.tracked()
        if "weight_norms" in self.settings.track:
            row |= weight_norms(self.phase, state)
        if "parameters" in self.settings.track:
            row |= parameters(weights_of(state))
        if not all(math.isfinite(row[name]) for name in quantities(row) if row[name] is not None) or not finite(state):
            raise self.diverged(epoch)
        if self.settings.early_stopping:
            watch = watch.after(self.settings.early_stopping, epoch, row[self.settings.early_stopping.monitor])
            best = state if watch.best_epoch == epoch else best
        state, plateau = self.after_plateau(row, state)
        now = time.perf_counter()
        row["seconds"], self.last_row_at = round(now - self.last_row_at, 4), now
        self.training.recorder.row(row)  # before the checkpoint, which relies on the rows of its epochs
        progress = Progress(epoch, self.progress.rows + 1, state, best, watch, plateau)
        self.snapshot(progress)  # before the checkpoint too, for the same reason
        self.progress = progress
        if time.monotonic() - self.saved_at > CHECKPOINT_SECONDS:
            self.save()
        self.training.reporter.epoch(row)

    def snapshot(self, progress: Progress) -> None:
        if progress.rows in self.training.snapshots:
            self.training.recorder.snapshot(progress.rows, weights_of(progress.state))

    def after_plateau(
        self, row: Mapping[str, Any], state: dict[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], Plateau | None]:
        """The state of the engine with the learning rate of the next epoch, and that of the plateau."""
        settings, plateau = self.settings.reduce_lr_on_plateau, self.progress.plateau
        if settings is None or plateau is None:
            return state, None
        plateau, lowers = plateau.after(settings, row[settings.monitor])
        rate = self.engine.learning_rate()
        if lowers and (lower := lowered(settings, rate)) < rate:
            self.engine.set_learning_rate(lower)
            state = self.engine.state()
        return state, plateau

    def begin(self, epoch: int) -> None:
        """The epoch's samples, their order, and the random states."""
        fed, change = self.samples.of_epoch(epoch, self.engine.samples)
        samples = len(self.samples.train if fed is None else fed)
        seed, phase, per_epoch = self.training.seed, self.phase, self.engine.samples
        if self.settings.shuffle:
            order = epoch_order.shuffled(seed, phase.name, epoch, per_epoch, samples)
        else:
            order = epoch_order.in_order(epoch, per_epoch, samples)
        seeds = epoch_order.layer_seeds(seed, phase.name, epoch, phase.network.seeds)
        self.engine.start_epoch(order, seeds, fed, change)

    def train(self, epoch: int) -> dict[str, float]:
        """Train all batches of an epoch in chunks of about CHUNK_SECONDS; return the means of the metrics."""
        done, means = 0, {}
        while done < self.engine.batches:
            began = time.perf_counter()
            stop = min(done + self.chunk, self.engine.batches)
            means = self.engine.train(done, stop)
            took = time.perf_counter() - began
            if self.compiled:  # the first call includes compilation
                self.chunk = max(1, math.ceil((stop - done) * CHUNK_SECONDS / max(took, 1e-4)))
            done, self.compiled = stop, True
            if not all(math.isfinite(value) for value in means.values()):
                raise self.diverged(epoch)
            self.training.reporter.chunk(epoch, done / self.engine.batches, means)
        return means

    def save(self) -> None:
        """Save the last complete epoch, unless it is saved already."""
        progress = self.progress
        if progress.epoch == self.saved_epoch:
            return
        self.training.recorder.checkpoint(
            Checkpoint(
                self.phase.name,
                progress.epoch,
                progress.rows,
                progress.watch,
                self.training.fingerprints,
                self.tensors(),
                progress.plateau,
            )
        )
        self.saved_epoch, self.saved_at = progress.epoch, time.monotonic()

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays of a checkpoint of the current state."""
        best = {f"best/{name}": value for name, value in self.progress.best.items()}
        return {**self.progress.state, **(best if self.settings.early_stopping else {})}

    def diverged(self, epoch: int) -> Diverged:
        """The error for a diverged epoch, after replaying it from the last finite weights."""
        self.engine.restore(self.progress.state)
        self.begin(epoch)
        text = divergence.explanation(self.engine, self.phase, self.samples.validation, epoch, self.chunk)
        return Diverged(text, self.outcome())
