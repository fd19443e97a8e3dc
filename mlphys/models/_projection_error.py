"""The projection error of principal components (Pearson 1901)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mlphys.networks.cost import Batch, Term


@dataclass(frozen=True)
class ProjectionError(Term):
    """The squared distance of each sample from the plane of the components, over its values."""

    separable: ClassVar[bool] = True

    values: int

    def formulas(self) -> list[str]:
        return [f"1/{self.values} |x - m - V^T V (x - m)|^2, V V^T = 1"]

    def each(self, batch: Batch) -> Any:
        from keras import ops

        return ops.mean((batch.prediction - batch.target) ** 2, axis=1)


@dataclass(frozen=True)
class OwnClassProjectionError(ProjectionError):
    """The same from the plane of the components of each sample's own class."""

    def each(self, batch: Batch) -> Any:
        from keras import ops

        return ops.sum(batch.prediction * batch.target, axis=1)  # errors of all classes, and which one is its own
