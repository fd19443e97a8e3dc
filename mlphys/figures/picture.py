"""What a plot gives: a figure and the numbers in it."""

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
    """`name` is the file's, without ending; `table` the plotted numbers by column."""

    name: str
    figure: Figure
    table: Mapping[str, Sequence[object]]


class Plot(ABC):
    """An entry of plots/."""

    def check(self, resolved: ResolvedView) -> None:  # noqa: B027  most refuse nothing before they have a run
        """Raise NotApplicable, with the reason, for what the config alone tells to have no such picture."""

    @abstractmethod
    def draw(self, run: RunView) -> Iterable[Picture]:
        """The pictures of a run. Raises NotApplicable, with the reason, for one that has no such picture."""

    @classmethod
    @abstractmethod
    def example(cls) -> dict[str, Any]:
        """The config of a small experiment that has it, once its run is evaluated."""


def predicted(run: RunView, array: str, otherwise: str) -> tuple[str, Mapping[str, np.ndarray]]:
    """The split that pictures show and its predictions.

    Raises NotApplicable where there are none, and with `otherwise` where `array` is not among them.
    """
    split = run.best_split()
    predictions = run.predictions(split)
    if predictions is None:
        raise NotApplicable(f"no predictions there; `mlphys evaluate {run.path}` makes them")
    if array not in predictions:
        raise NotApplicable(otherwise)
    return split, predictions
