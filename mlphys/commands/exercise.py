"""An exercise for students: a config with blanks, what is to be found, and the range that is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlphys.config.blanks import Meaning, blanks, meaning
from mlphys.config.difference import differing
from mlphys.config.disclosure import discloses
from mlphys.config.exercise import Exercise, exercise
from mlphys.config.experiment import Experiment
from mlphys.config.headline import headline
from mlphys.config.load import load_document, overridden_document
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.numerics.expected_range import expected_range
from mlphys.numerics.over_seeds import OverSeeds, over_seeds
from mlphys.runs.run import Run, find, finished
from mlphys.schema.document import dotted, dump, parse
from mlphys.studies.member_runs import member_runs
from mlphys.studies.points import main_metric, points
from mlphys.studies.study_file import Study, located


@dataclass(frozen=True)
class Sheet:
    """A config with blanks, and what its task sheet says.

    `kept` is what may be said of the experiment, `about` its remarks, `blanks` a line of the config with its meaning
    for each key, `ranges` the expected ones by metric, whose source is `range_source`; `predicted` says that the
    students give them.
    """

    config: Path
    text: str
    task: Path
    name: str
    model: str
    dataset: str
    kept: str
    left_out: bool
    about: dict[str, Any]
    blanks: tuple[tuple[str, int, Meaning], ...]
    ranges: dict[str, list[float]]
    range_source: str
    predicted: bool


def made(config: Path, names: Sequence[str], out: Path, range_from: str | None = None) -> Sheet:
    """The files of an exercise on `config` in the folder `out`; nothing is written yet. Raises UserError."""
    document = overridden_document(config)
    loaded = load_document(document)
    if not names:
        raise UserError("--blank: names no key; write the keys that are to be found, such as --blank optimizer,epochs")
    assignment = exercise(document, loaded, names)
    data, source = assignment.document.data, "the config"
    predicted = ("expect",) in assignment.answers
    if predicted and range_from is not None:
        raise UserError("--range-from: gives the range that --blank expect leaves out; leave out one of them")
    if range_from is not None:
        (metric, ends), source = _range_of(range_from, loaded.experiment)
        data = {**data, "expect": {metric: ends}}
    ranges = {} if predicted else dict(data.get("expect") or {})
    name = loaded.experiment.name
    path, task = out / f"{name}.yaml", out / "task.md"
    for file in (path, task):
        if file.exists():
            raise UserError(f"{file}: exists; it is not overwritten; name another folder with --out")
    text = _head(name, path) + dump(data)
    summary = headline(config)
    redacted_summary = assignment.without_answers(summary)
    return Sheet(
        path, text, task, name, loaded.experiment.model.kind, loaded.experiment.data.name, redacted_summary,
        any(discloses(summary, answer) for answer in assignment.answers.values()), dict(data.get("about") or {}),
        _explained(text, path, assignment), ranges, source, predicted,
    )  # fmt: skip


def _head(name: str, path: Path) -> str:
    return (
        f"# {name}: an exercise; put a value in place of every ???, task.md says what is to be found\n"
        f"# mlphys config check {path.name}\n"
    )


def _explained(text: str, path: Path, assignment: Exercise) -> tuple[tuple[str, int, Meaning], ...]:
    """The blanks of the new config in its order: key, line, meaning."""
    document = parse(text, str(path))
    explanations = []
    for key in blanks(document):
        line = int(document.place(key).rpartition(":")[2])
        explanations.append((dotted(key), line, _without_answer(meaning(key, document), assignment.answers[key])))
    return tuple(explanations)


def _without_answer(about: Meaning, answer: Any) -> Meaning:
    """Without a default and an example that disclose the answer."""
    default, example = about.default, about.example
    return replace(
        about,
        default=None if default is None or discloses(default, answer) else default,
        example="" if discloses(example, answer) else example,
    )


def _range_of(name: str, experiment: Experiment) -> tuple[tuple[str, list[float]], str]:
    """The metric of a run or a study of the same config with the range that it gives, and where it comes from."""
    study = located(name)
    if study is None:
        run = finished(find(name))
        _require_same_config(run, experiment)
        metric, stats = _measured(run)
        split, _, _ = metric.partition(".")
        return (metric, expected_range(stats, metric)), f"one training: three standard errors of its {split} samples"
    for run in member_runs(study):
        _require_same_config(run, experiment)
    metric, stats = _over_members(study)
    source = f"{stats.n} trainings, of which 99 % of further ones would lie in it"
    return (metric, expected_range(stats, metric)), source if stats.n > 2 else "few trainings: three standard errors"


def _require_same_config(run: Run, experiment: Experiment) -> None:
    if changed := [key for key in differing([experiment, run.config]) if key != "seed"]:
        raise UserError(
            f"--range-from {run.path}: was trained with another config: {', '.join(changed[:4])}; train this one, with "
            "--seeds 5 for a range over seeds"
        )


def _measured(run: Run) -> tuple[str, OverSeeds]:
    for split in ("test", "validation"):
        metrics = run.metrics.get(split, {})
        for name in run.config.model.MEASURED:
            if metrics.get(name) is not None and metrics.get(f"{name}_stderr") is not None:
                return f"{split}.{name}", over_seeds([metrics[name]], [metrics[f"{name}_stderr"]])
    raise UserError(f"--range-from {run.path}: has no metric with an error; `mlphys evaluate {run.path}` measures it")


def _over_members(study: Study) -> tuple[str, OverSeeds]:
    content = study.read()
    metric = main_metric(content)
    results = [each for point in points(content) if metric and (each := point.metric(*metric))]
    if not metric or len(results) != 1:
        raise UserError(
            f"--range-from {study.path}: is a study of {len(results)} measured experiments; expected one trained with "
            "several seeds, as `mlphys train CONFIG --seeds 5` makes"
        )
    return ".".join(metric), results[0]


def require_writable(sheet: Sheet) -> None:
    """Make the folder, and raise UserError unless both files can be created there."""
    atomic.make(sheet.config.parent)
    for file in (sheet.config, sheet.task):
        atomic.new(file)
