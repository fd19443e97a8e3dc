"""Trainings from a notebook or a program: the same run directories that the commands write."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from mlphys import machine, terminal
from mlphys.commands import study as studies
from mlphys.commands import train as training
from mlphys.commands.prepared_run import Interrupted, Say, operation_threads
from mlphys.commands.resume import resume as resume_run
from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import load_document
from mlphys.errors import UserError
from mlphys.networks import tensorflow
from mlphys.notebook import configs, progress
from mlphys.notebook.configs import Config
from mlphys.notebook.run import Run
from mlphys.notebook.study import Study
from mlphys.runs import run as runs
from mlphys.schema.document import Document, flow
from mlphys.studies import members
from mlphys.studies.study_file import Study as StudyFolder
from mlphys.studies.study_file import StudyFile, located
from mlphys.training.backend import choose
from mlphys.training.native_backend import NativeBackend


@overload
def train(
    config: Config, overrides: Mapping[str, Any] = ..., *, seed: int | None = ..., seeds: None = ...,
    out: str | os.PathLike[str] | None = ..., threads: int | None = ..., quiet: bool = ...,
) -> Run: ...  # fmt: skip


@overload
def train(
    config: Config, overrides: Mapping[str, Any] = ..., *, seed: int | None = ..., seeds: int,
    out: str | os.PathLike[str] | None = ..., threads: int | None = ..., quiet: bool = ...,
) -> Study: ...  # fmt: skip


def train(
    config: Config,
    overrides: Mapping[str, Any] = {},
    *,
    seed: int | None = None,
    seeds: int | None = None,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Run | Study:
    """Train a config in a new run directory, as `mlphys train` does: measured on validation, with its pictures.

    `config` is a file, the name of a shipped config (`mlphys list configs`), a run directory, or a dict with the keys
    of a config. `overrides` by dotted keys: `{"training.epochs": 5, "model.layers.0.Conv2D.filters": 16}`. `out` is the
    run directory, by default runs/NAME/NUMBER. `threads`: by default one per core. `quiet` prints nothing. With
    `seeds=5` it is a study of so many seeds, counted up from the config's.

    Raises UserError, with every problem, before anything is trained or written; for an `out` that is not empty; and
    where the loss diverges. An interrupt of the kernel, or Ctrl-C, leaves a checkpoint and raises KeyboardInterrupt,
    whose text says how to resume.
    """
    document = configs.document(config, overrides, seed)
    loaded = _with_notes(document, quiet)
    if seeds is not None:
        return _study(document, loaded, studies.Request({}, seeds, None, threads, out=_path(out)), quiet)
    if loaded.experiment.is_study():
        raise UserError(f"{document.name}: describes a study of many runs; mlphys.sweep trains it")
    _note_other_threads(loaded, threads, quiet)
    with _interruptible():
        run = training.train(loaded, _path(out), progress.reporter(quiet), _say(quiet), threads)
    return Run(run.path)


@overload
def resume(run: Run, overrides: Mapping[str, Any] = ..., *, threads: int | None = ..., quiet: bool = ...) -> Run: ...


@overload
def resume(run: Study, overrides: Mapping[str, Any] = ..., *, threads: None = ..., quiet: bool = ...) -> Study: ...


@overload
def resume(
    run: str | os.PathLike[str], overrides: Mapping[str, Any] = ..., *, threads: int | None = ..., quiet: bool = ...
) -> Run | Study: ...


def resume(
    run: Run | Study | str | os.PathLike[str],
    overrides: Mapping[str, Any] = {},
    *,
    threads: int | None = None,
    quiet: bool = False,
) -> Run | Study:
    """Resume an interrupted training from its newest checkpoint, to the bytes that it would have had without the break.

    Of a study the members that have not ended. `overrides` may raise `training.epochs` of a run, also of one that is
    finished. Raises UserError where there is nothing to resume, and for other overrides.
    """
    path = str(run.path) if isinstance(run, Run | Study) else os.fspath(run)
    if study := located(path):
        if overrides or threads:
            raise UserError(f"{path}: is a study, which keeps its settings; leave overrides and threads out")
        return _resumed(study, quiet)
    stored_run = runs.find(path)
    thread_count = threads or stored_run.threads
    _note_other_threads(stored_run.loaded, None if thread_count == machine.cores() else thread_count, quiet)
    with _interruptible():
        resume_run(stored_run, configs.as_texts(overrides), progress.reporter(quiet), _say(quiet), threads)
    return Run(stored_run.path)


def sweep(
    config: Config,
    grid: Mapping[str, Sequence[Any] | str] = {},
    overrides: Mapping[str, Any] = {},
    *,
    seeds: int | None = None,
    search: int | None = None,
    evaluate: Literal["validation", "test"] | None = None,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Study:
    """Train a config for every combination of the values of some keys, and for several seeds, as `mlphys sweep` does.

    `grid`: `{"model.layers.0.Dense.units": [16, 32], "training.optimizer.Adam.learning_rate": "1e-4:1e-1:log4"}`; left
    out, it is that of the config's block `study`. With `search=20` it is so many trials, each with values that those
    before suggest. `workers` members are trained at once, by default one per core.
    `evaluate`: the split that they are measured on; by default test for seeds alone, else validation.

    Raises UserError before anything is trained; what goes wrong with a member is the state of that one. An interrupt
    raises KeyboardInterrupt, whose text says how to resume.
    """
    document = configs.document(config, overrides)
    loaded = _with_notes(document, quiet)
    request = studies.Request(_grid(grid), seeds, evaluate, threads, workers, out=_path(out), search=search)
    return _study(document, loaded, request, quiet)


def _study(document: Document, loaded: ResolvedExperiment, request: studies.Request, quiet: bool) -> Study:
    with _interruptible():
        study, content = studies.begin(document, loaded, request, progress.study_reporter(quiet), _say(quiet))
    return _opened(study, content)


def _resumed(study: StudyFolder, quiet: bool) -> Study:
    with _interruptible():
        content = studies.resume(study, studies.Request({}), False, progress.study_reporter(quiet), _say(quiet))
    return _opened(study, content)


def _opened(study: StudyFolder, content: StudyFile) -> Study:
    """Raises UserError where all members failed."""
    if all(record.state == "failed" for record in content.members):
        raise UserError(f"{study.path}: all members failed; the first: {content.members[0].reason}")
    return Study(study.path)


def _grid(grid: Mapping[str, Sequence[Any] | str]) -> Mapping[str, Any]:
    """The values of each key, or the text that describes them, as `--grid` takes them."""
    texts = []
    for key, values in grid.items():
        if not isinstance(values, Sequence) or not len(values):
            raise UserError(f"grid: {key}: expected a list of values, or text such as 1e-3:1:log7; received {values!r}")
        text = values if isinstance(values, str) else flow(configs.plain(values, f"grid: {key}"))
        texts.append(f"{key}={text}")
    return members.grid(texts)


def _with_notes(document: Document, quiet: bool) -> ResolvedExperiment:
    loaded = load_document(document)
    for note in loaded.notes:
        _say(quiet)(note)
    return loaded


def _note_other_threads(loaded: ResolvedExperiment, threads: int | None, quiet: bool) -> None:
    """Say it where TensorFlow takes the steps with threads for another net: on them a last digit may depend."""
    experiment = loaded.experiment
    plans = experiment.model.plans(experiment.training, loaded.net_input)
    if all(choose(plan, loaded.net_input.samples).backend is NativeBackend for plan in plans):
        return
    with machine.using_threads(threads):
        needed = operation_threads(loaded)
    if not tensorflow.fits(needed, threads):
        _say(quiet)(
            "note: TensorFlow was started in this process with other threads than `mlphys train` would take; "
            "the last digits of the weights may differ from its; restart the kernel for the same bytes"
        )


def _say(quiet: bool) -> Say:
    return (lambda text: None) if quiet else terminal.echo


def _path(out: str | os.PathLike[str] | None) -> Path | None:
    return None if out is None else Path(out)


class Stopped(KeyboardInterrupt):
    """An interrupt after which the run is kept; notebooks show its text and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {terminal.message(str(self))}"]


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt, with the text that says how to resume, for a training that was interrupted."""
    try:
        yield
    except Interrupted as interrupted:
        how = f"mlphys.resume({str(interrupted.path)!r})"
        raise Stopped(f"interrupted; {how} resumes after the last complete epoch") from None
