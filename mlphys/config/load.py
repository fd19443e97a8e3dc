"""Load a config: parse, override, complete and validate it against its data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mlphys.config import checks, pretrained
from mlphys.config.completion import (
    completed,
    completed_without_samples,
    described,
    parsed,
    with_pictures,
    with_split_sizes,
)
from mlphys.config.experiment import Experiment, ResolvedExperiment, net_input
from mlphys.config.overrides import overridden
from mlphys.config.pretrained import Arrays, PretrainedRun
from mlphys.config.problems import Problems
from mlphys.config.shipped import shipped
from mlphys.data import preprocessing
from mlphys.errors import Refusal, UserError
from mlphys.io import checksum
from mlphys.io.run_files import WEIGHTS, RunFiles
from mlphys.schema.data import Description
from mlphys.schema.document import Document, read
from mlphys.schema.losses import SPARSE
from mlphys.schema.spec import plain

Check = Callable[[ResolvedExperiment], Iterable[Refusal]]
CHECKS_OF_TRAINING: tuple[Check, ...] = (checks.check_fresh_samples, checks.check_tracking, checks.check_snapshots)


def load(path: Path, overrides: Sequence[str] = ()) -> ResolvedExperiment:
    """Read, override and validate a config. Raises UserError with every problem, one line each."""
    return load_document(overridden_document(path, overrides))


def overridden_document(path: Path, overrides: Sequence[str] = ()) -> Document:
    """A config as it is written, with its overrides and its file's name where it has none. Raises UserError."""
    if not os.path.exists(path) and path.stem in shipped():
        raise UserError(f"{path}: no such file; `mlphys config copy {path.stem}` brings the config of that name here")
    document = read(path)
    if document.data is None:
        raise UserError(f"{path}: the file is empty; `mlphys list configs` names configs to start from")
    if isinstance(document.data, dict):
        if "name" not in document.data:
            document = document.with_value(("name",), path.stem, str(path))
        document = overridden(document, overrides)
    return document


def load_document(document: Document) -> ResolvedExperiment:
    """Validate a document; the notes name Keras's words that have another meaning here. Raises UserError."""
    return replace(validate(document), notes=tuple(_notes(document)))


def _notes(document: Document) -> Iterable[str]:
    """What a word of Keras's means here, where that is not the same; the document is one that was accepted."""
    loss = (document.data.get("training") or {}).get("loss")
    name = next(iter(loss)) if isinstance(loss, dict) and loss else loss
    if isinstance(name, str) and plain(name) == plain(SPARSE):
        place = document.place(("training", "loss"))
        yield f"{place}: training.loss: {name} is categorical_crossentropy here: labels are encoded one-hot"


def load_run(path: Path) -> ResolvedExperiment:
    """The experiment of a run directory, without its data. Raises UserError."""
    run = RunFiles(path)
    return validate_run(run.document, run.description)


def validate(document: Document) -> ResolvedExperiment:
    """Parse, complete and check a config. Of its data only headers are read, samples only if necessary.

    Raises UserError with every problem, one line each.
    """
    problems, experiment, resolved = Problems(document), parsed(document), None
    with problems.collected():
        experiment, description = described(experiment)
    problems.raise_any()
    with problems.collected():
        experiment = with_split_sizes(experiment, description)
    with problems.collected():
        experiment = completed(experiment, description)
        resolved = _with_pretrained(experiment, description, document.name)
        checks.require_fitting_model(resolved)
        resolved = with_pictures(resolved)
    return _checked(
        problems, experiment, description, resolved,
        (*CHECKS_OF_TRAINING, checks.check_batches, checks.check_pictures, checks.check_analyses),
    )  # fmt: skip


def validate_run(document: Document, description: Description) -> ResolvedExperiment:
    """The same for the complete config of a run, without reading samples or opening other runs.

    Plots and analyses are not checked: those that do not apply to the run are skipped when it is plotted.
    """
    problems, experiment, resolved = Problems(document), parsed(document), None
    with problems.collected():
        experiment = with_split_sizes(experiment, description)
    with problems.collected():
        experiment = completed_without_samples(experiment, description)
        checks.require_encoder_layers(experiment.model)
        resolved = ResolvedExperiment(experiment, description)
        checks.require_fitting_model(resolved)
    return _checked(problems, experiment, description, resolved, (*CHECKS_OF_TRAINING, checks.check_analyses))


def _checked(
    problems: Problems,
    experiment: Experiment,
    description: Description,
    resolved: ResolvedExperiment | None,
    checks_of_fitting: Sequence[Check],
) -> ResolvedExperiment:
    """`resolved`, if no check complains; `checks_of_fitting` are for models that fit their data.

    Raises UserError with every problem, a line each, those that are in `problems` already among them.
    """
    problems.add(*checks.check_experiment(experiment, description))
    if not problems:
        assert resolved
        problems.add(*(problem for check in checks_of_fitting for problem in check(resolved)))
    problems.add(*checks.check_expected(experiment, resolved))
    problems.raise_any()
    assert resolved
    return resolved


def _with_pretrained(experiment: Experiment, description: Description, file: str) -> ResolvedExperiment:
    """Fill in what the config in `file` uses from other runs, with their arrays. Raises Refusal."""
    data, model, training = experiment.data, experiment.model, experiment.training
    arrays: Arrays = {}
    if encoder := model.pretrained_encoder():
        run = _opened(pretrained.finished(encoder.run, pretrained.ENCODER, file))
        encoder, arrays = pretrained.encoder(encoder, run, data, description)
        model = model.model_copy(update={"encoder": encoder})
    if initial := training.initial:
        if not experiment.model.ITERATIVE:
            text = f"kind: {model.kind} is solved directly, without initial weights; leave it out"
            raise Refusal(pretrained.INITIAL, text)
        shapes = model.weight_shapes(net_input(data, description))
        if initial.run is None:
            fitted = preprocessing.fitted_shapes(data.preprocess, description.shape)
            initial, arrays = pretrained.initial_file(initial, shapes | fitted)
        else:
            run = _opened(pretrained.finished(initial.run, pretrained.INITIAL, file))
            initial, arrays = pretrained.initial(initial, run, data, description, shapes)
        training = training.model_copy(update={"initial": initial})
    experiment = experiment.model_copy(update={"model": model, "training": training})
    return ResolvedExperiment(experiment, description, arrays)


def _opened(run: RunFiles) -> PretrainedRun:
    """A finished run with its arrays, validated against its config."""
    resolved = validate_run(run.document, run.description)
    arrays = run.tensors(WEIGHTS, resolved.saved_shapes())
    return PretrainedRun(run.path, resolved, arrays, checksum.sha256(run.path / WEIGHTS))
