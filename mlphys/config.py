"""From a YAML file and its overrides to a frozen, complete Experiment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, PlainValidator, ValidationError, WithJsonSchema, model_validator

from mlphys import checksum, files, preprocessing, selection, sources, splits
from mlphys.errors import UserError
from mlphys.picture import NotApplicable
from mlphys.records import WEIGHTS, RunFiles
from mlphys.schema import registry
from mlphys.schema.analysis import Analysis, AnalysisSpec
from mlphys.schema.data import Dataset, DataSpec, Description, Generated, Shape
from mlphys.schema.document import Document, KeyPath, dotted, parse, read
from mlphys.schema.fields import LARGEST, Seed, low_first
from mlphys.schema.layers import SATURATING, text
from mlphys.schema.messages import Misfit, Problem, choice, complain, problems_of, shown, suggestion
from mlphys.schema.model import Kind, ModelSpec
from mlphys.schema.preprocess import StepError
from mlphys.schema.shapes import Row
from mlphys.schema.shapes import weights as weights_of
from mlphys.schema.spec import Choice, Entry, Spec, refuse
from mlphys.schema.training import EarlyStopping, Training

DATASETS = {name: registry.entry("mlphys.datasets", name) for name in registry.names("mlphys.datasets")}
MODELS: Mapping[str, Kind] = {name: registry.entry("mlphys.models", name) for name in registry.names("mlphys.models")}
ANALYSES: Mapping[str, Analysis] = {
    name: registry.entry("mlphys.analysis", name) for name in registry.names("mlphys.analysis")
}
ANALYSIS = Choice("analysis", {name: entry.Spec for name, entry in ANALYSES.items()})
MOST_TRACKED = 32  # parameters: a column of history.csv each
MOST_LAYERS = 100  # tracked, up to three columns each

PLOTS = registry.names("mlphys.plots")

# A file of a stranger's must not be able to write outside runs/.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"


def _name(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise refuse("name", value)
    return value


def _remark(value: Any) -> Any:
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise refuse("remark", value)


def _plot(name: str) -> str:
    if name not in PLOTS:
        raise refuse("unknown_name", name, noun="plot", allowed=PLOTS)
    return name


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})]
Remark = Annotated[
    str | int | float | bool | None,
    PlainValidator(_remark),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]
PlotName = Annotated[str, AfterValidator(_plot), WithJsonSchema({"enum": PLOTS})]
Range = Annotated[
    list[float],
    PlainValidator(lambda value: list(low_first(value))),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
]


class Experiment(Spec):
    """One experiment, complete: every default is filled in."""

    name: Name
    about: dict[str, Remark] = Field({})
    seed: Seed = 0
    data: Annotated[DataSpec, Entry("dataset", "name", {name: kind.Spec for name, kind in DATASETS.items()})]
    model: Annotated[ModelSpec, Entry("kind of model", "kind", {name: kind.Spec for name, kind in MODELS.items()})]
    training: Training = Training()
    plots: list[PlotName] = Field([])
    analysis: list[Annotated[AnalysisSpec, ANALYSIS]] = Field([])
    expect: dict[str, Range] = Field({})

    @model_validator(mode="after")
    def _loss_of_the_kind(self) -> Experiment:
        own = {"loss": self.kind().DEFAULT_LOSS, "loss_per": self.model.loss_per()}
        missing = {key: value for key, value in own.items() if getattr(self.training, key) is None}
        if not missing:
            return self
        return self.model_copy(update={"training": self.training.model_copy(update=missing)})

    def dataset(self) -> ModuleType:
        """The entry of datasets/ that this experiment uses."""
        return DATASETS[self.data.name]

    def kind(self) -> Kind:
        """The entry of models/ that this experiment uses."""
        return MODELS[self.model.kind]


@dataclass(frozen=True)
class Loaded:
    """An experiment that fits its data, with what the data's headers told.

    `taken` are the arrays of other runs that its training begins with; a run has them in a file of its own.
    """

    experiment: Experiment
    description: Description
    taken: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @property
    def net_input(self) -> Description:
        """The data as the net sees it, behind its preprocessing; its samples are those of training."""
        data, known = self.experiment.data, self.description
        samples = data.train if isinstance(data.train, int) else known.samples
        return replace(known, shape=preprocessing.output_shape(data.preprocess, known.shape), samples=samples)

    def dataset(self) -> Dataset:
        """The samples, read and split, before preprocessing."""
        data, entry = self.experiment.data, self.experiment.dataset()
        samples = entry.load(data)
        if selection.wanted(data):
            try:
                _, samples = selection.select(data, entry.describe(data), samples)
            except Misfit as misfit:  # the config was right once, or is a stranger's
                raise UserError(f"{dotted(misfit.problem.path)}: {misfit.problem.text}") from None
        return splits.split(data, self.description, samples)

    def rows(self) -> list[Row]:
        return self.experiment.kind().rows(self.experiment.model, self.net_input)

    def weights(self) -> dict[str, Shape]:
        """The shapes of what is learned, by name."""
        return self.experiment.kind().weights(self.experiment.model, self.net_input)

    def fitted(self) -> dict[str, Shape]:
        """The shapes of what preprocessing is fitted with, by name."""
        return preprocessing.wanted(self.experiment.data.preprocess, self.description.shape)

    def wanted(self) -> dict[str, Shape]:
        """The shapes of what is taken from other runs, by name; none where nothing is."""
        experiment = self.experiment
        if experiment.training.initial:
            return self.weights() | self.fitted()
        if not experiment.model.taken():
            return {}
        return weights_of(sources.taken_rows(experiment.model, self.rows())) | self.fitted()

    def cost(self) -> str:
        return self.experiment.kind().cost(self.experiment.model, self.experiment.training, self.net_input)


def load(path: Path, overrides: Sequence[str] = ()) -> Loaded:
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


def fit(document: Document, description: Description | None = None) -> Loaded:
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
    except Misfit as misfit:
        raise complain([misfit.problem], document) from None
    problems: list[Problem] = []
    taken: dict[str, np.ndarray] = {}
    try:
        sizes = splits.sizes(experiment.data, description)
        experiment = experiment.model_copy(update={"data": experiment.data.model_copy(update=sizes)})
    except splits.SplitError as error:
        problems.append(Problem(("data", *error.path), error.text))
    try:
        experiment = _completed(experiment, description, of_a_run)
        if of_a_run:
            _check_taken(experiment)
        else:
            experiment, taken = _with_taken(experiment, description, document.name)
        net_input = Loaded(experiment, description).net_input
        experiment.model.check_data(experiment.data)
        experiment.kind().check(experiment.model, experiment.training, net_input)
    except Misfit as misfit:
        problems.append(misfit.problem)
    except splits.SplitError:
        pass  # told above
    problems += _loss_problems(experiment)
    problems += _training_problems(experiment)
    problems += _phase_problems(experiment)
    problems += _augmentation_problems(experiment, description)
    if not problems:
        problems += _fresh_problems(experiment)
        problems += _track_problems(Loaded(experiment, description))
        if not of_a_run:
            problems += _plot_problems(Loaded(experiment, description))
        problems += _analysis_problems(Loaded(experiment, description))
    problems += _expect_problems(experiment)
    if problems:
        raise complain(problems, document)
    return Loaded(experiment, description, taken)


def described(experiment: Experiment) -> Description:
    """The data as its headers tell it; with a choice among its classes the labels are read. Raises Misfit."""
    data, entry = experiment.data, experiment.dataset()
    description: Description = entry.describe(data)
    if selection.wanted(data):
        description, _ = selection.select(data, description, entry.load(data))
    return description


def _completed(experiment: Experiment, description: Description, of_a_run: bool) -> Experiment:
    """What the data decides, written into the experiment: numbers of components, a mirrored decoder.

    The samples are read where nothing less tells, but not for the config of a run, which may be a
    stranger's. Raises Misfit, and SplitError where they cannot be split.
    """
    data, shape = experiment.data, description.shape
    steps = data.preprocess

    def samples(path: KeyPath) -> Any:
        if of_a_run:
            raise Misfit(path, "a run's config holds the number of components, not a fraction; train it anew")
        return Loaded(experiment, description).dataset().train.x

    for i in range(len(steps)):
        try:
            steps[i].check(shape, data.train if isinstance(data.train, int) else LARGEST)
        except StepError as error:
            raise Misfit(("data", "preprocess", i), str(error)) from None
        if not steps[i].determined():
            steps = preprocessing.determined(steps, samples(("data", "preprocess", i)))
        shape = steps[i].output_shape(shape)
    experiment = experiment.model_copy(update={"data": data.model_copy(update={"preprocess": steps})})

    def train() -> Any:
        x = samples(("model",))
        return preprocessing.fit(steps, x).apply(x)

    model = experiment.kind().completed(
        experiment.model, experiment.training, Loaded(experiment, description).net_input, train
    )
    return experiment.model_copy(update={"model": model})


def _check_taken(experiment: Experiment) -> None:
    """Raise Misfit unless a run's config tells the layers of an encoder it has taken."""
    block = experiment.model.taken()
    if block and not block.layers:
        raise Misfit(("model", "encoder", "layers"), "a run's config holds the encoder's layers; train it anew")


