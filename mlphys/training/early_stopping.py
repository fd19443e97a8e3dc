"""Early stopping: the best epoch, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlphys.schema.training import EarlyStopping


@dataclass(frozen=True)
class Watch:
    """State of early stopping between epochs; `best_epoch` is 0 before the first."""

    best: float = math.nan
    best_epoch: int = 0
    waited: int = 0
    reached: bool = False

    def after(self, settings: EarlyStopping, epoch: int, value: float) -> Watch:
        """The state after an epoch with `value` of the monitored quantity."""
        sign = 1 if settings.greater_is_better() else -1
        first = self.best_epoch == 0 and not math.isnan(value)
        better = first or sign * (value - self.best) > settings.min_delta
        reached = settings.target is not None and sign * (value - settings.target) >= 0
        if better:
            return Watch(value, epoch, 0, reached)
        return Watch(self.best, self.best_epoch, self.waited + 1, reached)

    def stopped(self, settings: EarlyStopping) -> str | None:
        """Why training stops: "target" or "early_stopping"; None if it continues."""
        if self.reached:
            return "target"
        return "early_stopping" if self.waited >= max(settings.patience, 1) else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "best": None if math.isnan(self.best) else self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "reached": self.reached,
        }

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> Watch:
        best = math.nan if saved["best"] is None else saved["best"]
        return Watch(best, saved["best_epoch"], saved["waited"], saved["reached"])
