"""Train a config into a run directory, or resume a run."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys import machine
from mlphys.commands import analyze, evaluate, page_samples, plot
from mlphys.config import sample_checks
from mlphys.config.difference import difference
from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import validate_run
from mlphys.config.overrides import overridden
from mlphys.data import preprocessing, splits
from mlphys.data.preprocessing import Preprocessing
from mlphys.errors import Unwritable, UserError
from mlphys.io import atomic
from mlphys.io.download import locate
from mlphys.io.run_files import require_readable
from mlphys.networks import tensorflow
from mlphys.networks.compiled import simd_width
from mlphys.networks.network import Network
from mlphys.networks.phases import Gradient, Phase
from mlphys.numerics.chunked import LazyArray
from mlphys.runs import tensorboard
from mlphys.runs.run import Run, numbered
from mlphys.runs.writer import RunWriter, create
from mlphys.schema import document
from mlphys.schema.data import Splits
from mlphys.training import checkpoint as checkpoints
from mlphys.training import microbatches, snapshots
from mlphys.training.backend import choose
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.native_backend import NativeBackend
from mlphys.training.progress import Reporter

if TYPE_CHECKING:
    from mlphys.training.loop import Outcome, Recorder

# Keys that are left out of fingerprints where they are null: older checkpoints do not know them
LATER = ("folds", "fold", "split", "target_scaling", "weights", "negative_weights", "reduce_lr_on_plateau")
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


def train(
    loaded: ResolvedExperiment, out: Path | None, reporter: Reporter, say: Say, threads: int | None = None
) -> Run:
    """Train an experiment in a new run directory, measure it on validation, draw its pictures, make its analyses."""
    return _pictured(trained(loaded, out, reporter, say, threads), say)


def trained(
    loaded: ResolvedExperiment,
    out: Path | None,
    reporter: Reporter,
    say: Say,
    threads: int | None = None,
    measured: Sequence[str] = (),
) -> Run:
    """Train an experiment in a new run directory and measure it on validation; `threads` None: one a core.

    Other splits that are to be `measured` as `evaluate` does, if they have samples, save the network a second
    construction. With variables that training alone has changed, such as Markov chains, they are left to `evaluate`.
    """
    with machine.using_threads(threads):
        run, evaluation = _trained(loaded, out, reporter, say)
    if not evaluation.network.state:
        for split in measured:
            if len(getattr(evaluation.dataset, split)):
                evaluate.kept(run, evaluation, split)
    return run


def _trained(
    loaded: ResolvedExperiment, out: Path | None, reporter: Reporter, say: Say
) -> tuple[Run, evaluate.Evaluation]:
    data = loaded.experiment.data
    for source in data.sources():
        if locate(source) is None:
            say(f"downloading {source.url}")
    dataset = loaded.dataset()
    if isinstance(dataset.train.x, LazyArray):
        gigabytes = 4e-9 * sum(split.x.size for split in (dataset.train, dataset.validation, dataset.test))
        say(f"{gigabytes:.3g} GB of samples stay on disk; they are read once now to compute their checksum")
    fitted = _fitted(loaded, dataset, loaded.pretrained)  # before the run directory is created: a refusal leaves none
    sample_checks.require_learnable(loaded, dataset, fitted)
    for note in splits.reading_notes(dataset):
        say(note)
    if fitted.targets is not None:
        say(
            "targets are standardized: in training, loss and mse are in units of their spread; metrics are in their own"
        )
    for remark in sample_checks.remarks(loaded, dataset, fitted):
        say(f"warning: {remark}")
    facts = splits.summary(dataset, data, loaded.description)
    require_readable(document.dump(loaded.experiment.model_dump()), facts)
    run = Run(create(loaded.experiment.name, out))
    writer = RunWriter(run.path)
    with atomic.locked(run.path):
        if loaded.pretrained:
            writer.pretrained(loaded.pretrained)
        writer.begin(loaded.experiment.model_dump(), facts)
        say(f"run {run.path}")
        return _train(PreparedRun(run, writer, loaded, dataset, fitted), reporter, None)


def resume(run: Run, overrides: Sequence[str], reporter: Reporter, say: Say, threads: int | None = None) -> Run:
    """Resume a run as `resumed` does, then draw its pictures and make its analyses."""
    return _pictured(resumed(run, overrides, reporter, say, threads), say)


def resumed(run: Run, overrides: Sequence[str], reporter: Reporter, say: Say, threads: int | None = None) -> Run:
    """Resume a run from its newest valid checkpoint, with the number of threads it had, and print which one.

    Only `training.epochs` may be changed, and `threads`, at the price of other bytes. Raises UserError for a
    finished run, other changes, data that is not the same, and a run that another process trains.
    """
    with atomic.locked(run.path), machine.using_threads(threads or run.threads):
        return _resume(run, overrides, reporter, say, threads)


def _resume(run: Run, overrides: Sequence[str], reporter: Reporter, say: Say, threads: int | None) -> Run:
    old = run.loaded
    loaded = validate_run(overridden(run.document, overrides), run.description) if overrides else old
    changes = [key for key, _, _ in difference(old.experiment, loaded.experiment)]
    if [key for key in changes if key != "training.epochs"]:
        raise UserError(
            f"{run.path}: cannot resume with another config ({', '.join(changes)} changed); "
            "only training.epochs may grow; start a new run of the changed config"
        )
    if changes and old.experiment.model.phase_names():
        raise UserError(
            f"{run.path}: is trained in phases, and the epochs of those before are spent; retrain with other epochs"
        )
    epochs, state = loaded.experiment.training.epochs, run.status.get("state")
    done = state == "done" and run.status.get("stopped") == "epochs"
    if state == "diverged" or (state == "done" and not (done and epochs > old.experiment.training.epochs)):
        raise UserError(f"{run.path}: {_nothing_to_do(run)}")
    writer = RunWriter(run.path)
    checkpoint, passed = checkpoints.newest(run.path / "checkpoints", writer.history)
    if checkpoint is None and checkpoints.ANOTHER_HISTORY in passed.values():
        raise UserError(
            f"{run.path}: its checkpoints belong to another history.csv; put back the one that training wrote, "
            "or retrain it"
        )
    if checkpoint is None and done:
        raise UserError(f"{run.path}: no checkpoint is left to resume from; retrain it")
    if checkpoint and changes and epochs < checkpoint.epoch:
        raise UserError(f"{run.path}: {checkpoint.epoch} epochs are trained already; set training.epochs no lower")
    if checkpoint and (other := _mismatch(checkpoint.fingerprints, fingerprints(loaded, run.data))):
        raise UserError(f"{run.path}: {other}")
    if checkpoint and (other := _other_steps(run.environment, loaded)):
        raise UserError(f"{run.path}: {other}")
    dataset = run.dataset()
    fitted = _fitted(loaded, dataset, run.pretrained)
    writer.resume_from(checkpoint)
    if threads and run.threads:
        writer.environment({**run.environment, "threads": threads})
    if changes:
        writer.config(loaded.experiment.model_dump())
    if checkpoint:
        text = f"resuming after epoch {checkpoint.epoch}, from checkpoints/{checkpoint.rows:06d}.safetensors"
    else:
        text = "no checkpoint to resume from; starting over"
    if passed:
        text += f" (unusable: {'; '.join(f'{path.name}, {wrong}' for path, wrong in passed.items())})"
    say(f"run {run.path}: {text}")
    return _train(PreparedRun(Run(run.path), writer, loaded, dataset, fitted), reporter, checkpoint)[0]


def unfinished(loaded: ResolvedExperiment, out: Path | None) -> Run | None:
    """The run in `out`, or the newest one of this config's name, that can be resumed; None if there is none.

    Raises UserError when it is finished, or was trained with another config.
    """
    if out is not None:
        runs = [Run(out)] if (out / "config.yaml").is_file() else []
    else:
        runs = numbered(Path("runs") / loaded.experiment.name)
    if not runs:
        return None
    if runs[-1].status.get("state") not in ("running", "interrupted"):
        raise UserError(f"{runs[-1].path}: {_nothing_to_do(runs[-1])}, or leave --resume out to start a new run")
    changes = [key for key, _, _ in difference(runs[-1].config, loaded.experiment)]
    if changes:
        raise UserError(
            f"{runs[-1].path}: was trained with another config ({', '.join(changes)} changed); "
            "leave --resume out to start a new run"
        )
    return runs[-1]


def _nothing_to_do(run: Run) -> str:
    status = run.status
    if status.get("state") == "diverged":
        return "its training diverged; retrain with a smaller learning_rate"
    if not run.config.model.ITERATIVE:
        return "it is finished, and more epochs change nothing"
    if run.config.model.phase_names() and status.get("stopped") == "epochs":
        return "its training is finished; retrain with more epochs"
    if status.get("stopped") != "epochs":
        return f"its training stopped early after {status.get('epochs')} epochs; retrain with a larger patience"
    more = run.config.training.epochs * 2 or 1
    return f"its training is finished; `mlphys resume {run.path} --set training.epochs={more}` trains longer"


def _fitted(loaded: ResolvedExperiment, dataset: Splits, taken: Mapping[str, np.ndarray]) -> Preprocessing:
    """Preprocessing fitted to the training samples, or restored from the pretrained run."""
    data = loaded.experiment.data
    if not taken:
        return preprocessing.fit_splits(data, dataset.train)
    steps = preprocessing.restored(data.preprocess, loaded.description.shape, taken)
    return preprocessing.with_targets(data, steps, dataset.train.y)


def fingerprints(loaded: ResolvedExperiment, data: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the config that decides the weights, of the data and of the versions that a checkpoint depends on."""
    config = loaded.experiment.model_dump(include={"seed", "data", "model", "training"})
    config["training"]["epochs"] = None
    for key in ("tensorboard", "snapshots"):  # what is kept of a training changes none of it
        del config["training"][key]
    for block in ("data", "training"):
        config[block] = {key: value for key, value in config[block].items() if key not in LATER or value is not None}
    hashes = {name: facts["sha256"] for name, facts in data["splits"].items()}
    return {"config": _sha256(config), "data": _sha256(hashes), **machine.versions()}


