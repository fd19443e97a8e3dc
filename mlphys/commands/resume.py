"""Resume a run that was interrupted, or is to be trained longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from mlphys import machine
from mlphys.commands.fingerprints import fingerprints, mismatch
from mlphys.commands.prepared_run import (
    PreparedRun,
    Say,
    fitted_preprocessing,
    operation_threads,
    train_and_measure,
    with_pictures,
)
from mlphys.config.difference import difference
from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import validate_run
from mlphys.config.overrides import overridden
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.history import History
from mlphys.networks import tensorflow
from mlphys.runs.run import Run, numbered
from mlphys.runs.writer import RunWriter
from mlphys.training import checkpoint as checkpoints
from mlphys.training.backend import choose
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.native_backend import NativeBackend
from mlphys.training.progress import Reporter


def resume(run: Run, overrides: Sequence[str], reporter: Reporter, say: Say, threads: int | None = None) -> Run:
    """Resume a run as `resumed` does, then draw its pictures and make its analyses."""
    return with_pictures(resumed(run, overrides, reporter, say, threads), say)


def resumed(run: Run, overrides: Sequence[str], reporter: Reporter, say: Say, threads: int | None = None) -> Run:
    """Resume a run from its newest valid checkpoint, with the number of threads it had, and print which one.

    Only `training.epochs` may be changed, and `threads`, at the price of other bytes. Raises UserError for a
    finished run, other changes, data that is not the same, and a run that another process trains.
    """
    with atomic.locked(run.path), machine.using_threads(threads or run.threads):
        loaded = validate_run(overridden(run.document, overrides), run.description) if overrides else run.loaded
        longer = _trains_longer(run, loaded)
        writer = RunWriter(run.path)
        checkpoint, text = _checkpoint(run, loaded, writer.history)
        if longer and checkpoint and loaded.experiment.training.epochs < checkpoint.epoch:
            raise UserError(f"{run.path}: {checkpoint.epoch} epochs are trained already; set training.epochs no lower")
        dataset = run.dataset()
        fitted = fitted_preprocessing(loaded, dataset, run.pretrained)
        writer.resume_from(checkpoint)
        if threads and run.threads:
            writer.environment({**run.environment, "threads": threads})
        if longer:
            writer.config(loaded.experiment.model_dump())
        say(f"run {run.path}: {text}")
        train_and_measure(PreparedRun(Run(run.path), writer, loaded, dataset, fitted), reporter, checkpoint)
    return Run(run.path)


def _trains_longer(run: Run, loaded: ResolvedExperiment) -> bool:
    """Whether `loaded` has more epochs than the run. Raises UserError for other changes, and for a finished run."""
    old = run.config
    changes = [key for key, _, _ in difference(old, loaded.experiment)]
    if [key for key in changes if key != "training.epochs"]:
        raise UserError(
            f"{run.path}: cannot resume with another config ({', '.join(changes)} changed); "
            "only training.epochs may grow; start a new run of the changed config"
        )
    if changes and old.model.phase_names():
        raise UserError(
            f"{run.path}: is trained in phases, and the epochs of those before are spent; retrain with other epochs"
        )
    state, more = run.status.get("state"), loaded.experiment.training.epochs > old.training.epochs
    if state == "diverged" or (state == "done" and not (_trained_to_the_end(run) and more)):
        raise UserError(f"{run.path}: {_nothing_to_do(run)}")
    return bool(changes)


def _trained_to_the_end(run: Run) -> bool:
    return run.status.get("state") == "done" and run.status.get("stopped") == "epochs"


def _checkpoint(run: Run, loaded: ResolvedExperiment, history: History) -> tuple[Checkpoint | None, str]:
    """The newest valid checkpoint and the sentence that names it; None where there was none yet.

    Raises UserError for one that another config, data, versions or history made.
    """
    checkpoint, unusable = checkpoints.newest(run.path / "checkpoints", history)
    if checkpoint is None and checkpoints.ANOTHER_HISTORY in unusable.values():
        raise UserError(
            f"{run.path}: its checkpoints belong to another history.csv; put back the one that training wrote, "
            "or retrain it"
        )
    if checkpoint is None and _trained_to_the_end(run):
        raise UserError(f"{run.path}: no checkpoint is left to resume from; retrain it")
    if checkpoint and (other := mismatch(checkpoint.fingerprints, fingerprints(loaded, run.data))):
        raise UserError(f"{run.path}: {other}")
    if checkpoint and (other := other_steps(run.environment, loaded)):
        raise UserError(
            f"{run.path}: {other}; resume it where it was begun, with the mlphys of environment.json, or retrain it"
        )
    if checkpoint:
        text = f"resuming after epoch {checkpoint.epoch}, from checkpoints/{checkpoint.rows:06d}.safetensors"
    else:
        text = "no checkpoint to resume from; starting over"
    if unusable:
        text += f" (unusable: {'; '.join(f'{path.name}, {wrong}' for path, wrong in unusable.items())})"
    return checkpoint, text


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


def other_steps(saved: Mapping[str, Any], loaded: ResolvedExperiment) -> str | None:
    """Why training cannot go on as it began: machine code has other last digits than TensorFlow. None: it can."""
    tensorflow.configure(operation_threads(loaded), machine.chosen_threads())  # before it looks for accelerators
    experiment, accelerators = loaded.experiment, tensorflow.accelerators()
    plans = experiment.model.plans(experiment.training, loaded.net_input)
    choices = {plan.name: choose(plan, loaded.net_input.samples, accelerators) for plan in plans}
    now = {name for name, choice in choices.items() if choice.backend is NativeBackend}
    before = set((saved.get("engine") or {}).get("native") or ())
    return other_backends(before, now) if before != now else None


def other_backends(before: AbstractSet[str], now: AbstractSet[str]) -> str:
    """The sentence that names the phases whose steps machine code took `before` or takes `now`, but not both."""
    ways = [(before - now, "machine code", "TensorFlow"), (now - before, "TensorFlow", "machine code")]
    changes = [
        f"its steps ({', '.join(sorted(phases))}) were taken by {then}, here they would be taken by {here}"
        for phases, then, here in ways
        if phases
    ]
    return f"{', and '.join(changes)}, with other last digits"
