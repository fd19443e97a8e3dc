"""The base class of datasets, with the keys for splits, and what is known of their samples before they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from mlphys.schema.fields import Count, Seed, Shape, Whole, as_tuple, count_or_fraction
from mlphys.schema.preprocess import StepField
from mlphys.schema.samples import Samples
from mlphys.schema.spec import Spec, refuse


def _size(value: Any) -> int | float:
    """A count of samples, or a fraction of the dataset."""
    return count_or_fraction("size", value, least=0)


Size = Annotated[
    int | float,
    PlainValidator(_size),
    WithJsonSchema({"type": "number", "minimum": 0, "description": "a count, or a fraction below 1"}),
]


def _split_rule(value: Any) -> str | dict[str, str]:
    if value in ("stratified", "in_order"):
        return str(value)
    if isinstance(value, dict) and list(value) == ["by"] and isinstance(value["by"], str) and value["by"]:
        return dict(value)
    raise refuse("split", value)


SplitRule = Annotated[
    Literal["stratified", "in_order"] | dict[str, str],
    PlainValidator(_split_rule),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["stratified", "in_order"]},
                {
                    "type": "object", "properties": {"by": {"type": "string"}}, "required": ["by"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]  # fmt: skip


ClassName = Annotated[
    str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value), WithJsonSchema({})
]
MOST_FOLDS = 1000
Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class RemoteFile:
    """One file of a dataset that is downloaded, the same for everybody."""

    dataset: str
    name: str
    url: str
    sha256: str
    folder: str = ""  # below the data directories
    digest: Callable[[Path], str] | None = None  # the sha256 of relevant content; None: of the file
    digested: str = "the file"  # what `sha256` is the checksum of, for messages


@dataclass(frozen=True)
class Frame:
    """How the pictures of handwriting were prepared: `size` x `size` pixels, white on black.

    The character fills a `box` x `box`; its centre of mass is in the middle.
    """

    size: int
    box: int


@dataclass(frozen=True)
class DataRequirements:
    """What a kind of model takes: labels or numbers as targets (None: either), samples as signals (steps, channels)."""

    targets: Literal["classes", "numbers"] | None = None
    signals: bool = False


class Dataset(Spec, ABC):
    """Base class of the entries of datasets/, with the keys that every dataset has.

    Sizes of splits are counts, or fractions of the dataset. `train: null` is everything that the other splits
    leave. A dataset with an official test set is split in file order: train first, then
    validation, and `test: null` is the whole official test set. Any other is split by
    `split_seed`, stratified by class, and `test: null` is a fifth of it. Your own files may bring
    validation and test samples: those are the splits, and what they lack is drawn from the rest.

    `classes` selects these classes, in this order; `imbalance` keeps that fraction of the samples of a
    class. `folds` divides the training and the validation samples into so many, stratified: a study with
    a run for each `fold`, which is validated on that one and trained on the others. `preprocess` is
    fitted to the training samples and applied to all.
    """

    FRAME: ClassVar[Frame | None] = None  # of handwriting: how photographs become samples
    HAS_COLUMNS: ClassVar[bool] = False  # of which `split: {by: column}` can name one
    LICENCE: ClassVar[str | None] = None  # of the samples, as their authors state it; None: not known
    OWN_FILES: ClassVar[bool] = False  # the user's files: their order, labels and values may be any
    PATH_KEYS: ClassVar[tuple[str, ...]] = ()  # keys that name the user's files or folders; `--data` replaces `path`

    name: str
    """Which dataset; `mlphys list datasets` describes them. Example: mnist"""
    train: Size | None = None
    """Training samples: a count, or a fraction of all; null is all that validation and test leave. Example: 1000"""
    validation: Size = 0.1
    """Validation samples, which training never uses for a step: a count, or a fraction of all."""
    test: Size | None = None
    """Test samples, used by `mlphys evaluate` only: a count, or a fraction of all; null is the official test set, or a
    fifth. Example: 0.2
    """
    split_seed: Seed = 0
    """The random seed that decides which sample belongs to which split."""
    split: SplitRule | None = None
    """How the splits are drawn: stratified, at random with the classes in proportion; in_order, the file's order:
    training first, then validation, then test, for time series; {by: column}, whole groups of samples that share a
    value of that column, at random; null is stratified, and the file's order where a downloaded dataset has an
    official test set. Example: in_order
    """
    folds: Annotated[int, Field(ge=2, le=MOST_FOLDS)] | None = None
    """A study of so many runs: training and validation samples are divided into stratified folds. Example: 5"""
    fold: Whole | None = None
    """Of a study of folds, the one that a run is validated on, from 0; the study sets it."""
    classes: Annotated[tuple[ClassName, ...], Field(min_length=1), BeforeValidator(as_tuple)] | None = None
    """Keeps the samples of these classes only, numbered in this order; null keeps all. Example: [0, 1]"""
    imbalance: dict[ClassName, Share] = Field({})
    """For a class the fraction of its training samples that is kept, to study rare classes. Example: {3: 0.1}"""
    preprocess: list[StepField] = Field([])
    """Steps applied to every sample before the network, one after the other, fitted on the training split. Example:
    [standardize]
    """
    target_scaling: Literal["standardize"] | None = None
    """standardize: the network learns targets less their mean, in units of their spread, fitted on the training split;
    predictions, metrics and pictures are in the targets' own units; null leaves targets as they are. Example:
    standardize
    """

    @abstractmethod
    def describe(self) -> Description:
        """Shapes, classes and counts, from file headers if possible. Raises UserError for unusable files."""

    @abstractmethod
    def load(self) -> Samples:
        """All samples, the same at every call. Raises UserError for unusable files."""

    @classmethod
    @abstractmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """The keys of a small example; user files that it needs are written into `folder`."""

    @classmethod
    def sources(cls) -> tuple[RemoteFile, ...]:
        """The files that must be downloaded first."""
        return ()

    def files(self) -> tuple[Path, ...]:
        """The user's files that contain the samples."""
        return ()

    def resolved(self) -> Self:
        """The keys, with defaults that depend on file headers filled in."""
        return self

    def feature_names(self) -> tuple[str, ...]:
        """What the values of a sample are called; none where they have no names."""
        return ()

    def weighted(self) -> bool:
        """Whether the samples have weights."""
        return False

    def takes_absolute_weights(self) -> bool:
        """Whether training takes the absolute value of negative weights."""
        return False

    def targets_stay(self) -> bool:
        """Whether an image that is rotated, shifted or scaled keeps its target; of numbers that is not known."""
        return False

    def cropped(self) -> tuple[int, int] | None:
        """The height and width of the middle of an image file that becomes a sample; None: all of it does."""
        return None

    def split_by(self) -> str | None:
        """The column whose values are kept together in one split."""
        return self.split["by"] if isinstance(self.split, dict) else None

    def target_names(self) -> tuple[str, ...]:
        """What the numbers of a target are called; none where they have no names."""
        return ()

    def phase_transition(self) -> PhaseTransition | None:
        """What is known of the phase transition of its samples; None where they have none."""
        return None

    def for_model(self, requirements: DataRequirements) -> Self:
        """These keys with what their defaults leave to the kind of model. Raises Refusal."""
        return self