def _mismatch(saved: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Why training cannot resume from a checkpoint with the fingerprints `saved`, and the remedy; None if it can."""
    packages = [name for name in machine.versions() if saved.get(name) != now[name]]
    if packages:
        had, have = ([f"{name} {of.get(name, '(not recorded)')}" for name in packages] for of in (saved, now))
        versions = " ".join(f"{name}=={saved[name]}" for name in packages if name in saved)
        return (
            f"its checkpoints were made with {', '.join(had)}, installed is {', '.join(have)}, which may give "
            f"other numbers; {f'`pip install {versions}`' if versions else 'install what environment.json names'} "
            "to resume, or retrain it"
        )
    return None if saved == now else "its checkpoints belong to another config or other data; retrain it"


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _train(prepared: PreparedRun, reporter: Reporter, start: Checkpoint | None) -> tuple[Run, evaluate.Evaluation]:
    """Train and evaluate on validation. If it stops early, status.json and the message say how to resume."""
    run, writer = prepared.run, prepared.writer
    try:
        evaluation = _learn_and_measure(prepared, reporter, start)
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
    return Run(run.path), evaluation


def _pictured(run: Run, say: Say) -> Run:
    plot.draw(run, run.config.plots, ("png",))
    if run.config.analysis:
        analyze.analyze(run, (), ("png",), say)
    return run


def _learn_and_measure(prepared: PreparedRun, reporter: Reporter, start: Checkpoint | None) -> evaluate.Evaluation:
    """Train, and write weights, validation metrics and the final status."""
    writer, fitted, dataset = prepared.writer, prepared.fitted, prepared.dataset
    board = tensorboard.begun(writer, prepared.loaded, fitted, start)
    network, outcome = _learn(prepared, board or writer, reporter, start)
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


def _learn(
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
    seen = fitted.dataset(dataset)
    phases = kind.phases(experiment.training, description, network, seen.train)
    if start is None:
        writer.environment(_environment(network, phases, len(seen.train)))
    feed = feeds.feed(loaded, dataset, fitted)
    training = Training(
        network, phases, seen, feed, experiment.seed, fingerprints(loaded, run.data), recorder, reporter,
        snapshots.chosen(experiment.training.epochs, experiment.training.snapshots),
    )  # fmt: skip
    try:
        return network, training.run(start)
    except Diverged as error:
        writer.weights({**error.outcome.weights, **fitted.named_arrays()})
        writer.status("diverged", error.outcome.best_epoch or None)
        raise UserError(f"{run.path}: {error}; the weights of the last finite epoch are saved") from None


def _other_steps(saved: Mapping[str, Any], loaded: ResolvedExperiment) -> str | None:
    """Why training cannot go on as it began, and the remedy: machine code has other last digits than TensorFlow."""
    tensorflow.configure(operation_threads(loaded), machine.chosen_threads())  # before it looks for accelerators
    experiment, accelerators = loaded.experiment, tensorflow.accelerators()
    plans = experiment.model.plans(experiment.training, loaded.net_input)
    choices = {plan.name: choose(plan, loaded.net_input.samples, accelerators) for plan in plans}
    found = {name for name, choice in choices.items() if choice.backend is NativeBackend}
    before = set((saved.get("engine") or {}).get("native") or ())
    if before == found:
        return None
    phases = ", ".join(sorted(before ^ found))
    by = ("machine code", "TensorFlow") if before - found else ("TensorFlow", "machine code")
    return (
        f"its steps ({phases}) were taken by {by[0]}, here they would be taken by {by[1]}, with other last digits; "
        "resume it where it was begun, with the mlphys of environment.json, or retrain it"
    )


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
