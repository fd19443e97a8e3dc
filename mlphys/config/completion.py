"""Completion of a config from its data: counts of samples and components, mirrored decoders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pydantic import ValidationError

from mlphys.config.experiment import Experiment, net_input, read_splits
from mlphys.data import class_selection, preprocessing, splits
from mlphys.errors import Refusal
from mlphys.numerics.chunked import Array
from mlphys.schema.data import Dataset, Description
from mlphys.schema.document import Document, KeyPath
from mlphys.schema.fields import LARGEST, Shape
from mlphys.schema.messages import complain, problems_of
from mlphys.schema.preprocess import Step

TrainingSamples = Callable[[KeyPath], Array]  # reads the training samples for the key that needs them


def parsed(document: Document) -> Experiment:
    """Parse a document into an experiment. Raises UserError with every invalid key or value."""
    try:
        return Experiment.model_validate(document.data)
    except ValidationError as error:
        raise complain(problems_of(error), document) from None


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
    data = experiment.data.model_copy(update=splits.sizes(experiment.data, description))
    return experiment.model_copy(update={"data": data})


def completed(experiment: Experiment, description: Description) -> Experiment:
    """The experiment with everything filled in that depends on the data; reads samples if necessary. Raises Refusal."""
    return _completed(experiment, description, partial(_read, experiment.data, description))


def completed_without_samples(experiment: Experiment, description: Description) -> Experiment:
    """The same for an untrusted run's config. Raises Refusal instead of reading samples."""
    return _completed(experiment, description, _refuse_to_read)


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
