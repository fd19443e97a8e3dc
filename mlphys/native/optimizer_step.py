"""Update rules of Keras's optimizers, for a vector of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Scalar, Vector


class UpdateRule(Protocol):
    @property
    def slots(self) -> tuple[str, ...]:
        """Numbers kept per weight, such as the momentum: the names of Keras's attributes."""

    @property
    def factors(self) -> int:
        """Numbers that follow from learning rate and step alone."""

    def step_factors(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        """Those numbers (steps, factors) for the steps first, first + 1, ..., such as -learning rate times any bias
        correction.

        `first` counts from zero.
        """

    def scalars(self, steps: int) -> Mapping[str, float]:
        """What Keras keeps beside the slots, after so many steps, by the names of its attributes."""
        return {}

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        """The new state; a state is the weights, followed by each slot."""


class _OneFactor(UpdateRule, Protocol):
    """A rule whose only factor is -learning rate."""

    factors: ClassVar[int] = 1

    def step_factors(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        return -learning_rates[:, None]


@dataclass(frozen=True)
class SGD(_OneFactor):
    """w <- w - rate g; with momentum v <- momentum v - rate g, w <- w + v (Nesterov: w <- w + momentum v - rate g)."""

    momentum: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentums",) if self.momentum > 0 else ()

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, *velocities = state
        step = ir.fmul(ir.broadcast(factors[0]), gradient)
        if not velocities:
            return [ir.fadd(weight, step)]
        momentum = ir.broadcast(self.momentum)
        velocity = ir.fma(momentum, velocities[0], step)
        change = ir.fma(momentum, velocity, step) if self.nesterov else velocity
        return [ir.fadd(weight, change), velocity]


@dataclass(frozen=True)
class Adam(UpdateRule):
    """Adam (Kingma & Ba 2015) as in Keras: the bias correction goes into the step size and leaves epsilon as it is.

    With `amsgrad` the largest variance so far divides (Reddi et al. 2018).
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False
    factors: ClassVar[int] = 1

    @property
    def slots(self) -> tuple[str, ...]:
        return ("_momentums", "_velocities", *(["_velocity_hats"] if self.amsgrad else []))

    def step_factors(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        steps = np.arange(first + 1, first + 1 + len(learning_rates), dtype=np.float64)
        return (-learning_rates * np.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps))[:, None]

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, mean, variance, *largest = state
        mean = _moving_mean(ir, mean, gradient, self.beta_1)
        variance = _moving_square(ir, variance, gradient, self.beta_2)
        largest = [ir.maximum(each, variance) for each in largest]
        root = ir.sqrt(largest[0] if largest else variance)
        step = ir.fdiv(mean, ir.fadd(root, ir.broadcast(self.epsilon)))
        return [ir.fma(ir.broadcast(factors[0]), step, weight), mean, variance, *largest]


@dataclass(frozen=True)
class Nadam(UpdateRule):
    """Adam with Nesterov's momentum (Dozat 2016), whose momentum grows with the steps."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    slots: ClassVar[tuple[str, ...]] = ("_momentums", "_velocities")
    factors: ClassVar[int] = 3

    def step_factors(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        """Of the mean, of the gradient, and of the root of the variance."""
        last = first + len(learning_rates)
        now, following = self._momenta(1, last), self._momenta(2, last + 1)
        products = np.cumprod(now)
        of_mean = following / (1 - products * following)
        of_gradient = (1 - now) / (1 - products)
        root = 1 / np.sqrt(1 - self.beta_2 ** np.arange(1, last + 1, dtype=np.float64))
        rates = -learning_rates
        return np.stack([rates * of_mean[first:], rates * of_gradient[first:], root[first:]], axis=1)

    def _momenta(self, first: int, last: int) -> np.ndarray:
        """The momentum of each of these steps, which count from one."""
        return self.beta_1 * (1 - 0.5 * 0.96 ** np.arange(first, last + 1, dtype=np.float64))

    def scalars(self, steps: int) -> Mapping[str, float]:
        return {"_u_product": float(np.prod(self._momenta(1, steps)))}

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, mean, variance = state
        of_mean, of_gradient, of_root = (ir.broadcast(each) for each in factors)
        mean = _moving_mean(ir, mean, gradient, self.beta_1)
        variance = _moving_square(ir, variance, gradient, self.beta_2)
        root = ir.fma(of_root, ir.sqrt(variance), ir.broadcast(self.epsilon))
        step = ir.fma(of_mean, mean, ir.fmul(of_gradient, gradient))
        return [ir.fadd(weight, ir.fdiv(step, root)), mean, variance]


@dataclass(frozen=True)
class Adamax(UpdateRule):
    """Adam with the running maximum of |g| instead of the root of the variance (Kingma & Ba 2015)."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    slots: ClassVar[tuple[str, ...]] = ("_m", "_u")
    factors: ClassVar[int] = 1

    def step_factors(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        steps = np.arange(first + 1, first + 1 + len(learning_rates), dtype=np.float64)
        return (-learning_rates / (1 - self.beta_1**steps))[:, None]

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, mean, largest = state
        mean = _moving_mean(ir, mean, gradient, self.beta_1)
        size = ir.maximum(gradient, ir.fneg(gradient))
        largest = ir.maximum(size, ir.fmul(ir.broadcast(self.beta_2), largest))
        step = ir.fdiv(mean, ir.fadd(largest, ir.broadcast(self.epsilon)))
        return [ir.fma(ir.broadcast(factors[0]), step, weight), mean, largest]


@dataclass(frozen=True)
class RMSprop(_OneFactor):
    """w <- w - rate g / sqrt(v + epsilon) with v the running mean of g^2 (Hinton 2012); `centered` subtracts the square
    of the running mean of g from v."""

    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        centers = ["_average_gradients"] if self.centered else []
        return ("_velocities", *centers, *(["_momentums"] if self.momentum > 0 else []))

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, square, *others = state
        square = _mean(ir, self.rho, square, ir.fmul(gradient, gradient))
        variance, slots = square, [square]
        if self.centered:
            center = _mean(ir, self.rho, others[0], gradient)
            variance = ir.fma(ir.fneg(center), center, square)
            slots.append(center)
        root = ir.sqrt(ir.fadd(variance, ir.broadcast(self.epsilon)))
        step = ir.fdiv(ir.fmul(ir.broadcast(factors[0]), gradient), root)
        if self.momentum > 0:  # Keras keeps what is subtracted
            slots.append(ir.fma(ir.broadcast(self.momentum), others[-1], ir.fneg(step)))
            step = ir.fneg(slots[-1])
        return [ir.fadd(weight, step), *slots]


@dataclass(frozen=True)
class Adagrad(_OneFactor):
    """w <- w - rate g / sqrt(a + epsilon) with a the sum of g^2 (Duchi et al. 2011)."""

    epsilon: float = 1e-7
    slots: ClassVar[tuple[str, ...]] = ("_accumulators",)

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, total = state
        total = ir.fma(gradient, gradient, total)
        root = ir.sqrt(ir.fadd(total, ir.broadcast(self.epsilon)))
        return [ir.fadd(weight, ir.fdiv(ir.fmul(ir.broadcast(factors[0]), gradient), root)), total]


@dataclass(frozen=True)
class Adadelta(_OneFactor):
    """Steps of the root mean square of recent ones (Zeiler 2012)."""

    rho: float = 0.95
    epsilon: float = 1e-7
    slots: ClassVar[tuple[str, ...]] = ("_accumulated_grads", "_accumulated_delta_vars")

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, square, steps = state
        epsilon = ir.broadcast(self.epsilon)
        square = _mean(ir, self.rho, square, ir.fmul(gradient, gradient))
        recent = ir.sqrt(ir.fadd(steps, epsilon))
        step = ir.fdiv(ir.fmul(recent, gradient), ir.sqrt(ir.fadd(square, epsilon)))
        steps = _mean(ir, self.rho, steps, ir.fmul(step, step))
        return [ir.fma(ir.broadcast(factors[0]), step, weight), square, steps]


@dataclass(frozen=True)
class Lion(_OneFactor):
    """w <- w - rate sign(beta_1 m + (1 - beta_1) g) with m the running mean of g (Chen et al. 2023)."""

    beta_1: float = 0.9
    beta_2: float = 0.99
    slots: ClassVar[tuple[str, ...]] = ("_momentums",)

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, mean = state
        direction, step = _mean(ir, self.beta_1, mean, gradient), ir.broadcast(factors[0])
        below = ir.select(ir.fcmp("olt", direction, ZERO), ir.fneg(step), ir.fmul(step, direction))  # zero, or NaN
        step = ir.select(ir.fcmp("ogt", direction, ZERO), step, below)
        return [ir.fadd(weight, step), _mean(ir, self.beta_2, mean, gradient)]


@dataclass(frozen=True)
class Modified(UpdateRule):
    """A rule after Keras's weight decay w <- w - decay rate w, of gradients clipped to +-clipvalue."""

    rule: UpdateRule
    weight_decay: float | None = None
    clipvalue: float | None = None

    @property
    def slots(self) -> tuple[str, ...]:
        return self.rule.slots

    @property
    def factors(self) -> int:
        return self.rule.factors + (self.weight_decay is not None)

    def step_factors(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        factors = self.rule.step_factors(learning_rates, first)
        if self.weight_decay is None:
            return factors
        return np.hstack([factors, -self.weight_decay * learning_rates[:, None]])

    def scalars(self, steps: int) -> Mapping[str, float]:
        return self.rule.scalars(steps)

    def update(self, ir: Function, gradient: Vector, factors: Sequence[Scalar], state: list[Vector]) -> list[Vector]:
        weight, *slots = state
        if self.clipvalue is not None:
            limit = ir.broadcast(self.clipvalue)
            gradient = ir.maximum(ir.minimum(gradient, limit), ir.fneg(limit))
        if self.weight_decay is not None:
            weight = ir.fma(ir.broadcast(factors[-1]), weight, weight)
        return self.rule.update(ir, gradient, factors[: self.rule.factors], [weight, *slots])


def _mean(ir: Function, decay: float, before: Vector, new: Vector) -> Vector:
    """decay before + (1 - decay) new."""
    return ir.fma(ir.broadcast(decay), before, ir.fmul(ir.broadcast(1 - decay), new))


def _moving_mean(ir: Function, mean: Vector, gradient: Vector, momentum: float) -> Vector:
    """mean + (1 - momentum) (gradient - mean): `_mean` as Keras's Adam writes it, with other last digits."""
    return ir.fma(ir.fsub(gradient, mean), ir.broadcast(1 - momentum), mean)


def _moving_square(ir: Function, square: Vector, gradient: Vector, momentum: float) -> Vector:
    """The same of the squared gradient."""
    change = ir.fma(gradient, gradient, ir.fneg(square))
    return ir.fma(change, ir.broadcast(1 - momentum), square)
