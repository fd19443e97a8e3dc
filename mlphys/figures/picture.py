"""What a plot gives: a figure and the numbers in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlphys.errors import NotApplicable

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from mlphys.runs.run import Run


@dataclass(frozen=True)
class Picture:
    """`name` is the file's, without ending; `table` the plotted numbers by column."""

    name: str
    figure: Figure
    table: Mapping[str, Sequence[object]]


def predicted(run: Run, array: str, otherwise: str) -> tuple[str, dict[str, np.ndarray]]:
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


def shown_split(run: Run) -> str:
    """The split whose samples pictures show: test once it was evaluated, else validation, else train."""
    split = run.best_split()
    return split if run.data["splits"][split]["samples"] else "train"
