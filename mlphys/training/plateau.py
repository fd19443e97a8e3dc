"""Reduction of the learning rate on a plateau, as Keras's ReduceLROnPlateau."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlphys.schema.training import ReduceLROnPlateau


@dataclass(frozen=True)
class Plateau:
    """State between epochs: the best value, NaN before the first, and the epochs since then or since a reduction."""

    best: float = math.nan
    waited: int = 0

    def after(self, settings: ReduceLROnPlateau, value: float) -> tuple[Plateau, bool]:
        """The state after an epoch with `value` of the monitored quantity, and whether the rate is to be lowered."""
        sign = 1 if settings.greater_is_better() else -1
        if math.isnan(self.best) or sign * (value - self.best) > settings.min_delta:
            return Plateau(value, 0), False
        if self.waited + 1 >= settings.patience:
            return Plateau(self.best, 0), True
        return Plateau(self.best, self.waited + 1), False

    def as_dict(self) -> dict[str, Any]:
        return {"best": None if math.isnan(self.best) else self.best, "waited": self.waited}

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> Plateau:
        return Plateau(math.nan if saved["best"] is None else saved["best"], saved["waited"])


def lowered(settings: ReduceLROnPlateau, rate: float) -> float:
    """The learning rate after a reduction."""
    return max(rate * settings.factor, settings.min_learning_rate)
