"""Variational autoencoder (Kingma & Welling 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mlphys.errors import Refusal
from mlphys.networks.cost import Batch, Term
from mlphys.networks.penalty import Penalty
from mlphys.schema.data import Description
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import NotNegative, Shape
from mlphys.schema.layers import Layer, text


class Variational(Penalty):
    """The code is drawn from N(mean, variance), both outputs of the encoder (Kingma & Welling 2014).

    The last encoder layer gives the means, then as many log variances; `beta` is the weight
    of the divergence from N(0, 1) (Higgins et al. 2017).
    """

    description: ClassVar[str] = (
        "Draws the code from a normal distribution that the encoder gives; null: the code is the encoder's output. "
        "Example: {beta: 1.0}"
    )
    deterministic: ClassVar[bool] = False

    beta: NotNegative = 1.0
    """The factor of the divergence of the code from N(0, 1)."""

    @classmethod
    def examples(cls) -> dict[str, Any]:
        return {"variational": {"beta": 1}}

    def check(self, spec: Any, path: KeyPath, description: Description) -> None:
        for key, why in (
            ("contraction", "its code is drawn at random, and its spread is learned, not penalized"),
            ("sparsity", "its divergence already says how the code is distributed"),
            ("tied", "its encoder gives two numbers for each that the decoder takes"),
        ):
            if getattr(spec, key):
                raise Refusal((*path, key), f"does not go with a variational autoencoder: {why}; leave one of them out")

    def code_layers(self) -> list[Layer]:
        return [CodeMean()]

    def terms(self) -> list[Term]:
        return [NormalDivergence(self.beta)]


class CodeMean(Layer):
    """The means in a variational code; not in the table of layers."""

    separable = True

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1 or shape[0] % 2:
            raise Refusal(
                (),
                f"a variational encoder ends in means and as many log variances, an even number of outputs in a "
                f"row; received {text(shape)}",
            )
        return (shape[0] // 2,)


@dataclass(frozen=True)
class NormalDivergence(Term):
    """The divergence of a variational code from N(0, 1) (Kingma & Welling 2014)."""

    separable: ClassVar[bool] = True

    weight: float

    def formulas(self) -> list[str]:
        return [f"{self.weight:g} x 1/2 sum_j m_j^2 + s_j^2 - 1 - log s_j^2, h_j from N(m_j, s_j^2)"]

    def each(self, batch: Batch) -> Any:
        return normal_divergence(batch.code, batch.log_variance)


def normal_divergence(means: Any, log_variances: Any) -> Any:
    """KL(N(m, s^2) || N(0, 1)) = 1/2 sum_j m_j^2 + s_j^2 - 1 - log s_j^2 of each sample, (n,) (Kingma & Welling
    2014, appendix B)."""
    from keras import ops

    return 0.5 * ops.sum(means**2 + ops.exp(log_variances) - 1 - log_variances, axis=1)
