"""What an analysis of a trained net gives, and what it is made at."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures.picture import Picture
from mlphys.figures.requirements import need_decoder
from mlphys.figures.run_view import ResolvedView, RunView, TrainedView
from mlphys.networks.point_function import PointFunction
from mlphys.numerics import chunked
from mlphys.schema.fields import Count, Shape
from mlphys.schema.layers import Activation, Softmax, text
from mlphys.schema.samples import Split, SplitInMemory
from mlphys.schema.shapes import Row
from mlphys.schema.spec import Spec

MOST_VALUES = 4096  # of a sample, for analyses that need matrices of values times values


@dataclass(frozen=True)
class AnalysisResult:
    """`numbers` go into analysis/<name>.json, finite and of Python's own types; `summary` says them in a line.

    A picture is named after the analysis: `energy`, or `energy_<what>`.
    """

    numbers: Mapping[str, Any]
    summary: str
    pictures: Sequence[Picture]


class Analysis(Spec, ABC):
    """An entry of analysis/: what is measured, and its settings, each with a default.

    A config lists it by its name, `analysis: [integrability, {integrability: {samples: 50}}]`.
    """

    OF_ALL_RUNS: ClassVar[bool] = False  # it compares all runs of the folder: what one says, all say

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable, with the reason, if the config alone rules the analysis out."""

    @abstractmethod
    def measure(self, run: RunView) -> AnalysisResult:
        """Numbers, their summary, and pictures.

        Raises NotApplicable if samples or weights rule it out.
        """

    def together(self, members: Sequence[tuple[RunView, AnalysisResult]]) -> AnalysisResult:
        """What the results of the members of a study say together; its pictures are named after the analysis too.

        Raises NotApplicable where they say nothing more than each.
        """
        if self.OF_ALL_RUNS:
            return members[0][1]
        raise NotApplicable("its results are those of single members")

    @classmethod
    @abstractmethod
    def example(cls) -> dict[str, Any]:
        """The config of a small experiment that it applies to."""


class SampledAnalysis(Analysis):
    """An analysis at samples: `samples` of them, evenly from the front of `split` to its end.

    `split: null` is test once the run was evaluated, before that validation, and train where that is empty.
    """

    split: Literal["train", "validation", "test"] | None = None
    """The split whose samples are used; null is test once it was evaluated, otherwise validation."""
    samples: Count = 1000
    """How many samples are used."""

    def samples_of(self, run: RunView) -> tuple[str, SplitInMemory]:
        """The name of the split and the samples. Raises NotApplicable for an empty split."""
        name, split = _split(run, self.split)
        return name, split.some(self.samples)


class PerClassAnalysis(Analysis):
    """An analysis at the first `per_class` samples of each class in `split`, null as in SampledAnalysis."""

    split: Literal["train", "validation", "test"] | None = None
    """The split whose samples are used; null is test once it was evaluated, otherwise validation."""
    per_class: Count = 10
    """How many samples of each class are used."""

    def of_each_class(self, run: RunView) -> tuple[str, SplitInMemory]:
        """The name of the split and the samples, class by class. Raises NotApplicable for an empty split."""
        name, split = _split(run, self.split)
        rows = [np.flatnonzero(split.y == k)[: self.per_class] for k in range(len(run.description.classes))]
        chosen = np.concatenate(rows)
        return name, SplitInMemory(chunked.read(split.x[chosen]), split.y[chosen])


def _split(run: RunView, name: str | None) -> tuple[str, Split]:
    name = name or run.shown_split()
    split: Split = getattr(run.dataset(), name)
    if not len(split):
        raise NotApplicable(f"its {name} split has no samples; name another one as split")
    return name, split


def needs_reconstructions(loaded: ResolvedView) -> None:
    """Raise NotApplicable for a model that has no r(x) in the space of x, or whose decoders no longer fit."""
    model = loaded.experiment.model
    if "reconstructions" not in model.image_output_shapes(loaded.net_input):
        what = model.kind
        raise NotApplicable(
            f"kind: {what} has no r(x) that could be compared with x; it takes kind: autoencoder, or rbm"
        )
    if model.stage_codes(loaded.net_input):  # an rbm has r(x) without a decoder
        need_decoder(loaded)


def needs_matrices(shape: Shape) -> None:
    """Raise NotApplicable for samples whose Jacobian or covariance is too large."""
    values = math.prod(shape)
    if values > MOST_VALUES:
        raise NotApplicable(
            f"needs a matrix of {values} x {values} numbers; samples may have {MOST_VALUES} values here"
        )


def needs_classes_of_images(loaded: ResolvedView) -> None:
    """Raise NotApplicable unless a chain of layers gives images one score a class."""
    model = loaded.experiment.model
    if not (model.ONE_CHAIN_TO_COST and "probabilities" in model.prediction_shapes(loaded.net_input)):
        raise NotApplicable(f"kind: {model.kind} gives no class a score; it takes kind: classifier")
    if loaded.rows()[-1].output_shape != (len(loaded.net_input.classes),):
        raise NotApplicable("one unit for two classes gives no score of each; end with two units and softmax")
    needs_images(loaded)


def needs_images(loaded: ResolvedView) -> None:
    """Raise NotApplicable where the net's input is no image of 1 or 3 channels."""
    shape = loaded.net_input.shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise NotApplicable(f"the net sees {text(shape)}, no images of 1 or 3 channels")


def scores(run: RunView, net: TrainedView | None = None) -> PointFunction:
    """The output of a classifier before its last activation: one score a class. `net` has other weights of the run."""
    last = run.rows[-1]
    if isinstance(last.layer, Activation | Softmax) and len(run.rows) > 1:
        return (net or run.trained).layer_output(run.rows[-2].name)
    return before_activation(run, last, net)


def before_activation(run: RunView, row: Row, net: TrainedView | None = None) -> PointFunction:
    """What the activation of the layer `row` is applied to."""
    net = net or run.trained
    if getattr(row.layer, "activation", None) in (None, "linear"):
        return net.layer_output(row.name)
    model = run.config.model
    part, number = row.name.split(".")[:2]
    layers = list(getattr(model, part))
    layers[int(number)] = layers[int(number)].model_copy(update={"activation": "linear"})
    return net.of(model.model_copy(update={part: layers})).layer_output(row.name)


def relative(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """|part| / |whole| of each sample, Frobenius norms over all axes but the first, float64 (n,); 0 / 0 is 0."""
    of_part, of_whole = (np.sqrt(np.square(a, dtype=np.float64).reshape(len(a), -1).sum(axis=1)) for a in (part, whole))
    return np.divide(of_part, of_whole, out=np.zeros_like(of_part), where=of_whole > 0)
