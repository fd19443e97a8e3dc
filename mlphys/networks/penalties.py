"""What a code costs: sparsity, contraction, divergence from a normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mlphys.networks.cost import Batch, Term
from mlphys.numerics.activations import ACTIVATIONS
from mlphys.schema.autoencoding import KL

MOST_PASSES = 512  # through a network for all columns, or rows, of its Jacobian
DIRECTIONS = 32  # random ones for each sample, where a Jacobian has more of both


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


def normal_divergence(means: Any, log_variances: Any) -> Any:
    """KL(N(m, s^2) || N(0, 1)) = 1/2 sum_j m_j^2 + s_j^2 - 1 - log s_j^2 of each sample, (n,) (Kingma & Welling
    2014, appendix B)."""
    from keras import ops

    return 0.5 * ops.sum(means**2 + ops.exp(log_variances) - 1 - log_variances, axis=1)


def dense_contraction(codes: Any, kernel: Any, activation: str) -> Any:
    """|dh/dx|_F^2 = sum_j f'(s_j)^2 sum_i W_ij^2 of each sample, (n,), for h = f(W^T x + b) (Rifai et al. 2011)."""
    from keras import ops

    return ops.matmul(ACTIVATIONS[activation].slope(codes, ops) ** 2, ops.sum(kernel**2, axis=0))


def estimates_contraction(inputs: int, outputs: int) -> bool:
    """Whether |dh/dx|_F^2 of so many values x and h is an estimate, where there is no formula."""
    return min(inputs, outputs) > MOST_PASSES


def _flat(codes: Any) -> Any:
    from keras import ops

    size = 1
    for n in codes.shape[1:]:
        size *= n
    return ops.reshape(codes, (-1, size))


@dataclass(frozen=True)
class NormalDivergence(Term):
    """The divergence of a variational code from N(0, 1) (Kingma & Welling 2014)."""

    separable: ClassVar[bool] = True

    weight: float

    def formulas(self) -> list[str]:
        return [f"{self.weight:g} x 1/2 sum_j m_j^2 + s_j^2 - 1 - log s_j^2, h_j from N(m_j, s_j^2)"]

    def each(self, batch: Batch) -> Any:
        return normal_divergence(batch.code, batch.log_variance)


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


@dataclass(frozen=True)
class Contraction(Term):
    """The squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011), or its estimate (Hutchinson 1990)."""

    separable: ClassVar[bool] = True

    weight: float
    estimated: bool = False

    def formulas(self) -> list[str]:
        how = f", estimated from {DIRECTIONS} random directions v: mean of |v dh/dx|^2" if self.estimated else ""
        return [f"{self.weight:g} sum_ij (dh_j/dx_i)^2{how}"]

    def each(self, batch: Batch) -> Any:
        assert batch.contraction
        return batch.contraction()
