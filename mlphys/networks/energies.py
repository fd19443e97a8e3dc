"""The potential energy of an autoencoder with tied weights (Kamyshanska & Memisevic 2013, 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlphys.numerics.activations import ACTIVATIONS
from mlphys.schema.graph import Graph

Output = Literal["linear", "sigmoid"]


@dataclass(frozen=True)
class EnergyForm:
    """A model whose reconstruction r(x) = g(f(x W + c) W^T + b) has an energy: the names of its weights W, c and b, its
    hidden activation f and its output g. A bias that is no weight is zero."""

    kernel: str
    hidden_bias: str
    visible_bias: str
    activation: str
    output: Output


def energy(x: Any, kernel: Any, hidden_bias: Any, visible_bias: Any, activation: str, output: Output) -> Any:
    """The lecture's E(x) of each sample of x (n, d), shape (n,): high where plausible, known up to a constant.

    The autoencoder is r(x) = g(f(x W + c) W^T + b) with kernel W (d, m), hidden_bias c (m,) and visible_bias b (d,),
    f the hidden `activation` and g the `output`. With s = x W + c and H the antiderivative of f

        linear output:   E(x) = sum_k H(s_k) - |x - b|^2 / 2,   grad E = r(x) - x
        sigmoid output:  E(x) = sum_k H(s_k) + b x,             grad E = logit r(x)

    so that samples which the autoencoder improves climb E: the energy of physics, which the analysis `energy` states,
    is -E. With f = sigmoid it is minus the free energy of the restricted Boltzmann machine of the same weights, with
    Gaussian visible units for the linear output and Bernoulli ones for the sigmoid. With f = linear and orthonormal
    columns of W, c = -b W, it is minus half the squared distance of x from the plane of principal components.

    In the floating-point type of the arguments, which must be one; differentiable.
    """
    from keras import ops

    hidden = ops.sum(antiderivative(field(x, kernel, hidden_bias), activation), axis=1)
    if output == "sigmoid":
        return hidden + ops.matmul(x, visible_bias)
    return hidden - ops.sum((x - visible_bias) ** 2, axis=1) / 2


def field(x: Any, kernel: Any, hidden_bias: Any) -> Any:
    """s = x W + c, (n, m)."""
    from keras import ops

    return ops.matmul(x, kernel) + hidden_bias


def antiderivative(s: Any, activation: str) -> Any:
    """H(s), whose derivative is the activation f(s), of the shape of s. Raises ValueError where no formula is known."""
    from keras import ops

    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation}: expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[activation].antiderivative(s, ops)


def write_energy(graph: Graph, x: Any, arrays: Sequence[np.ndarray], activation: str, output: str) -> Any:
    """`energy` of samples x (n, d), written into a graph: (n, 1); `arrays` are kernel and both biases."""
    kernel, hidden_bias, visible_bias = arrays
    field = graph.dense(x, kernel, hidden_bias)
    hidden = graph.sum(ACTIVATIONS[activation].antiderivative(field, graph))
    if output == "sigmoid":
        return hidden + graph.dense(x, visible_bias[:, None])
    distance = graph.standardized(x, visible_bias, np.ones_like(visible_bias))
    return hidden - graph.scaled(graph.sum(distance * distance), 0.5, 0.0)
