"""A plot's figure with its numbers, and the base class of plots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures.run_view import ResolvedView, RunView

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """`name` is the file name without extension; `table` the plotted numbers by column."""

    name: str
    figure: Figure
    table: Mapping[str, Sequence[object]]


class Plot(ABC):
    """Base class of the entries of plots/."""

    def check(self, resolved: ResolvedView) -> None:  # noqa: B027  most have no condition on the config
        """Raise NotApplicable, with the reason, if the config alone rules out this plot."""

    @abstractmethod
    def draw(self, run: RunView) -> Iterable[Picture]:
        """The figures of a run. Raises NotApplicable, with the reason, if the plot does not apply to it."""

    @classmethod
    @abstractmethod
    def example(cls) -> dict[str, Any]:
        """The config of a small experiment whose evaluated run has this plot."""


def predicted(run: RunView, array: str, otherwise: str) -> tuple[str, Mapping[str, np.ndarray]]:
    """The split that plots show, and its predictions.

    Raises NotApplicable if there are none, or with the reason `otherwise` if `array` is missing.
    """
    split = run.best_split()
    predictions = run.predictions(split)
    if predictions is None:
        raise NotApplicable(f"no predictions there; `mlphys evaluate {run.path}` makes them")
    if array not in predictions:
        raise NotApplicable(otherwise)
    return split, predictions
