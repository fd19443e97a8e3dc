"""Minimum of a function of a few variables by Newton's method with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STEPS = 6  # a quadratic function needs one
CONVERGED = 1e-2  # largest final step, in units of the finite-difference step h


@dataclass(frozen=True)
class Minimum:
    """Position (d,), value and Hessian (d, d) of a minimum."""

    place: np.ndarray
    value: float
    hessian: np.ndarray


def find(function: Callable[[np.ndarray], np.ndarray], start: np.ndarray, h: np.ndarray) -> Minimum | None:
    """The minimum reached from `start` (d,); None if Newton's method does not converge to one.

    `function` maps points (n, d) to values (n,); h (d,) are the finite-difference steps.
    """
    place, step = start, np.full_like(start, np.inf)
    for _ in range(STEPS):
        _, gradient, hessian = _derivatives(function, place, h)
        if not _positive(hessian):
            return None
        step = np.linalg.solve(hessian, gradient)
        place = place - step
    value, _, hessian = _derivatives(function, place, h)
    converged = (abs(step) <= CONVERGED * h).all() and _positive(hessian)
    return Minimum(place, value, hessian) if converged else None


def _derivatives(
    function: Callable[[np.ndarray], np.ndarray], place: np.ndarray, h: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, gradient (d,) and second derivatives (d, d) by central differences."""
    units = np.diag(h)
    plus, minus = place + units, place - units
    pairs = units[:, None] + units[None]
    crossed = [place + pairs, place - pairs, place + units[:, None] - units[None], place - units[:, None] + units[None]]
    d = len(place)
    values = function(np.concatenate([place[None], plus, minus, *(places.reshape(-1, d) for places in crossed)]))
    value, up, down = values[0], values[1 : 1 + d], values[1 + d : 1 + 2 * d]
    both, neither, one, other = values[1 + 2 * d :].reshape(4, d, d)
    hessian = (both + neither - one - other) / (4 * np.outer(h, h))
    return float(value), (up - down) / (2 * h), hessian


def _positive(hessian: np.ndarray) -> bool:
    return bool(np.isfinite(hessian).all() and np.linalg.eigvalsh(hessian).min() > 0)
