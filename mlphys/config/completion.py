"""Completion of a config from its data: counts of samples and components, mirrored decoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from mlphys.config import blanks
from mlphys.config.experiment import (
    MODELS,
    PLOTS,
    Experiment,
    ResolvedExperiment,
    every_analysis,
    net_input,
    plot,
    read_splits,
)
from mlphys.data import class_selection, preprocessing
from mlphys.data.split_sizes import sizes
from mlphys.errors import NotApplicable, Refusal
from mlphys.figures.analysis_result import Analysis
from mlphys.figures.picture import Plot
from mlphys.numerics.chunked import Array
from mlphys.schema.data import Dataset, Description
from mlphys.schema.document import Document, KeyPath
from mlphys.schema.fields import LARGEST, Shape
from mlphys.schema.messages import complain, problems_of
from mlphys.schema.preprocess_step import Step

TrainingSamples = Callable[[KeyPath], Array]  # reads the training samples for the key that needs them


def parsed(document: Document) -> Experiment:
    """Parse a document into an experiment. Raises UserError with every blank, or every invalid key or value."""
    blanks.require_filled(document)
    try:
        return Experiment.model_validate(document.data)
    except ValidationError as error:
        raise complain(problems_of(error, _losses(document)), document) from None


def _losses(document: Document) -> dict[KeyPath, list[str]]:
    """The losses that the kind of model takes, if the document names one, at the key that holds one."""
    model = document.data.get("model") if isinstance(document.data, dict) else None
    kind = model.get("kind") if isinstance(model, dict) else None
    known = MODELS.get(kind) if isinstance(kind, str) else None
    return {("training", "loss"): list(known.LOSSES)} if known else {}


def described(experiment: Experiment) -> tuple[Experiment, Description]:
    """The experiment with the description of its data, from file headers; labels are read if classes are selected.

    Raises Refusal.
    """
    data = experiment.data.for_model(experiment.model.data_requirements()).resolved()
    description: Description = data.describe()
    if class_selection.leaves_out(data):
        description, _ = class_selection.select(data, description, data.load())
    return experiment.model_copy(update={"data": data}), description


def with_split_sizes(experiment: Experiment, description: Description) -> Experiment:
    """The experiment with split sizes as counts. Raises Refusal if they do not fit the data."""
    data = experiment.data.model_copy(update=sizes(experiment.data, description))
    return experiment.model_copy(update={"data": data})


def completed(experiment: Experiment, description: Description) -> Experiment:
    """The experiment with everything filled in that depends on the data; reads samples if necessary. Raises Refusal."""
    return _completed(experiment, description, partial(_read, experiment.data, description))


def completed_without_samples(experiment: Experiment, description: Description) -> Experiment:
    """The same for an untrusted run's config. Raises Refusal instead of reading samples."""
    return _completed(experiment, description, _refuse_to_read)


def with_pictures(resolved: ResolvedExperiment) -> ResolvedExperiment:
    """Pictures and analyses written out where the config says `all`, or names no pictures: those that apply."""
    experiment = resolved.experiment
    update: dict[str, Any] = {}
    if "plots" not in experiment.model_fields_set:
        update["plots"] = [name for name in experiment.model.PICTURES if _applies(plot(name), resolved)]
    elif experiment.plots == PLOTS:
        update["plots"] = [name for name in PLOTS if _applies(plot(name), resolved)]
    if experiment.analysis == every_analysis():
        update["analysis"] = [analysis for analysis in experiment.analysis if _applies(analysis, resolved)]
    return replace(resolved, experiment=experiment.model_copy(update=update)) if update else resolved


def _applies(entry: Plot | Analysis, resolved: ResolvedExperiment) -> bool:
    try:
        entry.check(resolved)
    except NotApplicable:
        return False
    return True


def _read(data: Dataset, description: Description, needed_by: KeyPath) -> Array:
    return read_splits(data, description).train.x


def _refuse_to_read(needed_by: KeyPath) -> Array:
    raise Refusal(needed_by, "a run's config holds the number of components, not a fraction; retrain it")


def _completed(experiment: Experiment, description: Description, samples: TrainingSamples) -> Experiment:
    steps = _resolved_steps(experiment.data, description.shape, samples)
    data = experiment.data.model_copy(update={"preprocess": steps})

    def preprocessed() -> Array:
        x = samples(("model",))
        return preprocessing.fit(steps, x).apply(x)

    model = experiment.model.completed(experiment.training, net_input(data, description), preprocessed)
    return experiment.model_copy(update={"data": data, "model": model})


def _resolved_steps(data: Dataset, shape: Shape, samples: TrainingSamples) -> list[Step]:
    """The preprocessing steps with counts of components filled in, after checking the shapes between them."""
    steps = data.preprocess
    count = data.train if isinstance(data.train, int) else LARGEST  # invalid sizes are reported elsewhere
    for i in range(len(steps)):
        path = ("data", "preprocess", i)
        try:
            steps[i].check(shape, count)
        except Refusal as refusal:
            raise refusal.under(path) from None
        if not steps[i].is_resolved():
            steps = preprocessing.resolved(steps, samples(path))
        shape = steps[i].output_shape(shape)
    return steps
