"""Many runs of one config: begun, resumed, and each member trained where an executor has it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlphys
from mlphys import machine
from mlphys.commands import evaluate
from mlphys.commands import train as training
from mlphys.commands.train import Interrupted, Say
from mlphys.config.difference import difference
from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import validate
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.download import fetch, locate
from mlphys.networks import tensorflow
from mlphys.runs.run import Run
from mlphys.runs.writer import create
from mlphys.schema.document import Document
from mlphys.schema.study import Study as StudyBlock
from mlphys.studies import conduct, members
from mlphys.studies.conduct import Shard
from mlphys.studies.executor import Epoch, Executor, InThisProcess, Order, OtherThreads, Report, Result
from mlphys.studies.local_processes import LocalProcesses
from mlphys.studies.members import Member, Plan
from mlphys.studies.progress import StudyReporter
from mlphys.studies.study_file import ExecutorFacts, MemberRecord, Study, StudyFile, located, main_metrics
from mlphys.training.progress import Silence

LONGEST_END = 30.0  # seconds in which a process ends whose study was killed
EVERY = 0.2  # seconds between two epochs of a member that are shown


@dataclass(frozen=True)
class Request:
    """What a command requests beside the config: its `study` block is the default of each."""

    grid: Mapping[str, Any]
    seeds: int | None = None
    evaluate: str | None = None
    threads: int | None = None
    workers: int | None = None
    shard: Shard | None = None
    many: bool = False
    out: Path | None = None


def planned(document: Document, loaded: ResolvedExperiment, request: Request) -> tuple[Plan, str]:
    """What is varied, and the split that all members are evaluated on beside validation.

    Members of seeds alone are evaluated on test; where the best of several may be chosen, on validation.
    """
    block = loaded.experiment.study or StudyBlock()
    changes = {"grid": dict(request.grid)} if request.grid else {}
    given = {key: value for key, value in (("seeds", request.seeds), ("evaluate", request.evaluate)) if value}
    block = block.model_copy(update={**changes, **given})
    plan = members.plan(block, loaded.experiment, document.name)
    members.require_number(plan, document.name, request.many)
    if len(plan) == 1 and not plan.seeds and not plan.grid:
        raise UserError(f"{document.name}: nothing varies; add --grid KEY=VALUES, --seeds N, or the block study")
    chosen = plan.grid or plan.folds or loaded.experiment.data.test == 0
    return plan, block.evaluate or ("validation" if chosen else "test")


def checked_members(document: Document, loaded: ResolvedExperiment, request: Request) -> list[Member]:
    """The members that the request makes, each one's config checked."""
    plan, _ = planned(document, loaded, request)
    varied = list(plan.members())
    members.validated(document, varied)
    return varied


def begin(
    document: Document, loaded: ResolvedExperiment, request: Request, reporter: StudyReporter, say: Say
) -> tuple[Study, StudyFile]:
    """Check every member, make the study's folder and train all of them, or those of the shard."""
    plan, evaluated = planned(document, loaded, request)
    varied = list(plan.members())
    resolved = members.validated(document, varied)
    _fetch(resolved, say)
    _check_folds(plan, resolved)
    if evaluated == "test":
        _require_test(resolved, varied)
    pinned = [members.pinned(member, resolved[member.number]) for member in varied]
    content = _content(document, loaded, plan, evaluated, pinned, request)
    study = _made(content, request)
    say(f"study {study.path}: {len(varied)} members")
    return study, _conducted(study, request, False, reporter, say)


def resume(study: Study, request: Request, retry: bool, reporter: StudyReporter, say: Say) -> StudyFile:
    """Resume a study: ended members stay, the others continue from their checkpoints.

    With `retry`, those that failed are tried again.
    """
    return _conducted(study, request, retry, reporter, say)


