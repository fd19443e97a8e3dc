"""From a YAML file and its overrides to a frozen, complete Experiment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlphys.config import pretrained
from mlphys.config.checks import found
from mlphys.config.examples import shipped
from mlphys.config.experiment import Experiment, ResolvedExperiment
from mlphys.data import class_selection, preprocessing, splits
from mlphys.errors import Refusal, UserError
from mlphys.io import checksum
from mlphys.io.run_files import WEIGHTS, RunFiles
from mlphys.schema.data import Description
from mlphys.schema.document import Document, KeyPath, dotted, parse, read
from mlphys.schema.fields import LARGEST
from mlphys.schema.messages import complain, problems_of


def load(path: Path, overrides: Sequence[str] = ()) -> ResolvedExperiment:
    """Read, override and check a config; nothing of the data but its headers is read.

    Raises UserError with every problem found, a line each.
    """
    if not os.path.exists(path) and path.stem in shipped():
        raise UserError(f"{path}: no such file; `mlphys config copy {path.stem}` brings the config of that name here")
    document = read(path)
    if document.data is None:
        raise UserError(f"{path}: the file is empty; `mlphys list configs` names configs to start from")
    if isinstance(document.data, dict):
        if "name" not in document.data:
            document = document.with_value(("name",), path.stem, str(path))
        document = overridden(document, overrides)
    return fit(document)


def fit(document: Document, description: Description | None = None) -> ResolvedExperiment:
    """Check a document against the grammar and its data; without a description the headers are read.

    With one it is of a run, whose config is complete: no sample is read for it.
    """
    try:
        experiment = Experiment.model_validate(document.data)
    except ValidationError as error:
        raise complain(problems_of(error), document) from None
    of_a_run = description is not None
    if not of_a_run:
        experiment = experiment.model_copy(update={"data": experiment.data.resolved()})
    try:
        description = description or described(experiment)
    except Refusal as refusal:
        raise complain([refusal], document) from None
    problems: list[Refusal] = []
    taken: dict[str, np.ndarray] = {}
    try:
        sizes = splits.sizes(experiment.data, description)
        experiment = experiment.model_copy(update={"data": experiment.data.model_copy(update=sizes)})
    except Refusal as refusal:
        problems.append(refusal)
    try:
        experiment = _completed(experiment, description, of_a_run)
        if of_a_run:
            _check_taken(experiment)
        else:
            experiment, taken = _with_taken(experiment, description, document.name)
        net_input = ResolvedExperiment(experiment, description).net_input
        experiment.model.check_data(experiment.data)
        experiment.kind().check(experiment.model, experiment.training, net_input)
    except Refusal as refusal:
        if (refusal.path, refusal.text) not in [(known.path, known.text) for known in problems]:
            problems.append(refusal)
    problems += found(ResolvedExperiment(experiment, description), fitting=not problems, of_a_run=of_a_run)
    if problems:
        raise complain(problems, document)
    return ResolvedExperiment(experiment, description, taken)


def described(experiment: Experiment) -> Description:
    """The data as its headers tell it; with a choice among its classes the labels are read. Raises Refusal."""
    data, entry = experiment.data, experiment.dataset()
    description: Description = entry.describe(data)
    if class_selection.leaves_out(data):
        description, _ = class_selection.select(data, description, entry.load(data))
    return description


def _completed(experiment: Experiment, description: Description, of_a_run: bool) -> Experiment:
    """What the data decides, written into the experiment: numbers of components, a mirrored decoder.

    The samples are read where nothing less tells, but not for the config of a run, which may be a
    stranger's. Raises Refusal.
    """
    data, shape = experiment.data, description.shape
    steps = data.preprocess

    def samples(path: KeyPath) -> Any:
        if of_a_run:
            raise Refusal(path, "a run's config holds the number of components, not a fraction; train it anew")
        return ResolvedExperiment(experiment, description).dataset().train.x

    for i in range(len(steps)):
        try:
            steps[i].check(shape, data.train if isinstance(data.train, int) else LARGEST)
        except Refusal as refusal:
            raise refusal.under(("data", "preprocess", i)) from None
        if not steps[i].determined():
            steps = preprocessing.determined(steps, samples(("data", "preprocess", i)))
        shape = steps[i].output_shape(shape)
    experiment = experiment.model_copy(update={"data": data.model_copy(update={"preprocess": steps})})

    def train() -> Any:
        x = samples(("model",))
        return preprocessing.fit(steps, x).apply(x)

    model = experiment.kind().completed(
        experiment.model, experiment.training, ResolvedExperiment(experiment, description).net_input, train
    )
    return experiment.model_copy(update={"model": model})


def _check_taken(experiment: Experiment) -> None:
    """Raise Refusal unless a run's config tells the layers of an encoder it has taken."""
    block = experiment.model.taken()
    if block and not block.layers:
        raise Refusal(("model", "encoder", "layers"), "a run's config holds the encoder's layers; train it anew")


