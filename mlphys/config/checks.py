"""Checks across blocks of the config and against the data."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pydantic import ValidationError

from mlphys.config.experiment import ANALYSIS, Experiment, ResolvedExperiment, plot
from mlphys.data import splits
from mlphys.errors import NotApplicable, Refusal
from mlphys.networks.model_kind import ModelKind
from mlphys.numerics.activations import SATURATING
from mlphys.schema.data import Description, Generated
from mlphys.schema.document import KeyPath
from mlphys.schema.layers import BatchNormalization, text
from mlphys.schema.messages import problems_of
from mlphys.schema.optimizers import Optimizer, Schedule
from mlphys.schema.suggestions import choice, quoted
from mlphys.schema.training import LARGEST_SNAPSHOTS, EarlyStopping, PhaseTraining, ReduceLROnPlateau, Training

MOST_TRACKED = 32  # parameters: a column of history.csv each
MOST_LAYERS = 100  # tracked, up to three columns each


def require_encoder_layers(model: ModelKind) -> None:
    """Raise Refusal unless a run's config contains the layers of its pretrained encoder."""
    encoder = model.pretrained_encoder()
    if encoder and not encoder.layers:
        raise Refusal(("model", "encoder", "layers"), "a run's config holds the encoder's layers; retrain it")


def require_fitting_model(resolved: ResolvedExperiment) -> None:
    """Raise Refusal unless model, training and data are compatible according to the kind of model."""
    experiment = resolved.experiment
    experiment.model.check_data(experiment.data)
    experiment.model.check(experiment.training, resolved.net_input)


def check_experiment(experiment: Experiment, description: Description) -> Iterable[Refusal]:
    """Refuse incompatible keys of several blocks. Does not require that the model fits the data."""
    yield from _loss_problems(experiment)
    yield from _training_problems(experiment)
    yield from _phase_problems(experiment)
    yield from _augmentation_problems(experiment, description)


def _loss_problems(experiment: Experiment) -> Iterable[Refusal]:
    name, allowed = type(experiment.training.loss).__name__, experiment.model.LOSSES
    if name not in allowed:
        text = f"{name} is no loss for kind: {experiment.model.kind}{choice(name, list(allowed))}"
        yield Refusal(("training", "loss"), text)


def _training_problems(experiment: Experiment) -> Iterable[Refusal]:
    training = experiment.training
    blocks: list[tuple[KeyPath, Training | PhaseTraining]] = [(("training",), training)]
    blocks += [(("training", "phases", name), phase) for name, phase in (training.phases or {}).items()]
    for block, settings in blocks:
        yield from _monitor_problems(experiment, settings.early_stopping, (*block, "early_stopping"))
        yield from _monitor_problems(experiment, settings.reduce_lr_on_plateau, (*block, "reduce_lr_on_plateau"))
        yield from _rate_problems(settings, settings.optimizer or training.optimizer, block)
    if training.reduce_lr_on_plateau and not experiment.model.ITERATIVE:
        yield Refusal(("training", "reduce_lr_on_plateau"), f"kind: {experiment.model.kind} has no steps; leave it out")


def _rate_problems(training: Training | PhaseTraining, optimizer: Optimizer, block: KeyPath) -> Iterable[Refusal]:
    if training.reduce_lr_on_plateau and isinstance(rate := optimizer.learning_rate, Schedule):
        text = f"the learning rate follows {type(rate).__name__} already; leave one of them out"
        yield Refusal((*block, "reduce_lr_on_plateau"), text)


def _monitor_problems(
    experiment: Experiment, watching: EarlyStopping | ReduceLROnPlateau | None, path: KeyPath
) -> Iterable[Refusal]:
    if watching is None:
        return
    key, path = path[-1], (*path, "monitor")
    recorded = experiment.model.RECORDED
    measured = [f"validation_{name}" for name in recorded]
    if watching.monitor not in [*recorded, *measured]:
        allowed = choice(watching.monitor, [*measured, *recorded])
        yield Refusal(path, f"not recorded; received {quoted(watching.monitor)}{allowed}")
    elif watching.monitor in measured and experiment.data.validation == 0:
        yield Refusal(
            path,
            f"{watching.monitor} needs validation samples; set data.validation, or leave {key} out",
        )


def check_batches(resolved: ResolvedExperiment) -> Iterable[Refusal]:
    """Statistics over a batch need more than one number of each feature."""
    training, samples = resolved.experiment.training, resolved.net_input.samples
    batch = samples if training.batch_size == "all" else min(int(training.batch_size), samples)
    for row in resolved.rows():
        alone = isinstance(row.layer, BatchNormalization) and row.trainable and len(row.input_shape) == 1
        if batch == 1 and alone:
            text = f"{row.name} of one sample is its bias, whatever the sample; write at least 2"
            yield Refusal(("training", "batch_size"), text)
            return


def _phase_problems(experiment: Experiment) -> Iterable[Refusal]:
    allowed = experiment.model.phase_names()
    for name in experiment.training.phases or {}:
        if name not in allowed:
            none = f"kind: {experiment.model.kind} is trained in one phase; leave phases out"
            yield Refusal(("training", "phases", name), choice(name, allowed)[2:] if allowed else none)
    data, phases = experiment.data, experiment.training.phases or {}
    if isinstance(data, Generated) and data.fresh:
        for name in [name for name, phase in phases.items() if phase.labels is not None]:
            text = "the same samples in every epoch, and fresh ones are new in each; leave labels out, or fresh"
            yield Refusal(("training", "phases", name, "labels"), text)


