"""Experiment: a validated config. ResolvedExperiment: a complete one with the description of its data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from mlphys.data import class_selection, preprocessing, splits, target_scaling
from mlphys.errors import Refusal, UserError
from mlphys.figures.analysis_result import Analysis
from mlphys.figures.picture import Plot
from mlphys.networks.model_kind import ModelKind
from mlphys.schema import registry
from mlphys.schema.data import Dataset, Description
from mlphys.schema.document import dotted
from mlphys.schema.fields import Seed, Shape, low_first
from mlphys.schema.published import Published
from mlphys.schema.samples import Splits
from mlphys.schema.shapes import Row, weight_shapes
from mlphys.schema.spec import Choice, Entry, Spec, refuse
from mlphys.schema.study import Study
from mlphys.schema.suggestions import suggestion
from mlphys.schema.training import Training

DATASETS = registry.entries("mlphys.datasets", Dataset)
MODELS = registry.entries("mlphys.models", ModelKind)
ANALYSES = registry.entries("mlphys.analysis", Analysis)
ANALYSIS = Choice("analysis", ANALYSES)
PLOTS = registry.names("mlphys.plots")

# An untrusted file must not be able to write outside runs/.
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


ALL = "all"  # in place of a list: all that apply


def _every_plot(value: Any) -> Any:
    return list(PLOTS) if value == ALL else value


def _every_analysis(value: Any) -> Any:
    return every_analysis() if value == ALL else value


def every_analysis() -> list[Analysis]:
    """All of them with their defaults."""
    return [analysis() for analysis in ANALYSES.values()]


def _or_all(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"const": ALL}, {key: schema.pop(key) for key in ("items", "type")}]


class Experiment(Spec):
    """One experiment with every default; values that depend on the data may be open."""

    name: Name
    """The name of the experiment, and of its folder under runs/; left out, it is the file's name. Example: conv_mnist
    """
    about: dict[str, Remark] = Field({})
    """Remarks of your own, which change nothing. Example: {lecture: 6}"""
    seed: Seed = 0
    """The random seed of everything but the splits and generated samples."""
    data: Annotated[Dataset, Entry("dataset", "name", DATASETS)]
    """The samples. Example: {name: mnist}"""
    model: Annotated[ModelKind, Entry("kind of model", "kind", MODELS)]
    """The model. Example: {kind: pca, components: 10}"""
    training: Training = Training()
    """How the model is trained. Example: {optimizer: adam, epochs: 20}"""
    plots: Annotated[list[PlotName], BeforeValidator(_every_plot), Field(json_schema_extra=_or_all)] = Field([])
    """The pictures that train and evaluate draw: names, or all; left out, those that suit the kind of model. Example:
    [learning_curves]
    """
    analysis: Annotated[
        list[Annotated[Analysis, ANALYSIS]], BeforeValidator(_every_analysis), Field(json_schema_extra=_or_all)
    ] = Field([])
    """The analyses made after training: names with their settings, or all. Example: [pca_comparison]"""
    expect: dict[str, Range] = Field({})
    """The range in which a metric should lie, for `mlphys check`. Example: {test.accuracy: [0.985, 0.993]}"""
    published: dict[str, Published] = Field({})
    """Published values of metrics, which `mlphys check` compares with. Example: {test.accuracy: {value: 0.9324,
    source: Marquardt 5}}
    """
    study: Study | None = None
    """A study of many runs, which differ in the seed or in some keys. Example: {seeds: 5}"""

    def is_study(self) -> bool:
        """Whether it describes many runs: it has the block `study`, or folds without the number of one."""
        return self.study is not None or (self.data.folds is not None and self.data.fold is None)

    @model_validator(mode="after")
    def _loss_of_the_kind(self) -> Experiment:
        own = {"loss": self.model.DEFAULT_LOSS, "loss_per": self.model.loss_per()}
        missing = {key: value for key, value in own.items() if getattr(self.training, key) is None}
        if not missing:
            return self
        return self.model_copy(update={"training": self.training.model_copy(update=missing)})


def net_input(data: Dataset, description: Description) -> Description:
    """The description of the data after preprocessing; its count of samples is that of the training split."""
    samples = data.train if isinstance(data.train, int) else description.samples
    shape = preprocessing.output_shape(data.preprocess, description.shape)
    return replace(
        description, shape=shape, samples=samples, target_names=data.target_names(),
        scaled_targets=data.target_scaling is not None, weighted=data.weighted(),
    )  # fmt: skip


def read_splits(data: Dataset, description: Description) -> Splits:
    """The samples, read and split, before preprocessing."""
    samples = data.load()
    if class_selection.leaves_out(data):
        try:
            _, samples = class_selection.select(data, data.describe(), samples)
        except Refusal as refusal:  # the data have changed, or the config is untrusted
            raise UserError(f"{dotted(refusal.path)}: {refusal.text}") from None
    return splits.split(data, description, samples)


@dataclass(frozen=True)
class ResolvedExperiment:
    """A complete experiment that fits its data, with the description of the data.

    `pretrained` are arrays from other runs that replace initial weights; a run saves them in a separate file.
    `notes` name the words of the config that have another meaning in Keras.
    """

    experiment: Experiment
    description: Description
    pretrained: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def net_input(self) -> Description:
        """The description of the data after preprocessing; its count of samples is that of the training split."""
        return net_input(self.experiment.data, self.description)

    def dataset(self) -> Splits:
        """The samples, read and split, before preprocessing."""
        return read_splits(self.experiment.data, self.description)

    def rows(self) -> list[Row]:
        return self.experiment.model.rows(self.net_input)

    def pretrained_rows(self) -> Sequence[Row]:
        """The rows of the pretrained encoder."""
        encoder = self.experiment.model.pretrained_encoder()
        return self.rows()[: len(encoder.layers or [])] if encoder else []

    def weight_shapes(self) -> dict[str, Shape]:
        """Shapes of the network's weights, by name."""
        return self.experiment.model.weight_shapes(self.net_input)

    def fitted_shapes(self) -> dict[str, Shape]:
        """Shapes of the fitted arrays of preprocessing, by name."""
        return preprocessing.fitted_shapes(self.experiment.data.preprocess, self.description.shape)

    def saved_shapes(self) -> dict[str, Shape]:
        """Shapes of all arrays that a trained run saves, by name."""
        scaled = self.experiment.data.target_scaling
        return (
            self.weight_shapes()
            | self.fitted_shapes()
            | (target_scaling.shapes(self.description.target_shape) if scaled else {})
        )

    def pretrained_shapes(self) -> dict[str, Shape]:
        """Shapes of the arrays from other runs, by name; empty if there are none."""
        if self.experiment.training.initial:
            return self.weight_shapes() | self.fitted_shapes()
        rows = self.pretrained_rows()
        return weight_shapes(rows) | self.fitted_shapes() if rows else {}

    def cost(self) -> str:
        return self.experiment.model.cost_formula(self.experiment.training, self.net_input)


def dataset(name: str) -> type[Dataset]:
    """The entry of datasets/ called `name`."""
    if name not in DATASETS:
        raise UserError(f"{name}: no such dataset; there are {', '.join(DATASETS)}{suggestion(name, DATASETS)}")
    return DATASETS[name]


def plot(name: str) -> Plot:
    """The entry of plots/ called `name`."""
    return registry.entry("mlphys.plots", name, Plot)()
