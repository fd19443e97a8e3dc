"""Gradients and Jacobians by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlphys.networks.tensorflow import tf


def gradient(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """d function / d x, of the shape of x; `function` gives a scalar, or values that are summed."""
    point = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = tf.reduce_sum(function(point))
    return tape.gradient(value, point).numpy()


def jacobian(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """J[b, i, j] = d function(x)[b, i] / d x[b, j] of a batch x of shape (n, d), samples independent."""
    return jacobians(function, tf.constant(x)).numpy()


def jacobians(function: Callable[[Any], Any], x: Any) -> Any:
    """d function(x)[b, i] / d x[b, ...] of a batch x, the values of each sample in a row; inside of a graph.

    (n, m, ...) for x of shape (n, ...), differentiable itself.
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = function(x)
        values = tf.reshape(values, [tf.shape(values)[0], values.shape[1:].num_elements()])
    return tape.batch_jacobian(values, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def gradients(function: Callable[[Any], Any], x: Any, direction: Any) -> Any:
    """sum_i direction_i d function(x)_i / dx_j of each sample of a batch x (n, d), inside of a graph: (n, d)."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(direction * function(x))
    return tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def laplacians(function: Callable[[Any], Any], x: Any, direction: Any) -> Any:
    """sum_ij direction_i d^2 function(x)_i / dx_j^2 of each sample of a batch x (n, d), inside of a graph: (n,)."""

    return tf.linalg.trace(jacobians(lambda points: gradients(function, points, direction), x))


def contraction(function: Callable[[Any], Any], x: Any) -> Any:
    """|d function / d x|_F^2 of each sample of a batch x, inside of a graph and differentiable itself."""
    squares = jacobians(function, x) ** 2
    return tf.reduce_sum(squares, axis=list(range(1, len(squares.shape))))