def _augmentation_problems(experiment: Experiment, description: Description) -> Iterable[Refusal]:
    augmentation, path = experiment.training.augmentation, ("training", "augmentation")
    if augmentation is None:
        return
    if len(description.shape) != 3 and augmentation.moves():
        yield Refusal(path, f"moves pixels, and a sample of {text(description.shape)} is no image; only noise fits")
    numbers = description.target_shape and 0 not in description.target_shape
    if numbers and augmentation.moves() and not experiment.data.targets_stay():
        yield Refusal(path, "would move the images and not their targets; only noise fits")


def check_fresh_samples(resolved: ResolvedExperiment) -> Iterable[Refusal]:
    """Refuse more fresh samples per epoch than fit into memory."""
    data, training = resolved.experiment.data, resolved.experiment.training
    if not isinstance(data, Generated) or not data.fresh or training.steps_per_epoch is None:
        return
    assert isinstance(data.train, int)
    batch = data.train if training.batch_size == "all" else min(int(training.batch_size), data.train)
    samples = training.steps_per_epoch * batch
    try:
        type(data)(**{**data.arguments(), "samples": samples})
    except ValidationError as error:
        text = f"{samples} fresh samples in an epoch: {problems_of(error)[0].text}"
        yield Refusal(("training", "steps_per_epoch"), text)


def check_tracking(resolved: ResolvedExperiment) -> Iterable[Refusal]:
    """Refuse tracked quantities that do not exist or need too many columns of history.csv."""
    track, rows = resolved.experiment.training.track, resolved.rows()
    parameters = sum(math.prod(shape) for shape in resolved.weight_shapes().values())
    if "parameters" in track and parameters > MOST_TRACKED:
        text = f"parameters: this net has {parameters}, and at most {MOST_TRACKED} are recorded; leave it out"
        yield Refusal(("training", "track"), text)
    layers = {"gradient_norms", "weight_norms", "saturation"} & set(track)
    if layers and len(rows) > MOST_LAYERS:
        names = " and ".join(sorted(layers))
        text = f"this net has {len(rows)} layers, and at most {MOST_LAYERS} are tracked; leave {names} out"
        yield Refusal(("training", "track"), text)
    if "saturation" in track and not any(row.layer.activation_name() in SATURATING for row in rows):
        text = f"saturation: no layer has one of the activations {', '.join(SATURATING)}; leave it out"
        yield Refusal(("training", "track"), text)


def check_snapshots(resolved: ResolvedExperiment) -> Iterable[Refusal]:
    """Refuse snapshots of what has no epochs, or several phases of them, and more of them than a page can use."""
    training, model = resolved.experiment.training, resolved.experiment.model
    if training.snapshots is None:
        return
    where, size = ("training", "snapshots"), 4 * sum(math.prod(shape) for shape in resolved.weight_shapes().values())
    if not model.ITERATIVE or len(model.plans(training, resolved.net_input)) != 1:
        yield Refusal(where, f"kind: {model.kind} is not trained in one phase of epochs; leave it out")
    elif (training.snapshots + 1) * size > LARGEST_SNAPSHOTS:
        most = LARGEST_SNAPSHOTS // size - 1
        remedy = f"write at most {most}" if most > 1 else "leave it out"
        text = f"so many times the weights are more than {LARGEST_SNAPSHOTS / 1e6:.0f} MB; {remedy}"
        yield Refusal(where, text)


def check_pictures(resolved: ResolvedExperiment) -> Iterable[Refusal]:
    for i, name in enumerate(resolved.experiment.plots):
        try:
            plot(name).check(resolved)
        except NotApplicable as reason:
            yield Refusal(("plots", i), f"{name}: {reason}; leave it out")


def check_analyses(resolved: ResolvedExperiment) -> Iterable[Refusal]:
    names: list[str] = []
    for i, analysis in enumerate(resolved.experiment.analysis):
        name = ANALYSIS.names[type(analysis)]
        if name in names:
            yield Refusal(("analysis", i), f"{name} is listed twice and would be overwritten; leave one out")
        names.append(name)
        try:
            analysis.check(resolved)
        except NotApplicable as reason:
            yield Refusal(("analysis", i), f"{name}: {reason}")


def check_expected(experiment: Experiment, resolved: ResolvedExperiment | None) -> Iterable[Refusal]:
    """The metrics under `expect` and `published`; those of single classes and targets once these are known."""
    metrics = list(experiment.model.MEASURED)
    if resolved:
        parts = {"per_class": resolved.net_input.classes, "per_target": resolved.net_input.target_names}
        metrics += [
            f"{block}.{part}.{metric}"
            for block, names in experiment.model.MEASURED_PER.items()
            for part in parts[block]
            for metric in names
        ]
    allowed = [f"{split}.{metric}" for split in reversed(splits.NAMES) for metric in metrics]
    for block, keys in (("expect", experiment.expect), ("published", experiment.published)):
        for key in keys:
            if key not in allowed and (resolved or ".per_" not in key):
                yield Refusal((block, key), f"not measured{choice(key, allowed)}")
