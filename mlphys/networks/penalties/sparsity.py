"""Sparse codes: by absolute values, by mean activities (Lee, Ekanadham & Ng 2008), by the k largest values
(Makhzani & Frey 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from mlphys.errors import Refusal
from mlphys.networks.autoencoder_rows import between_0_and_1
from mlphys.networks.cost import Batch, Term
from mlphys.networks.penalty import Penalty
from mlphys.schema.data import Description
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import Count, Fraction, Positive, Shape
from mlphys.schema.layers import Layer, text
from mlphys.schema.spec import Spec


class KL(Spec):
    """weight sum_j KL(target || mean activity of unit j), over a batch (Lee, Ekanadham & Ng 2008; Ng 2011)."""

    target: Fraction
    """The mean activity that each unit is driven to. Example: 0.05"""
    weight: Positive
    """The factor of the divergence in the cost. Example: 0.1"""


class Sparsity(Penalty):
    """A sparsity penalty on the code h, or a restriction to its k largest values.

    `l1`: l1 sum_j |h_j|. `kl`: the divergence of each unit's mean activity, between 0 and 1, from a target.
    `k`: all but the k largest values of a code are zero (Makhzani & Frey 2014).
    """

    description: ClassVar[str] = "A penalty on the code, or its largest values only; null: none. Example: {l1: 0.001}"

    l1: Positive | None = None
    """The factor of the sum of |h| in the cost. Example: 0.001"""
    kl: KL | None = None
    """The divergence of each unit's mean activity from a target. Example: {target: 0.05, weight: 0.1}"""
    k: Count | None = None
    """How many of the largest values of a code are kept; the others are set to zero. Example: 10"""

    @model_validator(mode="after")
    def _at_least_one(self) -> Sparsity:
        if self.l1 is None and self.kl is None and self.k is None:
            raise ValueError("one of l1, kl and k must be given")
        return self

    @classmethod
    def examples(cls) -> dict[str, Any]:
        return {"sparsity": {"l1": 1e-3}, "sparsity: k": {"k": 2}}

    def check(self, spec: Any, path: KeyPath, description: Description) -> None:
        if self.kl and not between_0_and_1(spec.encoder):
            raise Refusal(
                (*path, "sparsity", "kl"),
                "compares activities between 0 and 1 with a target; end the encoder in a layer with activation: "
                "sigmoid",
            )

    def code_layers(self) -> list[Layer]:
        return [KSparse(k=self.k)] if self.k else []

    def terms(self) -> list[Term]:
        l1: list[Term] = [L1(self.l1)] if self.l1 else []
        return [*l1, KLSparsity(self.kl)] if self.kl else l1

    def notes(self) -> list[str]:
        return [f"h: the {self.k} largest of its values, the others zero"] if self.k else []

    def why_no_energy(self) -> Refusal | None:
        if not self.k:
            return None
        return Refusal(("sparsity", "k"), "a code cut to its k largest values has no energy; use l1 or kl")


class KSparse(Layer):
    """The k largest values of a code; not in the table of layers."""

    separable = True

    k: Annotated[int, Field(ge=1)]
    """How many of the largest values of a code are kept; the others are set to zero. Example: 10"""

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Refusal(
                (), f"sparsity: k needs a code in one row; received {text(shape)}; end the encoder in Flatten"
            )
        if self.k > shape[0]:
            raise Refusal((), f"sparsity: k: {self.k} of {shape[0]} code values; lower k")
        return shape


@dataclass(frozen=True)
class L1(Term):
    """The sum of a code's absolute values."""

    separable: ClassVar[bool] = True

    weight: float

    def formulas(self) -> list[str]:
        return [f"{self.weight:g} sum_j |h_j|"]

    def each(self, batch: Batch) -> Any:
        return l1(batch.code)


@dataclass(frozen=True)
class KLSparsity(Term):
    """The divergence of the batch's mean activities from a target (Lee, Ekanadham & Ng 2008)."""

    per_sample: ClassVar[bool] = False

    kl: KL

    def formulas(self) -> list[str]:
        return [f"{self.kl.weight:g} sum_j KL({self.kl.target:g} || mean of h_j over the batch)"]

    def each(self, batch: Batch) -> Any:
        return kl_sparsity(batch.code, self.kl)


def l1(codes: Any) -> Any:
    """sum_j |h_j| of each sample, (n,)."""
    from keras import ops

    return ops.sum(ops.abs(_flat(codes)), axis=1)


def kl_sparsity(codes: Any, spec: KL) -> Any:
    """weight sum_j rho log(rho / q_j) + (1 - rho) log((1 - rho) / (1 - q_j)) with q_j the batch's mean activity of
    unit j and rho the target (Lee, Ekanadham & Ng 2008); a scalar."""
    from keras import ops

    rho = spec.target
    q = ops.clip(ops.mean(_flat(codes), axis=0), 1e-6, 1 - 1e-6)
    return spec.weight * ops.sum(rho * ops.log(rho / q) + (1 - rho) * ops.log((1 - rho) / (1 - q)))


def _flat(codes: Any) -> Any:
    from keras import ops

    size = 1
    for n in codes.shape[1:]:
        size *= n
    return ops.reshape(codes, (-1, size))
