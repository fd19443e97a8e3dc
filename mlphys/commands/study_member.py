"""A member of a study: trained to its end where an executor has it, or resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlphys import machine
from mlphys.commands import evaluate
from mlphys.commands.prepared_run import Interrupted, Say, operation_threads
from mlphys.commands.resume import other_steps, resumed
from mlphys.commands.train import read_data, trained
from mlphys.config.difference import difference
from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import validate
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.networks import tensorflow
from mlphys.runs.run import Run
from mlphys.schema.data import Dataset
from mlphys.schema.document import Document
from mlphys.schema.samples import Splits
from mlphys.studies.executor import Epoch, Order, OtherThreads, Report, Result, Stopped
from mlphys.studies.search import compared_at
from mlphys.studies.study_file import main_metrics
from mlphys.training.progress import Silence

LONGEST_END = 30.0  # seconds in which a process ends whose study was killed
EVERY = 0.2  # seconds between two epochs of a member that are shown
UNFINISHED = ("running", "interrupted")


def train_member(order: Order, report: Report) -> Result:
    """Train a member to its end, or resume it, and measure it. What goes wrong is its result.

    Raises OtherThreads where TensorFlow was started with others, and KeyboardInterrupt after a checkpoint.
    """
    run, moved, before = Run(Path(order.directory)), None, tensorflow.custom_gradients()
    try:
        loaded = validate(Document(order.config, order.source, {}))
        _require_threads(loaded, order.threads)
        atomic.wait_for(run.path, LONGEST_END)
        if _state(run) in UNFINISHED and os.path.exists(run.path / "config.yaml"):
            moved = _continued(run, loaded, order.threads)
        run = _finished(run, loaded, order, report)
        for split in order.evaluate:
            if split not in run.metrics:
                evaluate.evaluate(run, split)
                run = Run(run.path)
        return _result(run, "done", None, moved)
    except Stopped as stopped:
        return _result(run, "pruned", str(stopped), moved)
    except UserError as error:
        return _result(run, "diverged" if _state(run) == "diverged" else "failed", str(error), moved)
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        tensorflow.forget(before)


def _require_threads(loaded: ResolvedExperiment, threads: int) -> None:
    """Raise OtherThreads where this process could not train it to the bytes of a process of its own."""
    with machine.using_threads(threads):
        needed = operation_threads(loaded)
    if not tensorflow.fits(needed, threads):
        raise OtherThreads("TensorFlow was started with another number of threads")


def _continued(run: Run, loaded: ResolvedExperiment, threads: int) -> str:
    """Whether an unfinished run is resumed; one that would end with other bytes is cleared, and begins again."""
    why = _why_other_bytes(run, loaded, threads)
    if why is None:
        return f"continued from checkpoint {max(run.folder.names('checkpoints'))}"
    run.folder.clear()
    return f"trained from its start: {why}"


def _why_other_bytes(run: Run, loaded: ResolvedExperiment, threads: int) -> str | None:
    """Why a training that goes on here may end with other bytes than one that began here; None: it does not."""
    if not run.folder.has("environment.json") or not run.folder.names("checkpoints"):
        return "it had no checkpoint"
    environment = Run(run.path).environment
    if environment.get("cpu") != (processor := machine.processor()):
        return f"its checkpoint was made by another processor, {environment.get('cpu')}; here it is {processor}"
    if environment.get("threads") != threads:
        return f"its checkpoint was made with {environment.get('threads')} threads; here they are {threads}"
    versions = {**(environment.get("packages") or {}), "mlphys": environment.get("mlphys")}
    for name, version in machine.versions().items():
        if versions.get(name) != version:
            return f"its checkpoint was made with {name} {versions.get(name)}; here it is {version}"
    with machine.using_threads(threads):
        tensorflow.configure(operation_threads(loaded), threads)
        if environment.get("accelerators") != tensorflow.accelerators():
            return "its checkpoint was made with other accelerators"
        return other_steps(environment, loaded)


def _finished(run: Run, loaded: ResolvedExperiment, order: Order, report: Report) -> Run:
    """The run of an order, trained to its end, whatever was there of it."""
    sender = _Sender(order.number, report, run)
    if not os.path.exists(run.path / "config.yaml"):
        return trained(loaded, run.path, sender, _silent, order.threads, order.evaluate, _read)
    if changes := [key for key, _, _ in difference(run.config, loaded.experiment)]:
        raise UserError(f"{run.path}: was trained with another config ({', '.join(changes)} changed); remove it")
    if _state(run) == "diverged":
        raise UserError(f"{run.path}: its training diverged")
    if _state(run) == "done":
        return run
    return resumed(run, (), sender, _silent, order.threads)


_latest: tuple[Dataset, Splits, dict[str, Any]] | None = None


def _read(loaded: ResolvedExperiment, say: Say) -> tuple[Splits, dict[str, Any]]:
    """The samples, those of the member before where it had the same data: the splits do not depend on the seed.

    The user's own files are read for every member, since they may change.
    """
    global _latest
    data = loaded.experiment.data
    if data.PATH_KEYS:
        return read_data(loaded, say)
    if _latest is None or _latest[0] != data:
        _latest = None  # no two at once in memory
        _latest = data, *read_data(loaded, say)
    return _latest[1], _latest[2]


def _silent(text: str) -> None:
    pass


def _state(run: Run) -> str | None:
    try:
        return str(run.status["state"])
    except UserError:  # it has none yet
        return None


def _result(run: Run, state: str, reason: str | None, moved: str | None) -> Result:
    """What study.json holds of a run; of one that is damaged, that it is."""
    try:
        status, history = run.status, run.history
        metrics = {split: main_metrics(values, run.config.model.MEASURED) for split, values in run.metrics.items()}
        environment = _environment(run)
    except UserError as error:
        return Result("failed" if state == "done" else state, reason or str(error), moved=moved)
    seconds = round(sum(row["seconds"] or 0.0 for row in history), 4)
    facts = (status["epochs"], status["best_epoch"], status["stopped"])
    return Result(state, reason, *facts, seconds, metrics, environment, moved)


def _environment(run: Run) -> dict[str, Any] | None:
    """What the bytes of a run depend on, and where it was trained."""
    if not (run.path / "environment.json").exists():
        return None
    environment = run.environment
    return {key: environment.get(key) for key in ("cpu", "threads", "accelerators", "mlphys", "packages", "python")}


class _Sender(Silence):
    """Reports the epochs of a member, not more often than one can read, but all at which members are compared."""

    def __init__(self, number: int, report: Report, run: Run):
        self._number, self._report, self._run = number, report, run
        self._sent_at = -EVERY

    def begin(self, phase: str, epochs: int, done: int) -> None:
        self._epochs = epochs
        if done:  # whoever compares may know nothing of the epochs before
            for row in Run(self._run.path).history:
                if row["phase"] == phase and row["epoch"] <= done and compared_at(row["epoch"]):
                    self._send(row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now - self._sent_at >= EVERY or row["epoch"] == self._epochs or compared_at(row["epoch"]):
            self._sent_at = now
            self._send(row)

    def _send(self, row: Mapping[str, Any]) -> None:
        self._report(Epoch(self._number, row["phase"], row["epoch"], self._epochs, dict(row)))
