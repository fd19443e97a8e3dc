"""A run directory from its fitted preprocessing to trained weights, measured on validation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys import machine
from mlphys.commands import analyze, evaluate, page_samples, plot
from mlphys.commands.fingerprints import fingerprints
from mlphys.config.experiment import ResolvedExperiment
from mlphys.data import preprocessing, splits
from mlphys.data.preprocessing import Preprocessing
from mlphys.errors import Unwritable, UserError
from mlphys.networks import tensorflow
from mlphys.networks.compiled import simd_width
from mlphys.networks.network import Network
from mlphys.networks.phases import Gradient, Phase
from mlphys.runs import tensorboard
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema.samples import Splits
from mlphys.training import checkpoint as checkpoints
from mlphys.training import microbatches, snapshots
from mlphys.training.backend import choose
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.native_backend import NativeBackend
from mlphys.training.progress import Reporter

if TYPE_CHECKING:
    from mlphys.training.loop import Outcome, Recorder

Say = Callable[[str], None]


@dataclass(frozen=True)
class PreparedRun:
    """A run directory with all that its training takes: the experiment, its data, and fitted preprocessing."""

    run: Run
    writer: RunWriter
    loaded: ResolvedExperiment
    dataset: Splits
    fitted: Preprocessing


class Interrupted(Exception):
    """Ctrl-C: the run is kept and can be resumed."""

    def __init__(self, path: Path):
        super().__init__(f"interrupted; `mlphys resume {path}` resumes after the last complete epoch")
        self.path = path


def fitted_preprocessing(
    loaded: ResolvedExperiment, dataset: Splits, pretrained: Mapping[str, np.ndarray]
) -> Preprocessing:
    """Preprocessing fitted to the training samples, or restored from the pretrained run."""
    data = loaded.experiment.data
    if not pretrained:
        return preprocessing.fit_splits(data, dataset.train)
    steps = preprocessing.restored(data.preprocess, loaded.description.shape, pretrained)
    return preprocessing.with_targets(data, steps, dataset.train.y)


def train_and_measure(prepared: PreparedRun, reporter: Reporter, start: Checkpoint | None) -> evaluate.Evaluation:
    """Train from `start`, or the first epoch, and measure on validation, with which other splits can be measured.

    If it stops early, status.json and the message say how to resume.
    """
    run, writer = prepared.run, prepared.writer
    try:
        return _train_and_measure(prepared, reporter, start)
    except BaseException as error:
        if run.status.get("state") == "diverged":
            raise
        with contextlib.suppress(UserError):  # the disk may be full
            writer.status("interrupted", run.status.get("best_epoch"))
        if isinstance(error, KeyboardInterrupt | BrokenPipeError):
            raise Interrupted(run.path) from None
        if isinstance(error, checkpoints.Incomplete):
            raise UserError(f"{run.path}: {error}") from None
        if isinstance(error, Unwritable):
            raise Unwritable(f"{error}; then `mlphys resume {run.path}` continues it") from None
        raise


def with_pictures(run: Run, say: Say) -> Run:
    """The run, with the pictures and analyses of its config."""
    plot.draw(run, run.config.plots, ("png",))
    if run.config.analysis:
        analyze.analyze(run, (), ("png",), say)
    return run


def _train_and_measure(prepared: PreparedRun, reporter: Reporter, start: Checkpoint | None) -> evaluate.Evaluation:
    """Train, and write weights, validation metrics and the final status."""
    writer, fitted, dataset = prepared.writer, prepared.fitted, prepared.dataset
    board = tensorboard.begun(writer, prepared.loaded, fitted, start)
    network, outcome = _train(prepared, board or writer, reporter, start)
    writer.weights({**outcome.weights, **fitted.named_arrays()})
    evaluation = evaluate.Evaluation(prepared.loaded, network, fitted, dataset)
    if len(dataset.validation):
        metrics, predictions = evaluation.measure("validation")
        writer.predictions("validation", predictions)
        writer.samples(page_samples.chosen(prepared.loaded, fitted, dataset, "validation", predictions))
        writer.metrics({"validation": metrics})
        if board:
            board.reconstructions(fitted, dataset.validation, predictions)
    writer.status("done", outcome.best_epoch or None, outcome.stopped)
    return evaluation


def _train(
    prepared: PreparedRun, recorder: Recorder, reporter: Reporter, start: Checkpoint | None
) -> tuple[Network, Outcome]:
    """Train the network. Raises UserError if the loss diverges, after saving the last finite weights."""
    run, writer, loaded, fitted = prepared.run, prepared.writer, prepared.loaded, prepared.fitted
    tensorflow.configure(operation_threads(loaded), machine.chosen_threads())
    from mlphys.training import epoch_data as feeds
    from mlphys.training.loop import Diverged, Training

    experiment, description, kind = loaded.experiment, loaded.net_input, loaded.experiment.model
    tensorflow.reset_names()
    network = kind.build(description, experiment.seed)
    if run.pretrained:
        drawn = network.weight_arrays()
        network.load_weights({name: run.pretrained.get(name, value) for name, value in drawn.items()})
    dataset = replace(prepared.dataset, train=splits.weighted_for_training(experiment.data, prepared.dataset.train))
    inputs = fitted.dataset(dataset)
    phases = kind.phases(experiment.training, description, network, inputs.train)
    if start is None:
        writer.environment(_environment(network, phases, len(inputs.train)))
    feed = feeds.feed(loaded, dataset, fitted)
    training = Training(
        network, phases, inputs, feed, experiment.seed, fingerprints(loaded, run.data), recorder, reporter,
        snapshots.chosen(experiment.training.epochs, experiment.training.snapshots),
    )  # fmt: skip
    try:
        return network, training.run(start)
    except Diverged as error:
        writer.weights({**error.outcome.weights, **fitted.named_arrays()})
        writer.status("diverged", error.outcome.best_epoch or None)
        raise UserError(f"{run.path}: {error}; the weights of the last finite epoch are saved") from None


def operation_threads(loaded: ResolvedExperiment) -> int | None:
    """Threads per TensorFlow operation, fixed when a process imports TensorFlow."""
    return microbatches.operation_threads(loaded.rows(), loaded.experiment.training.batch_size)


def _environment(network: Network, phases: Sequence[Phase], samples: int) -> dict[str, Any]:
    """The content of environment.json: the machine, and the backend of each phase."""
    accelerators = tensorflow.accelerators()
    gradients = [phase for phase in phases if isinstance(phase, Gradient)]
    choices = {phase.name: choose(phase.plan, samples, accelerators) for phase in gradients}
    native = [name for name, choice in choices.items() if choice.backend is NativeBackend]
    return machine.describe(
        accelerators,
        xla=network.compiles_in_xla and len(native) < len(phases),
        lanes=simd_width(network),
        native=native,
        steps={name: str(choice) for name, choice in choices.items()},
    )