def _conducted(study: Study, request: Request, retry: bool, reporter: StudyReporter, say: Say) -> StudyFile:
    with conduct.held(study.path, request.shard):
        content = study.read()
        numbers, gone = conduct.open_members(study, content, retry)
        numbers = conduct.of_shard(numbers, request.shard)
        for number in gone:
            say(f"{study.run_path(number)}: gone; {content.record(number).member} is retrained")
        if not numbers:
            return content
        workers = min(request.workers if request.workers is not None else content.executor.workers, len(numbers))
        try:
            return conduct.conduct(study, numbers, _executor(workers), reporter)
        except KeyboardInterrupt:
            raise Interrupted(study.path) from None


def _executor(workers: int) -> Executor:
    return LocalProcesses(train_member, workers) if workers else InThisProcess(train_member)


def shares(members_: int, workers: int | None, threads: int | None) -> tuple[int, int]:
    """How many members are trained at once and with how many threads each: together as many as there are cores."""
    cores = machine.cores()
    if workers is None:
        workers = max(1, min(members_, cores // (threads or 1)))
    return workers, threads or max(1, cores // max(1, workers))


def _content(
    document: Document,
    loaded: ResolvedExperiment,
    plan: Plan,
    evaluated: str,
    varied: Sequence[Member],
    request: Request,
) -> StudyFile:
    workers, threads = shares(len(varied), request.workers, request.threads)
    records = [
        MemberRecord(
            number=member.number,
            overrides=dict(member.overrides),
            labels=dict(member.labels),
            pins=dict(member.pins),
            directory=f"members/{member.number}",
        )
        for member in varied
    ]
    config = {key: value for key, value in document.data.items() if key != "study"}
    return StudyFile.model_validate(
        {
            "mlphys": mlphys.__version__,
            "command": shlex.join(sys.argv),
            "name": loaded.experiment.name,
            "source": document.name,
            "config": config,
            "grid": {key: dict(values) for key, values in plan.grid.items()},
            "seeds": list(plan.seeds),
            "folds": plan.folds,
            "evaluated": evaluated,
            "chooses": bool(plan.grid) and evaluated != "test",
            "executor": ExecutorFacts(name="processes" if workers else "this process", workers=workers),
            "threads": threads,
            "members": records,
        }
    )


def _made(content: StudyFile, request: Request) -> Study:
    """A new folder with study.json; shards of one study share it, and the first that comes makes it."""
    if request.shard is None:
        study = Study(create(content.name, request.out))
        study.write(content)
        return study
    if request.out is None:
        raise UserError("--shard: all shards write into one folder; name it with --out")
    return Study.shared(request.out, content)


def unfinished(document: Document, loaded: ResolvedExperiment, request: Request) -> Study | None:
    """The newest study of this config's name to resume, None where there is none.

    Raises UserError where it was requested with another config or other members.
    """
    study = located(str(request.out) if request.out else loaded.experiment.name)
    if study is None:
        return None
    plan, evaluated = planned(document, loaded, request)
    resolved = members.validated(document, list(plan.members()))
    varied = [members.pinned(member, resolved[member.number]) for member in plan.members()]
    if not study.read().same_request(_content(document, loaded, plan, evaluated, varied, request)):
        raise UserError(f"{study.path}: is a study of another config or other members; leave --resume out")
    return study


def _check_folds(plan: Plan, resolved: Mapping[int, ResolvedExperiment]) -> None:
    """Raise UserError now where a class has fewer samples than there are folds, and not in every member."""
    if plan.folds:
        for experiment in {id(each): each for each in resolved.values() if each.experiment.data.fold == 0}.values():
            experiment.dataset()


def _require_test(resolved: Mapping[int, ResolvedExperiment], varied: Sequence[Member]) -> None:
    for member in varied:
        if resolved[member.number].experiment.data.test == 0:
            raise UserError(
                f"{member}: its test split has no samples; set data.test, or evaluate on validation "
                "with --evaluate validation"
            )


def _fetch(resolved: Mapping[int, ResolvedExperiment], say: Say) -> None:
    """Download what the members need before several of them do."""
    for experiment in {each.experiment.data.name: each for each in resolved.values()}.values():
        for source in experiment.experiment.data.sources():
            if locate(source) is None:
                say(f"downloading {source.url}")
                fetch(source)


def train_member(order: Order, report: Report) -> Result:
    """Train a member to its end, or resume it, and measure it. What goes wrong is its result.

    Raises OtherThreads where TensorFlow was started with others, and KeyboardInterrupt after a checkpoint.
    """
    run = Run(Path(order.directory))
    try:
        loaded = validate(Document(order.config, order.source, {}))
        _require_threads(loaded, order.threads)
        run = _finished(run, loaded, order, report)
        for split in order.evaluate:
            if split not in run.metrics:
                evaluate.evaluate(run, split)
                run = Run(run.path)
        return _result(run, "done", None)
    except UserError as error:
        return _result(run, "diverged" if _state(run) == "diverged" else "failed", str(error))
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        tensorflow.forget()


def _require_threads(loaded: ResolvedExperiment, threads: int) -> None:
    """Raise OtherThreads where this process could not train it to the bytes of a process of its own."""
    with machine.using_threads(threads):
        needed = training.operation_threads(loaded)
    if not tensorflow.fits(needed, threads):
        raise OtherThreads("TensorFlow was started with another number of threads")


def _finished(run: Run, loaded: ResolvedExperiment, order: Order, report: Report) -> Run:
    """The run of an order, trained to its end, whatever was there of it."""
    sender = _Sender(order.number, report)
    atomic.wait_for(run.path, LONGEST_END)
    if not os.path.exists(run.path / "config.yaml"):
        return training.trained(loaded, run.path, sender, _silent, order.threads)
    if changes := [key for key, _, _ in difference(run.config, loaded.experiment)]:
        raise UserError(f"{run.path}: was trained with another config ({', '.join(changes)} changed); remove it")
    if _state(run) == "diverged":
        raise UserError(f"{run.path}: its training diverged")
    if _state(run) == "done":
        return run
    return training.resumed(run, (), sender, _silent, order.threads)


def _silent(text: str) -> None:
    pass


def _state(run: Run) -> str | None:
    try:
        return str(run.status["state"])
    except UserError:  # it has none yet
        return None


def _result(run: Run, state: str, reason: str | None) -> Result:
    """What study.json holds of a run; of one that is damaged, that it is."""
    try:
        status, history = run.status, run.history
        metrics = {split: main_metrics(values, run.config.model.MEASURED) for split, values in run.metrics.items()}
        environment = _environment(run)
    except UserError as error:
        return Result("failed" if state == "done" else state, reason or str(error))
    seconds = round(sum(row["seconds"] or 0.0 for row in history), 4)
    facts = (status["epochs"], status["best_epoch"], status["stopped"])
    return Result(state, reason, *facts, seconds, metrics, environment)


def _environment(run: Run) -> dict[str, Any] | None:
    """What the bytes of a run depend on, and where it was trained."""
    if not (run.path / "environment.json").exists():
        return None
    found = run.environment
    return {key: found.get(key) for key in ("cpu", "threads", "accelerators", "mlphys", "packages", "python")}


class _Sender(Silence):
    """Reports the epochs of a member, not more often than one can read."""

    def __init__(self, number: int, report: Report):
        self._number, self._report = number, report
        self._sent_at = -EVERY

    def begin(self, phase: str, epochs: int, done: int) -> None:
        self._epochs = epochs

    def epoch(self, row: Mapping[str, Any]) -> None:
        if time.monotonic() - self._sent_at >= EVERY or row["epoch"] == self._epochs:
            self._sent_at = time.monotonic()
            self._report(Epoch(self._number, row["phase"], row["epoch"], self._epochs, dict(row)))
