"""How a weight is moved by its gradient: Keras's optimizers, vector by vector.

`slots` is how many numbers are kept for each weight; `moved` gives the new weight and slots, `rate` being the step's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlphys.native.llvm import Function


class Rule(Protocol):
    @property
    def slots(self) -> int: ...

    def rates(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        """`rate` of each step, the first of them being step number `first`, from zero."""

    def moved(self, code: Function, gradient: str, rate: str, kept: list[str]) -> list[str]: ...


@dataclass(frozen=True)
class SGD:
    """w - rate g; with momentum v = momentum v - rate g is added, and with nesterov momentum v - rate g."""

    momentum: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> int:
        return int(self.momentum > 0)

    def rates(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        return -learning_rates

    def moved(self, code: Function, gradient: str, rate: str, kept: list[str]) -> list[str]:
        weight, *velocities = kept
        step = code.times(code.everywhere(rate), gradient)
        if not velocities:
            return [code.plus(weight, step)]
        momentum = code.everywhere(self.momentum)
        velocity = code.times_plus(momentum, velocities[0], step)
        moved = code.times_plus(momentum, velocity, step) if self.nesterov else velocity
        return [code.plus(weight, moved), velocity]


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, in the form in which epsilon is not corrected for the first steps, as Keras has it."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    @property
    def slots(self) -> int:
        return 2

    def rates(self, learning_rates: np.ndarray, first: int) -> np.ndarray:
        steps = np.arange(first + 1, first + 1 + len(learning_rates), dtype=np.float64)
        return -learning_rates * np.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps)

    def moved(self, code: Function, gradient: str, rate: str, kept: list[str]) -> list[str]:
        weight, mean, square = kept
        mean = code.times_plus(code.minus(gradient, mean), code.everywhere(1 - self.beta_1), mean)
        change = code.times_plus(gradient, gradient, code.negative(square))
        square = code.times_plus(change, code.everywhere(1 - self.beta_2), square)
        step = code.over(mean, code.plus(code.root(square), code.everywhere(self.epsilon)))
        return [code.times_plus(code.everywhere(rate), step, weight), mean, square]
