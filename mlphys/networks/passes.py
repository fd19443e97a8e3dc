"""One way through a network, forwards and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pass:
    """The samples, the outputs by layer, losses (n,), and each trained weight's gradient.

    `slopes` is the gradient of the cost with respect to those outputs that it depends on.
    """

    x: np.ndarray
    y: np.ndarray
    outputs: Mapping[str, np.ndarray]
    losses: np.ndarray
    gradients: Sequence[np.ndarray]
    slopes: Mapping[str, np.ndarray]