class Generated(Dataset):
    """Keys of datasets that are generated from `sample_seed`, independent of the experiment's seed.

    With `fresh: true` every epoch is trained on new samples; metrics are computed on the fixed ones.
    """

    samples: Count
    """How many samples are drawn, for all splits together. Example: 1000"""
    sample_seed: Seed = 0
    """The random seed of the samples; the experiment's `seed` does not change them."""
    fresh: bool = False
    """true draws new training samples in every epoch; validation and test stay the same."""

    @model_validator(mode="after")
    def _fresh_of_all(self) -> Generated:
        if self.fresh and (self.classes is not None or self.imbalance):
            raise ValueError("fresh samples are balanced over all classes; leave classes and imbalance out, or fresh")
        if self.fresh and self.folds is not None:
            raise ValueError("fresh samples are new in every epoch, and folds part the same; leave folds out, or fresh")
        return self


LARGEST_IMAGES = 250_000_000  # pixels of all samples together: 1 GB of float32


class GeneratedImages(Generated):
    """Keys of datasets of generated images."""

    size: Count
    """The height and width of an image, in pixels."""

    def images(self) -> int:
        """Number of generated images, target images included."""
        return self.samples

    @model_validator(mode="after")
    def _fits_in_memory(self) -> GeneratedImages:
        pixels = self.images() * self.size**2
        if pixels > LARGEST_IMAGES:
            raise ValueError(
                f"{self.images()} images of {self.size} x {self.size} are {pixels} pixels, "
                f"more than {LARGEST_IMAGES}; lower samples or size"
            )
        return self


@dataclass(frozen=True)
class Description:
    """Shapes, classes and counts of a dataset, known before samples are read."""

    shape: Shape  # of one sample, channels last
    classes: tuple[str, ...]  # empty: the samples have no labels
    samples: int  # for train and validation, and for test without an official test set
    test_samples: int | None  # of the official test set; None: there is none
    target_shape: Shape = ()  # of one target; () for a label, (0,) where the samples have no target
    validation_samples: int | None = None  # of a validation set of the file's own; None: there is none
    target_names: tuple[str, ...] = ()  # of the numbers of a target; known of the network's input only
    scaled_targets: bool = False  # the network learns standardized targets
    weighted: bool = False  # the samples have weights


@dataclass(frozen=True)
class PhaseTransition:
    """Samples that are drawn at any temperature, and what is known of the transition between their two phases."""

    temperatures: tuple[float, ...]  # of the dataset
    critical: float  # exact, of the infinite system
    length: int  # L of the system, in lattice constants
    ordered: str  # the class of low temperatures
    order_parameter: str  # its name
    draw: Callable[[float, int, np.random.Generator], np.ndarray]  # so many at a temperature: float32 (n, *shape)
    order: Callable[[np.ndarray], np.ndarray]  # the order parameter of samples (n, *shape): float64 (n,)
