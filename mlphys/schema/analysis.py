"""The settings that analyses of a trained net have."""

from __future__ import annotations

from typing import Literal

from mlphys.schema.fields import Count
from mlphys.schema.spec import Spec


class AnalysisSpec(Spec):
    """The settings of an analysis, each with a default: `analysis: [integrability, {integrability: {samples: 50}}]`."""


class SampledSpec(AnalysisSpec):
    """The settings of an analysis at samples: `samples` of them, evenly from the front of `split` to its end.

    `split: null` is test once the run was evaluated, before that validation, and train where that is empty.
    """

    split: Literal["train", "validation", "test"] | None = None
    samples: Count = 1000


class PerClassSpec(AnalysisSpec):
    """The settings of an analysis at the first `per_class` samples of each class in `split`, null as in SampledSpec."""

    split: Literal["train", "validation", "test"] | None = None
    per_class: Count = 10
