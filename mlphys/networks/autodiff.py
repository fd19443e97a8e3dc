"""Gradients and Jacobians by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlphys.networks.penalties.contraction import DIRECTIONS, estimates_contraction
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


def contraction(function: Callable[[Any], Any], x: Any, outputs: int) -> Any:
    """|d function / d x|_F^2 of each sample of a batch x, inside of a graph and differentiable itself.

    `outputs` is how many values the function has of a sample. In reverse mode, or in forward mode where x has fewer
    values; where both have too many, estimated without bias from random directions. XLA takes minutes to compile it.
    """
    inputs = x.shape[1:].num_elements()
    if estimates_contraction(inputs, outputs):
        return _contraction_along_directions(function, x)
    if inputs < outputs:
        return _forward_contraction(function, x, inputs)
    return _sum_of_squares(jacobians(function, x))


def _forward_contraction(function: Callable[[Any], Any], x: Any, inputs: int) -> Any:
    """Each sample once for each of its values, in whose direction its copy is differentiated."""
    copies = tf.repeat(x, inputs, axis=0)
    directions = tf.reshape(tf.tile(tf.eye(inputs), [tf.shape(x)[0], 1]), tf.shape(copies))
    with tf.autodiff.ForwardAccumulator(copies, directions) as accumulator:
        values = function(copies)
    slopes = accumulator.jvp(values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return tf.reduce_sum(tf.reshape(_sum_of_squares(slopes), [-1, inputs]), axis=1)


def _contraction_along_directions(function: Callable[[Any], Any], x: Any) -> Any:
    """The mean of |J^T v|^2 over directions v of random signs (Hutchinson 1990): others for other x or weights."""
    copies = tf.repeat(x, DIRECTIONS, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(copies)
        values = function(copies)
        seed = tf.stack([tf.reduce_sum(tf.bitcast(values, tf.int32)), 0])
        signs = tf.random.stateless_uniform(tf.shape(values), seed, 0, 2, tf.int32)
        along = tf.reduce_sum(values * tf.cast(2 * signs - 1, values.dtype))
    slopes = tape.gradient(along, copies, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return tf.reduce_mean(tf.reshape(_sum_of_squares(slopes), [-1, DIRECTIONS]), axis=1)


def _sum_of_squares(values: Any) -> Any:
    """Of each row of values (n, ...), (n,)."""
    return tf.reduce_sum(values**2, axis=list(range(1, len(values.shape))))
