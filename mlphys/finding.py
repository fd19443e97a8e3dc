"""What an analysis of a trained net gives, and what it is made at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.picture import NotApplicable, Picture, shown_split

if TYPE_CHECKING:
    from mlphys.experiment import Loaded
    from mlphys.run import Run
    from mlphys.schema.analysis import SampledSpec
    from mlphys.schema.data import Shape, Split


MOST_VALUES = 4096  # of a sample, for analyses that need matrices of values times values


@dataclass(frozen=True)
class Finding:
    """`numbers` go into analysis/<name>.json, finite and of Python's own types; `said` sums them up in a line.

    A picture is named after the analysis: `energy`, or `energy_<what>`.
    """

    numbers: Mapping[str, Any]
    said: str
    pictures: Sequence[Picture]


def samples(run: Run, spec: SampledSpec) -> tuple[str, Split]:
    """The name of a split and so many of its samples, in memory, evenly from its front to its end.

    Raises NotApplicable for an empty split.
    """
    name = spec.split or shown_split(run)
    split: Split = getattr(run.dataset(), name)
    if not len(split):
        raise NotApplicable(f"its {name} split has no samples; name another one as split")
    return name, split.some(spec.samples)


def needs_reconstructions(loaded: Loaded) -> None:
    """Raise NotApplicable for a kind of model that has no r(x) in the space of x."""
    kind = loaded.experiment.kind()
    if "reconstructions" not in kind.pictured_shapes(loaded.net_input):
        what = loaded.experiment.model.kind
        raise NotApplicable(f"a {what} has no r(x) that could be compared with x; it takes kind: autoencoder, or rbm")


def needs_matrices(shape: Shape) -> None:
    """Raise NotApplicable for samples whose Jacobian or covariance is too large."""
    values = math.prod(shape)
    if values > MOST_VALUES:
        raise NotApplicable(
            f"needs a matrix of {values} x {values} numbers; samples may have {MOST_VALUES} values here"
        )


def relative(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """|part| / |whole| of each sample, Frobenius norms over all axes but the first, float64 (n,); 0 / 0 is 0."""
    of_part, of_whole = (np.sqrt(np.square(a, dtype=np.float64).reshape(len(a), -1).sum(axis=1)) for a in (part, whole))
    return np.divide(of_part, of_whole, out=np.zeros_like(of_part), where=of_whole > 0)
