"""Compiled training steps against NumPy in double precision."""

from __future__ import annotations

import ctypes
import math
import threading

import numpy as np
import pytest

from mlphys.native import dense_step
from mlphys.native.dense_loss import ElementwiseLoss, SoftmaxCrossentropy
from mlphys.native.dense_step import Chain, DenseLayer, Workspace
from mlphys.native.llvm import SimdUnit
from mlphys.native.optimizer_step import SGD, Adam
from tests.helpers.waiting import joined
from tests.native.guarded import Guarded

UNITS = [SimdUnit(16, 24), SimdUnit(8, 12), SimdUnit(4, 24)]
F = {"linear": lambda z: z, "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
F["sigmoid"] = lambda z: 1 / (1 + np.exp(-z))
SLOPE = {"linear": lambda a: a * 0 + 1, "relu": lambda a: a > 0, "tanh": lambda a: 1 - a**2}
SLOPE["sigmoid"] = lambda a: a * (1 - a)


def random_chain(rng):
    """A random chain."""
    sizes = [int(n) for n in rng.integers(1, 40, rng.integers(2, 6))]
    names = [str(name) for name in rng.choice(list(F), len(sizes) - 1)]
    same = bool(rng.integers(2))
    if same:
        sizes[-1] = sizes[0]
    loss = ElementwiseLoss(sizes[-1], names[-1], float(rng.choice([1.0, 3.0])))
    if names[-1] == "sigmoid":
        loss = ElementwiseLoss(sizes[-1], "sigmoid", 2.0, binary=True)
    if not same and rng.integers(2):
        loss, names[-1] = SoftmaxCrossentropy(sizes[-1]), "softmax"
    rule = [SGD(), SGD(0.9), SGD(0.5, nesterov=True), Adam(0.8, 0.99, 1e-5)][rng.integers(4)]
    layers = [
        DenseLayer(*pair, name, bool(rng.integers(4))) for *pair, name in zip(sizes, sizes[1:], names, strict=False)
    ]
    return Chain(tuple(layers), loss, rule, int(rng.integers(1, 40)), same)


def weights_of(chain, rng):
    """Kernel of each layer, the bias as its last row."""
    return [rng.normal(size=(layer.rows, layer.outputs)) / math.sqrt(layer.rows) for layer in chain.layers]


def data_for(chain, rng, samples):
    x = rng.uniform(size=(samples, chain.layers[0].inputs))
    if chain.target_is_input:
        return x, x
    if isinstance(chain.loss, SoftmaxCrossentropy):
        return x, np.eye(chain.loss.outputs)[rng.integers(chain.loss.outputs, size=samples)]
    return x, rng.uniform(size=(samples, chain.layers[-1].outputs))


def run(chain, simd, weights, data, order, rates, threads=1, cuts=()):
    """Weights, slots and totals after the steps of the compiled function, its arrays between guards."""
    workspace = Workspace(chain, simd)
    buffer = np.zeros(workspace.size, np.float32)

    def matrix(view):
        return buffer[view.start : view.end].reshape(view.rows, view.stride)

    for places, values in zip(workspace.kernels, weights, strict=True):
        matrix(places[0])[: len(values), : places[0].columns] = values
    for view in workspace.activations:
        matrix(view)[:, view.columns] = 1.0
    function = dense_step.training_steps(chain, simd)
    arrays = {"x": data[0].astype(np.float32), "order": order.astype(np.int32), "rates": rates.astype(np.float32)}
    if not chain.target_is_input:
        arrays["targets"] = data[1].astype(np.float32)
    arrays |= {"workspace": buffer, "totals": np.zeros(dense_step.METRICS)}
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 7, *[ctypes.c_int64] * 5)(function.address())
    for first, last in zip((0, *cuts), (*cuts, len(rates)), strict=True):
        guarded = {name: Guarded(values) for name, values in arrays.items()}
        guarded["rates"] = Guarded(arrays["rates"][first:last])
        guarded["barrier"] = Guarded(np.zeros(1, np.int64))
        pointers = [guarded[name].pointer() if name in guarded else None for name in function.pointers]
        workers = [
            threading.Thread(target=call, args=(*pointers, len(order), first, last, i, threads), daemon=True)
            for i in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            joined(worker, "a thread of the steps, which waits for the others at each barrier")
        assert all(each.is_intact() for each in guarded.values())
        buffer[:], arrays["totals"] = guarded["workspace"].values, guarded["totals"].values
    found = [
        [matrix(view)[: len(values), : view.columns].copy() for view in places]
        for places, values in zip(workspace.kernels, weights, strict=True)
    ]
    for places, layer in zip(workspace.kernels, chain.layers, strict=True):
        padding = matrix(places[0])[: layer.rows, layer.outputs :]
        assert not padding.any() or not np.isfinite(arrays["totals"]).all()
    return found, arrays["totals"]


def expected(chain, weights, data, order, rates):
    """`run` in NumPy."""
    states = [[values.copy(), *(np.zeros_like(values) for _ in range(chain.rule.slots))] for values in weights]
    totals = np.zeros(dense_step.METRICS)
    for step, rate in enumerate(rates):
        rows = order[step * chain.batch_size : (step + 1) * chain.batch_size]
        inputs, t = [data[0][rows]], data[1][rows]
        for layer, (values, *_) in zip(chain.layers, states, strict=True):
            z = inputs[-1] @ values[: layer.inputs] + (values[layer.inputs] if layer.bias else 0)
            if layer.activation == "softmax":
                z = np.exp(z - z.max(1, keepdims=True))
                inputs.append(z / z.sum(1, keepdims=True))
            else:
                inputs.append(F[layer.activation](z))
        losses, others, slope = loss_of(chain, inputs[-1], t)
        totals += losses.sum(), others.sum()
        slope /= len(rows)
        gradients = []
        for i in range(len(chain.layers) - 1, -1, -1):
            ones = np.ones((len(rows), int(chain.layers[i].bias)))
            gradients.insert(0, np.hstack([inputs[i], ones]).T @ slope)
            if i:
                back = slope @ states[i][0][: chain.layers[i].inputs].T
                slope = back * SLOPE[chain.layers[i - 1].activation](inputs[i])
        for places, gradient in zip(states, gradients, strict=True):
            move(chain.rule, places, gradient, rate)
    return states, totals


def loss_of(chain, p, t):
    """Loss and metric of each sample, and the gradient with respect to the last pre-activations."""
    loss = chain.loss
    if isinstance(loss, SoftmaxCrossentropy):
        return -(t * np.log(p)).sum(1), t[np.arange(len(t)), p.argmax(1)], p - t
    squares = ((p - t) ** 2).mean(1)
    if loss.binary:
        losses = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(1)
        return loss.weight * losses, squares, loss.weight * (p - t) / loss.outputs
    slope = loss.weight * 2 * (p - t) * SLOPE[loss.activation](p) / loss.outputs
    return loss.weight * squares, squares, slope


def move(rule, places, gradient, rate):
    """`rate` is that of the rule: for Adam the corrected one; both carry the sign."""
    weight, *slots = places
    if isinstance(rule, Adam):
        mean, square = slots
        mean += (gradient - mean) * (1 - rule.beta_1)
        square += (gradient**2 - square) * (1 - rule.beta_2)
        weight += rate * mean / (np.sqrt(square) + rule.epsilon)
    elif slots:
        slots[0][:] = rule.momentum * slots[0] + rate * gradient
        weight += rule.momentum * slots[0] + rate * gradient if rule.nesterov else slots[0]
    else:
        weight += rate * gradient


@pytest.mark.parametrize("simd", UNITS, ids=lambda each: str(each.width))
@pytest.mark.parametrize("seed", range(25))
def test_steps_equal_numpys_and_stay_within_their_arrays(simd, seed):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng)
    samples = int(rng.integers(chain.batch_size, 3 * chain.batch_size + 1))
    weights, data = weights_of(chain, rng), data_for(chain, rng, samples + 5)
    order = rng.integers(samples + 5, size=samples)
    steps = math.ceil(samples / chain.batch_size)
    rates = chain.rule.step_sizes(np.full(steps, 0.01), first=3)
    found, totals = run(chain, simd, weights, data, order, rates, threads=int(rng.integers(1, 4)))
    reference, reference_totals = expected(chain, weights, data, order, rates)
    np.testing.assert_allclose(totals, reference_totals, rtol=2e-5)
    for places, others in zip(found, reference, strict=True):
        for values, other in zip(places, others, strict=True):
            np.testing.assert_allclose(values, other, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("seed", range(6))
def test_neither_the_number_of_threads_nor_where_an_epoch_is_cut_changes_a_bit(seed):
    rng = np.random.default_rng(100 + seed)
    chain = random_chain(rng)
    weights, data = weights_of(chain, rng), data_for(chain, rng, 100)
    order, steps = rng.permutation(100), math.ceil(100 / chain.batch_size)
    rates = chain.rule.step_sizes(np.full(steps, 0.01), first=0)
    single, totals = run(chain, UNITS[1], weights, data, order, rates)
    for threads, cuts in ((2, ()), (3, ()), (5, ()), (1, (1,)), (2, (steps // 2,))):
        again, totals_again = run(chain, UNITS[1], weights, data, order, rates, threads, cuts)
        assert totals.tobytes() == totals_again.tobytes()
        for places, others in zip(single, again, strict=True):
            assert [each.tobytes() for each in places] == [each.tobytes() for each in others]


def test_nan_stays_nan():
    chain = Chain(
        (DenseLayer(3, 20, "relu", True), DenseLayer(20, 3, "sigmoid", True)),
        ElementwiseLoss(3, "sigmoid", 1.0),
        SGD(),
        2,
        True,
    )
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(4, 3))
    x[1, 2] = np.nan
    found, totals = run(chain, UNITS[1], weights_of(chain, rng), (x, x), np.arange(4), np.full(2, -0.1))
    assert np.isnan(totals).all()
    assert np.isnan(found[1][0]).all()


def test_denormals_are_flushed_only_inside_of_the_function():
    """The square of a gradient of 1e-30 is zero inside; outside, numbers below 1e-38 still exist."""
    chain = Chain((DenseLayer(1, 1, "linear", False),), ElementwiseLoss(1, "linear", 1.0), Adam(), 1, False)
    data = np.full((1, 1), 1e-30), np.zeros((1, 1))
    run(chain, UNITS[1], [np.ones((1, 1))], data, np.zeros(1), np.full(1, -0.1))
    small = np.float32(1e-38)
    assert small * np.float32(0.01) > 0