def _with_taken(
    experiment: Experiment, description: Description, file: str
) -> tuple[Experiment, dict[str, np.ndarray]]:
    """The experiment with what it takes from other runs written out, and their arrays. Raises Refusal."""
    taken: dict[str, np.ndarray] = {}
    here = pretrained.Here(experiment.data, description.shape, ResolvedExperiment(experiment, description).net_input)
    if block := experiment.model.taken():
        source = _source(pretrained.finished(block, pretrained.ENCODER, _making(block.run, file)))
        block, taken = pretrained.encoder(block, source, here)
        experiment = experiment.model_copy(update={"model": experiment.model.model_copy(update={"encoder": block})})
    if start := experiment.training.initial:
        if not experiment.kind().ITERATIVE:
            text = f"kind: {experiment.model.kind} is computed at once and begins with no weights; leave it out"
            raise Refusal(pretrained.INITIAL, text)
        source = _source(pretrained.finished(start, pretrained.INITIAL, _making(start.run, file)))
        start, taken = pretrained.initial(start, source, here, ResolvedExperiment(experiment, description).weights())
        training = experiment.training.model_copy(update={"initial": start})
        experiment = experiment.model_copy(update={"training": training})
    return experiment, taken


def _making(run: str, file: str) -> str:
    """How a run that the config in `file` names comes about."""
    if run not in shipped():
        return "train it first, or name another"
    beside = Path(file).with_name(f"{run}.yaml")
    if beside.is_file():
        return f"`mlphys train {beside}` makes it"
    return f"`mlphys config copy {run}` and `mlphys train {run}.yaml` make it"


def _source(run: RunFiles) -> pretrained.Source:
    """A finished run as one that weights are taken from; they are compared with its config."""
    loaded = fit(run.document, run.description)
    arrays = run.tensors(WEIGHTS, loaded.weight_shapes() | loaded.fitted_shapes())
    return pretrained.Source(
        path=run.path,
        model=loaded.experiment.model,
        data=loaded.experiment.data,
        shape=loaded.description.shape,
        net_input=loaded.net_input,
        arrays=arrays,
        sha256=checksum.sha256(run.path / WEIGHTS),
    )


def runs_before(path: Path) -> list[str]:
    """The runs that a config takes weights from, as it names them; nothing else of it is checked."""
    data = read(path).data
    blocks = [data.get(part, {}).get(key) for part, key in (pretrained.ENCODER, pretrained.INITIAL)]
    return [block["run"] for block in blocks if isinstance(block, dict)]


def overridden(document: Document, overrides: Sequence[str]) -> Document:
    """The document with each `a.b.0.c=value` put in its place."""
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise UserError(f"--set {override}: expected key=value, such as --set training.epochs=5")
        path = _key_path(document.data, key, f"--set {override}")
        document = document.with_value(path, parse(value, f"--set {key}").data, f"--set {override}")
    return document


def _key_path(data: Any, key: str, source: str) -> KeyPath:
    """The parts of a dotted key, numbers where the config has a list."""
    parts: list[str | int] = []
    for part in key.split("."):
        if isinstance(data, list):
            if not part.isdecimal() or int(part) >= len(data):
                entries = f"write the number of an entry, 0 to {len(data) - 1}" if data else "write all of it"
                raise UserError(
                    f"{source}: {dotted(tuple(parts))} is a list of {len(data)}; {entries}; received {part!r}"
                )
            parts.append(int(part))
            data = data[int(part)]
        elif parts[:1] == ["expect"]:  # its keys hold dots themselves
            return ("expect", key.partition(".")[2])
        else:
            parts.append(part)
            data = data.get(part) if isinstance(data, dict) else None
    return tuple(parts)


def difference(first: Experiment, second: Experiment) -> list[tuple[str, Any, Any]]:
    """The keys in which two experiments differ: (key path, first value, second value), None where there is none."""
    ours, theirs = _leaves(first.model_dump(), ()), _leaves(second.model_dump(), ())
    return [
        (dotted(key), ours.get(key), theirs.get(key))
        for key in sorted(ours.keys() | theirs.keys(), key=dotted)
        if ours.get(key) != theirs.get(key)
    ]


def _leaves(value: Any, path: KeyPath) -> dict[KeyPath, Any]:
    if isinstance(value, dict):
        parts: Iterable[tuple[str | int, Any]] = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        parts = enumerate(value)
    else:
        return {path: list(value) if isinstance(value, tuple) else value}
    return {key: leaf for part, item in parts for key, leaf in _leaves(item, (*path, part)).items()}
