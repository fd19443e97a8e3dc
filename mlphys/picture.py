"""What a plot gives: a figure and the numbers in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """`name` is the file's, without ending; `table` the plotted numbers by column."""

    name: str
    figure: Figure
    table: Mapping[str, Sequence[object]]


class NotApplicable(Exception):
    """This picture cannot be drawn of this run; the text says why."""
