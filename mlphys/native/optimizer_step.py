"""Update rules of Keras's optimizers, for a vector of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlphys.native.llvm import Function, Scalar, Vector


class UpdateRule(Protocol):
    @property
    def slots(self) -> int:
        """Numbers kept per weight, such as the momentum."""

    def step_sizes(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        """The factor of the update, -learning rate times any bias correction, for the steps first, first + 1, ...

        `first` counts from zero.
        """

    def update(self, ir: Function, gradient: Vector, step_size: Scalar, state: list[Vector]) -> list[Vector]:
        """The new state; a state is the weights, followed by each slot."""


@dataclass(frozen=True)
class SGD:
    """w <- w - rate g; with momentum v <- momentum v - rate g, w <- w + v (Nesterov: w <- w + momentum v - rate g)."""

    momentum: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> int:
        return int(self.momentum > 0)

    def step_sizes(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        return -learning_rates

    def update(self, ir: Function, gradient: Vector, step_size: Scalar, state: list[Vector]) -> list[Vector]:
        weight, *velocities = state
        step = ir.fmul(ir.broadcast(step_size), gradient)
        if not velocities:
            return [ir.fadd(weight, step)]
        momentum = ir.broadcast(self.momentum)
        velocity = ir.fma(momentum, velocities[0], step)
        change = ir.fma(momentum, velocity, step) if self.nesterov else velocity
        return [ir.fadd(weight, change), velocity]


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015) as in Keras: the bias correction goes into the step size and leaves epsilon as it is."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    @property
    def slots(self) -> int:
        return 2

    def step_sizes(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        steps = np.arange(first + 1, first + 1 + len(learning_rates), dtype=np.float64)
        return -learning_rates * np.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps)

    def update(self, ir: Function, gradient: Vector, step_size: Scalar, state: list[Vector]) -> list[Vector]:
        weight, mean, variance = state
        mean = ir.fma(ir.fsub(gradient, mean), ir.broadcast(1 - self.beta_1), mean)
        change = ir.fma(gradient, gradient, ir.fneg(variance))
        variance = ir.fma(change, ir.broadcast(1 - self.beta_2), variance)
        step = ir.fdiv(mean, ir.fadd(ir.sqrt(variance), ir.broadcast(self.epsilon)))
        return [ir.fma(ir.broadcast(step_size), step, weight), mean, variance]
