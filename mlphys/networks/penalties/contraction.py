"""Contractive autoencoder (Rifai et al. 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from mlphys.networks.cost import Batch, Term
from mlphys.networks.penalty import Penalty
from mlphys.numerics.activations import ACTIVATIONS
from mlphys.schema.fields import NotNegative

MOST_PASSES = 512  # through a network for all columns, or rows, of its Jacobian
DIRECTIONS = 32  # random ones for each sample, where a Jacobian has more of both


class Contraction(Penalty):
    """weight |dh/dx|_F^2; the value of the key is the weight itself."""

    description: ClassVar[str] = "The factor of |dh/dx|_F^2 in the cost."
    records_jacobian: ClassVar[bool] = True

    weight: NotNegative
    """The factor of |dh/dx|_F^2 in the cost. Example: 0.1"""

    @classmethod
    def field(cls) -> Any:
        return Annotated[NotNegative, Field(default=0.0, description=cls.description)]

    @classmethod
    def read(cls, value: Any) -> Self | None:
        return cls(weight=value) if value else None

    @classmethod
    def examples(cls) -> dict[str, Any]:
        return {"contraction": 0.1}

    def terms(self) -> list[Term]:
        return [ContractionTerm(self.weight)]


@dataclass(frozen=True)
class ContractionTerm(Term):
    """The squared Frobenius norm of the encoder's Jacobian."""

    separable: ClassVar[bool] = True

    weight: float

    def formulas(self) -> list[str]:
        return [f"{self.weight:g} sum_ij (dh_j/dx_i)^2"]

    def each(self, batch: Batch) -> Any:
        assert batch.contraction
        return batch.contraction()


def estimates_contraction(inputs: int, outputs: int) -> bool:
    """Whether |dh/dx|_F^2 of so many values x and h is an estimate, where there is no formula."""
    return min(inputs, outputs) > MOST_PASSES


def dense_contraction(codes: Any, kernel: Any, activation: str) -> Any:
    """|dh/dx|_F^2 = sum_j f'(s_j)^2 sum_i W_ij^2 of each sample, (n,), for h = f(W^T x + b) (Rifai et al. 2011)."""
    from keras import ops

    return ops.matmul(ACTIVATIONS[activation].slope(codes, ops) ** 2, ops.sum(kernel**2, axis=0))
