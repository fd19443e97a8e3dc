"""What every analysis of a trained net has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from mlphys.schema.fields import Count
from mlphys.schema.spec import Spec

if TYPE_CHECKING:
    from mlphys.config.experiment import ResolvedExperiment
    from mlphys.figures.analysis_result import Finding
    from mlphys.runs.run import Run


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


class Analysis(Protocol):
    """An entry of analysis/."""

    Spec: type[AnalysisSpec]

    def check(self, spec: Any, loaded: ResolvedExperiment) -> None:
        """Raise NotApplicable, with the reason, for what the config alone tells to have no such analysis."""

    def measure(self, spec: Any, run: Run) -> Finding:
        """Numbers, the line that sums them up, and pictures.

        Raises NotApplicable for what only samples or weights tell.
        """