def _with_taken(
    experiment: Experiment, description: Description, file: str
) -> tuple[Experiment, dict[str, np.ndarray]]:
    """The experiment with what it takes from other runs written out, and their arrays. Raises Misfit."""
    taken: dict[str, np.ndarray] = {}
    here = sources.Here(experiment.data, description.shape, Loaded(experiment, description).net_input)
    if block := experiment.model.taken():
        source = _source(sources.finished(block, sources.ENCODER, _making(block.run, file)))
        block, taken = sources.encoder(block, source, here)
        experiment = experiment.model_copy(update={"model": experiment.model.model_copy(update={"encoder": block})})
    if start := experiment.training.initial:
        if not experiment.kind().ITERATIVE:
            text = f"kind: {experiment.model.kind} is computed at once and begins with no weights; leave it out"
            raise Misfit(sources.INITIAL, text)
        source = _source(sources.finished(start, sources.INITIAL, _making(start.run, file)))
        start, taken = sources.initial(start, source, here, Loaded(experiment, description).weights())
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


def _source(run: RunFiles) -> sources.Source:
    """A finished run as one that weights are taken from; they are compared with its config."""
    loaded = fit(run.document, run.description)
    arrays = run.tensors(WEIGHTS, loaded.weights() | loaded.fitted())
    return sources.Source(
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
    blocks = [data.get(part, {}).get(key) for part, key in (sources.ENCODER, sources.INITIAL)]
    return [block["run"] for block in blocks if isinstance(block, dict)]


def _loss_problems(experiment: Experiment) -> Iterable[Problem]:
    name, allowed = type(experiment.training.loss).__name__, experiment.kind().LOSSES
    if name not in allowed:
        text = f"{name} is no loss for a {experiment.model.kind}{choice(name, list(allowed))}"
        yield Problem(("training", "loss"), text)


def _training_problems(experiment: Experiment) -> Iterable[Problem]:
    training = experiment.training
    yield from _stopping_problems(experiment, training.early_stopping, ("training",))
    for name, phase in (training.phases or {}).items():
        yield from _stopping_problems(experiment, phase.early_stopping, ("training", "phases", name))


def _stopping_problems(experiment: Experiment, stopping: EarlyStopping | None, block: KeyPath) -> Iterable[Problem]:
    if stopping is None:
        return
    recorded = experiment.kind().RECORDED
    path = (*block, "early_stopping", "monitor")
    measured = [f"validation_{name}" for name in recorded]
    if stopping.monitor not in [*recorded, *measured]:
        allowed = choice(stopping.monitor, [*measured, *recorded])
        yield Problem(path, f"not recorded; received {shown(stopping.monitor)}{allowed}")
    elif stopping.monitor in measured and experiment.data.validation == 0:
        yield Problem(
            path,
            f"{stopping.monitor} needs validation samples; set data.validation, or leave early_stopping out",
        )


def _phase_problems(experiment: Experiment) -> Iterable[Problem]:
    allowed = experiment.model.phase_names()
    for name in experiment.training.phases or {}:
        if name not in allowed:
            none = f"kind: {experiment.model.kind} is trained in one phase; leave phases out"
            yield Problem(("training", "phases", name), choice(name, allowed)[2:] if allowed else none)
    data, phases = experiment.data, experiment.training.phases or {}
    if isinstance(data, Generated) and data.fresh:
        for name in [name for name, phase in phases.items() if phase.labels is not None]:
            text = "the same samples in every epoch, and fresh ones are new in each; leave labels out, or fresh"
            yield Problem(("training", "phases", name, "labels"), text)


def _augmentation_problems(experiment: Experiment, description: Description) -> Iterable[Problem]:
    augmentation, path = experiment.training.augmentation, ("training", "augmentation")
    if augmentation is None:
        return
    if len(description.shape) != 3 and augmentation.moves():
        yield Problem(path, f"moves pixels, and a sample of {text(description.shape)} is no image; only noise fits")
    if 0 not in description.target_shape and description.target_shape and augmentation.moves():
        yield Problem(path, "would move the images and not their targets; only noise fits")


def _fresh_problems(experiment: Experiment) -> Iterable[Problem]:
    """An epoch's fresh samples are in memory together, as the dataset's own are."""
    data, training = experiment.data, experiment.training
    if not isinstance(data, Generated) or not data.fresh or training.steps_per_epoch is None:
        return
    assert isinstance(data.train, int)
    batch = data.train if training.batch_size == "all" else min(int(training.batch_size), data.train)
    samples = training.steps_per_epoch * batch
    try:
        type(data)(**{**data.arguments(), "samples": samples})
    except ValidationError as error:
        text = f"{samples} fresh samples in an epoch: {problems_of(error)[0].text}"
        yield Problem(("training", "steps_per_epoch"), text)


def _track_problems(loaded: Loaded) -> Iterable[Problem]:
    parameters = sum(math.prod(shape) for shape in loaded.weights().values())
    if "parameters" in loaded.experiment.training.track and parameters > MOST_TRACKED:
        text = f"parameters: this net has {parameters}, and at most {MOST_TRACKED} are recorded; leave it out"
        yield Problem(("training", "track"), text)
    yield from _layer_problems(loaded)


def _layer_problems(loaded: Loaded) -> Iterable[Problem]:
    track, rows = loaded.experiment.training.track, loaded.rows()
    layers = {"gradient_norms", "weight_norms", "saturation"} & set(track)
    if layers and len(rows) > MOST_LAYERS:
        names = " and ".join(sorted(layers))
        text = f"this net has {len(rows)} layers, and at most {MOST_LAYERS} are tracked; leave {names} out"
        yield Problem(("training", "track"), text)
    if "saturation" in track and not any(row.layer.activation_name() in SATURATING for row in rows):
        text = f"saturation: no layer has one of the activations {', '.join(SATURATING)}; leave it out"
        yield Problem(("training", "track"), text)


def _plot_problems(loaded: Loaded) -> Iterable[Problem]:
    """An entry of plots/ has `check(loaded)` if the config alone can tell that it cannot be drawn."""
    for i, name in enumerate(loaded.experiment.plots):
        check = getattr(registry.entry("mlphys.plots", name), "check", None)
        try:
            if check is not None:
                check(loaded)
        except NotApplicable as reason:
            yield Problem(("plots", i), f"{name}: {reason}; leave it out")


def _analysis_problems(loaded: Loaded) -> Iterable[Problem]:
    names: list[str] = []
    for i, spec in enumerate(loaded.experiment.analysis):
        name = ANALYSIS.names[type(spec)]
        if name in names:
            yield Problem(("analysis", i), f"{name} is there twice, and would be written over; leave one out")
        names.append(name)
        try:
            ANALYSES[name].check(spec, loaded)
        except NotApplicable as reason:
            yield Problem(("analysis", i), f"{name}: {reason}")


def _expect_problems(experiment: Experiment) -> Iterable[Problem]:
    allowed = [f"{split}.{metric}" for split in reversed(splits.NAMES) for metric in experiment.kind().MEASURED]
    for key in experiment.expect:
        if key not in allowed:
            yield Problem(("expect", key), f"not measured{choice(key, allowed)}")


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


def shipped() -> dict[str, Path]:
    """The configs that come with mlphys, by name."""
    package = Path(__file__).parent
    inside, beside = package / "configs", package.parent / "configs"
    folder = inside if inside.is_dir() else beside
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def dataset(name: str) -> ModuleType:
    """The entry of datasets/ called `name`."""
    if name not in DATASETS:
        raise UserError(f"{name}: no such dataset; there are {', '.join(DATASETS)}{suggestion(name, DATASETS)}")
    return DATASETS[name]


def copy(name: str, folder: Path) -> Path:
    """Copy a shipped config into a folder. Raises UserError rather than overwrite a file."""
    known = shipped()
    if name not in known:
        raise UserError(f"{name}: no such config; there are {', '.join(known)}{suggestion(name, known)}")
    target = folder / f"{name}.yaml"
    if os.path.exists(target):
        raise UserError(f"{target}: exists; it is not overwritten; name another folder with --to")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    files.write(target, known[name].read_bytes())
    return target
