"""Compiled training steps against NumPy in double precision."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import numpy as np
import pytest

from mlphys.native import dense_step, machine_code, processor
from mlphys.native.chain import Chain, DenseLayer, NormLimit
from mlphys.native.dense_loss import (
    Absolute,
    BinaryCrossentropy,
    ElementwiseLoss,
    Huber,
    LogCosh,
    LogitCrossentropy,
    SoftmaxCrossentropy,
    SoftmaxDistance,
    Square,
)
from mlphys.native.noise import Dropout, GaussianDropout, GaussianNoise
from mlphys.native.optimizer_step import SGD, Adadelta, Adagrad, Adam, Adamax, Lion, Modified, Nadam, RMSprop
from mlphys.native.penalty import MeanActivity, Penalty
from mlphys.native.processor import SimdUnit
from mlphys.native.vector_math import ExponentialLinear, PiecewiseLinear
from mlphys.native.workspace import METRICS, TOTALS, Workspace
from tests.helpers.philox import disturbed, standard_normal
from tests.helpers.waiting import joined
from tests.native.guarded import Guarded

UNITS = [SimdUnit(16, 24), SimdUnit(8, 12), SimdUnit(4, 24)]
RULES = [
    SGD(), SGD(0.9), SGD(0.5, nesterov=True), Adam(0.8, 0.99, 1e-5), Adam(epsilon=1e-4, amsgrad=True),
    RMSprop(0.8, 0.5, 1e-4, centered=True), RMSprop(epsilon=1e-4), Adagrad(1e-3), Adadelta(0.8, 1e-3),
    Adamax(epsilon=1e-3), Nadam(epsilon=1e-3), Lion(), Modified(Adam(epsilon=1e-4), 0.02), Modified(SGD(), 0.1, 0.01),
]  # fmt: skip
F = {"linear": lambda z: z, "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
F["sigmoid"] = lambda z: 1 / (1 + np.exp(-z))
SLOPE = {"linear": lambda a: a * 0 + 1, "relu": lambda a: a > 0, "tanh": lambda a: 1 - a**2}
WITH_SLOPE = {
    "softplus": lambda z: (np.logaddexp(0, z), 1 / (1 + np.exp(-z))),
    "softsign": lambda z: (z / (1 + abs(z)), (1 + abs(z)) ** -2),
    "elu": lambda z: (np.where(z > 0, z, np.expm1(np.minimum(z, 0))), np.exp(np.minimum(z, 0))),
}
SLOPE["sigmoid"] = lambda a: a * (1 - a)
WITH_SLOPE |= {
    PiecewiseLinear(0.3): lambda z: (np.where(z > 0, z, 0.3 * z), np.where(z > 0, 1, 0.3)),
    PiecewiseLinear(0.1, 0.2, 0.9): lambda z: (
        np.where(z > 0.2, np.minimum(z, 0.9), 0.1 * (z - 0.2)), np.where(z > 0.2, z < 0.9, 0.1)
    ),
    ExponentialLinear(0.4): lambda z: (
        np.where(z > 0, z, 0.4 * np.expm1(np.minimum(z, 0))), np.where(z > 0, 1, 0.4 * np.exp(np.minimum(z, 0)))
    ),
}  # fmt: skip
DISTANCES = {
    Square(): lambda d: (d**2, 2 * d),
    Absolute(): lambda d: (abs(d), np.sign(d)),
    Huber(0.3): lambda d: (np.where(abs(d) < 0.3, d**2 / 2, 0.3 * abs(d) - 0.045), np.clip(d, -0.3, 0.3)),
    LogCosh(): lambda d: (np.log(np.cosh(d)), np.tanh(d)),
}
LIMITS = [None, None, NormLimit(0.02), NormLimit(0.05, together=True)]


OF_CLASSES = (SoftmaxCrossentropy, LogitCrossentropy, SoftmaxDistance)


def random_chain(rng):
    """A random chain."""
    sizes = [int(n) for n in rng.integers(1, 40, rng.integers(2, 6))]
    known = [*F, *WITH_SLOPE]
    names = [known[i] for i in rng.integers(len(known), size=len(sizes) - 1)]
    same = bool(rng.integers(2))
    if same:
        sizes[-1] = sizes[0]
    weight, distance, smoothing = float(rng.choice([1.0, 3.0])), list(DISTANCES)[rng.integers(4)], 0.2 * rng.integers(2)
    loss = ElementwiseLoss(sizes[-1], names[-1], weight, distance)
    if names[-1] == "sigmoid":
        loss = BinaryCrossentropy(sizes[-1], 2.0, smoothing)
    if not same and rng.integers(2):
        losses_of_classes = (
            SoftmaxCrossentropy(sizes[-1], smoothing),
            LogitCrossentropy(sizes[-1], weight, smoothing),
            SoftmaxDistance(sizes[-1], weight, distance),
        )
        loss, names[-1] = losses_of_classes[rng.integers(3)], "linear"
    rule = RULES[rng.integers(len(RULES))]
    layers = [
        random_layer(rng, *pair, name, i == len(names) - 1)
        for i, (*pair, name) in enumerate(zip(sizes, sizes[1:], names, strict=False))
    ]
    if same and len(layers) == 2 and not layers[1].kernel_penalty:
        layers[1] = replace(layers[1], tied_to=0)
    limit = LIMITS[rng.integers(len(LIMITS))]
    if len(layers) > 2 and not same and not layers[1].penalizes_outputs and layers[1].outputs > 1:
        layers[1] = replace(layers[1], outputs=layers[1].outputs // 2 * 2, divergence=0.3)
        layers[2] = replace(layers[2], inputs=layers[1].code_size)
    return Chain(
        tuple(layers), loss, rule, int(rng.integers(1, 40)), same, random_noises(rng), bool(rng.integers(2)), limit
    )


def random_layer(rng, inputs, outputs, name, last):
    """A layer with penalties in one of three cases; noise, or a penalty on the outputs, is not behind the last."""
    more = {}
    if not rng.integers(3):
        more["kernel_penalty"], more["bias_penalty"] = Penalty(0.03, 0.1), Penalty(0.2 * rng.integers(2), 0.3)
    if not last and not rng.integers(4):
        more["largest"] = int(rng.integers(1, outputs + 1))
    if not last and not rng.integers(3):
        more["output_penalty"] = Penalty(0.3, 0.2)
        if name in F and "largest" not in more:
            more["contraction"] = float(rng.choice([0.0, 0.1]))
        if name == "sigmoid":
            more["mean_activity"] = MeanActivity(0.05, 0.4)
    elif not last:
        more["noises"] = random_noises(rng)
    return DenseLayer(inputs, outputs, name, bool(rng.integers(4)), **more)


def random_noises(rng):
    """None, mostly, or up to two."""
    kinds = Dropout(float(rng.uniform(0, 0.7))), GaussianDropout(0.2), GaussianNoise(0.3)
    return tuple(kinds[i] for i in rng.integers(3, size=rng.choice([0, 0, 1, 2])))


def noises_of(chain):
    """The noises behind the samples, and behind each layer."""
    return [chain.noises, *(layer.noises for layer in chain.layers)]


def factors_of(chain, samples):
    """Loss factor and weight of each sample; one where the chain has none."""
    drawn = np.random.default_rng(8).uniform(0.2, 2, size=(samples, 2))
    return drawn if chain.weighted else np.ones((samples, 2))


def seeds_of(chain):
    return np.random.default_rng(7).integers(2**32, size=(chain.first_noise(len(chain.layers)), 2), dtype=np.uint32)


def with_slope(layer, z):
    y = F[layer.activation](z)
    return y, SLOPE[layer.activation](y)


def weights_of(chain, rng):
    """Kernel of each layer, the bias as its last row."""
    found = [rng.normal(size=(layer.rows, layer.outputs)) / math.sqrt(layer.rows) for layer in chain.layers]
    for values, layer in zip(found, chain.layers, strict=True):
        if layer.tied_to is not None:
            values[: layer.inputs] = found[layer.tied_to][: layer.outputs].T
    return found


def data_for(chain, rng, samples):
    x = rng.uniform(size=(samples, chain.layers[0].inputs))
    if chain.target_is_input:
        return x, x
    if isinstance(chain.loss, OF_CLASSES):
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
    for view in workspace.multiplied:
        matrix(view)[:, view.columns] = 1.0
    function = dense_step.training_steps(chain, simd)
    arrays = {"x": data[0].astype(np.float32), "order": order.astype(np.int32), "factors": rates.astype(np.float32)}
    arrays["weights"] = factors_of(chain, len(data[0])).astype(np.float32)
    arrays["seeds"] = seeds_of(chain)
    if not chain.shares_targets:
        arrays["targets"] = data[1].astype(np.float32)
    arrays |= {"workspace": buffer, "totals": np.zeros(TOTALS)}
    call = function.compiled()
    for first, last in zip((0, *cuts), (*cuts, len(rates)), strict=True):
        guarded = {name: Guarded(values) for name, values in arrays.items()}
        guarded["factors"] = Guarded(arrays["factors"][first:last])
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
    states = [[values.copy(), *(np.zeros_like(values) for _ in chain.rule.slots)] for values in weights]
    totals = np.zeros(TOTALS)
    for step, rate in enumerate(rates):
        rows = order[step * chain.batch_size : (step + 1) * chain.batch_size]
        t, seeds = data[1][rows], iter(seeds_of(chain))
        inputs, slopes = [disturbed(chain.noises, data[0][rows], seeds, step)[0]], []
        outputs, drawn, divergence = [], {}, 0.0
        for i, (layer, (values, *_)) in enumerate(zip(chain.layers, states, strict=True)):
            z = inputs[-1] @ values[: layer.inputs] + (values[layer.inputs] if layer.bias else 0)
            y, slope = WITH_SLOPE[layer.activation](z) if layer.activation in WITH_SLOPE else with_slope(layer, z)
            noisy, factors = disturbed(layer.noises, y, seeds, step)
            if layer.largest:
                kept = np.argsort(np.argsort(-noisy, axis=1, kind="stable"), axis=1) < layer.largest
                noisy, factors = noisy * kept, factors * kept
            outputs.append(noisy)
            slopes.append(slope * factors)
            if layer.divergence is not None:
                m, s = np.split(noisy, 2, axis=1)
                drawn[i] = np.exp(s / 2) * standard_normal(m.shape, next(seeds), step)
                divergence += layer.divergence * 0.5 * (m**2 + np.exp(s) - 1 - s).sum(1).mean()
                noisy = m + drawn[i]
            inputs.append(noisy)
        losses, others, slope = loss_of(chain, inputs[-1], t)
        slope = slope * (1 if isinstance(chain.loss, (*OF_CLASSES, BinaryCrossentropy)) else slopes[-1])
        penalties = [penalties_of(layer, *each) for layer, *each in zip(chain.layers, states, outputs, strict=True)]
        factors, shares = factors_of(chain, len(data[0]))[rows].T
        penalty = sum(each[0] for each in penalties) + divergence
        totals += shares @ (factors * losses), shares @ others, shares.sum() * penalty, shares.sum()
        slope *= (factors * shares / len(rows))[:, None]
        gradients = []
        for i in range(len(chain.layers) - 1, -1, -1):
            ones = np.ones((len(rows), int(chain.layers[i].bias)))
            gradients.insert(0, np.hstack([inputs[i], ones]).T @ slope + penalties[i][1])
            if i:
                slope = slope @ states[i][0][: chain.layers[i].inputs].T
                if i - 1 in drawn:
                    m, s = np.split(outputs[i - 1], 2, axis=1)
                    weight = chain.layers[i - 1].divergence / len(rows)
                    by_logarithm = 0.5 * (slope * drawn[i - 1] + weight * (np.exp(s) - 1))
                    slope = np.hstack([slope + weight * m, by_logarithm])
                slope = (slope + penalties[i - 1][2]) * slopes[i - 1]
        for layer, gradient in zip(chain.layers, gradients, strict=True):
            if layer.tied_to is not None:
                gradients[layer.tied_to][: layer.outputs] += gradient[: layer.inputs].T
        shorten(chain, gradients)
        for layer, places, gradient in zip(chain.layers, states, gradients, strict=True):
            first = 0 if layer.tied_to is None else layer.inputs
            move(chain.rule, [each[first:] for each in places], gradient[first:], rate)
            if layer.tied_to is not None:
                places[0][:first] = states[layer.tied_to][0][: layer.outputs].T
    return states, totals


def shorten(chain, gradients):
    """Limit the norms of the gradients of kernels and biases, each or together."""
    if limit := chain.norm_limit:
        parts = [
            part
            for layer, each in zip(chain.layers, gradients, strict=True)
            for part in ((each[: layer.inputs],) if layer.tied_to is None else ()) + (each[layer.inputs :],)
        ]
        norms = [np.sqrt((part**2).sum()) for part in parts]
        for part, norm in zip(parts, norms, strict=True):
            part *= limit.limit / max(np.linalg.norm(norms) if limit.together else norm, limit.limit)


def penalties_of(layer, places, outputs):
    """The value of a layer's penalties, and their gradients with respect to weights and outputs."""
    weights = places[0]
    of_rows = [layer.kernel_penalty] * layer.inputs + [layer.bias_penalty] * layer.bias
    l1, l2 = (np.array([[getattr(each, key)] for each in of_rows]) for key in ("l1", "l2"))
    of_outputs, n = layer.output_penalty, len(outputs)
    value = (l1 * abs(weights) + l2 * weights**2).sum()
    value += (of_outputs.l1 * abs(outputs) + of_outputs.l2 * outputs**2).sum() / n
    slope = (of_outputs.l1 * np.sign(outputs) + 2 * of_outputs.l2 * outputs) / n
    if layer.mean_activity:
        rho, q = layer.mean_activity.target, np.clip(outputs.mean(0), 1e-6, 1 - 1e-6)
        value += layer.mean_activity.weight * (rho * np.log(rho / q) + (1 - rho) * np.log((1 - rho) / (1 - q))).sum()
        slope = slope + layer.mean_activity.weight * ((1 - rho) / (1 - q) - rho / q) / n
    of_weights = l1 * np.sign(weights) + 2 * l2 * weights
    if layer.contraction:
        kernel, first = weights[: layer.inputs], SLOPE[layer.activation](outputs)
        squares = (kernel**2).sum(0)
        value += layer.contraction * (first**2 @ squares).mean()
        second = {"sigmoid": first * (1 - 2 * outputs), "tanh": -2 * outputs * first}.get(layer.activation, 0 * outputs)
        slope = slope + 2 * layer.contraction * second * squares / n
        of_weights[: layer.inputs] += 2 * layer.contraction * (first**2).mean(0) * kernel
    return value, of_weights, slope


def loss_of(chain, p, t):
    """Loss and metric of each sample, and the gradient with respect to the outputs that the loss takes, of a sigmoid
    those before it."""
    loss, right, squares = chain.loss, t[np.arange(len(t)), p.argmax(1)], ((p - t) ** 2).mean(1)
    n, share = loss.outputs, getattr(loss, "label_smoothing", 0.0)
    if isinstance(loss, BinaryCrossentropy | LogitCrossentropy):
        t = t * (1 - share) + share / 2
        metric, p = (right, F["sigmoid"](p)) if isinstance(loss, LogitCrossentropy) else (squares, p)
        losses = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(1)
        return loss.weight * losses, metric, loss.weight * (p - t) / n
    if isinstance(loss, ElementwiseLoss):
        values, slope = DISTANCES[loss.distance](p - t)
        return loss.weight * values.mean(1), squares, loss.weight * slope / n
    p = np.exp(p - p.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    if isinstance(loss, SoftmaxCrossentropy):
        t = t * (1 - share) + share / n
        return -(t * np.log(p)).sum(1), right, p - t
    values, slope = DISTANCES[loss.distance](p - t)
    slope = p * (slope - (p * slope).sum(1, keepdims=True))
    return loss.weight * values.mean(1), right, loss.weight * slope / n


def move(rule, places, g, factors):
    """The rules in NumPy, from their factors, which carry the sign."""
    weight, *slots = places
    rate = factors[0]
    match rule:
        case Modified():
            weight += 0 if rule.weight_decay is None else factors[-1] * weight
            limit = rule.clipvalue or np.inf
            move(rule.rule, places, np.clip(g, -limit, limit), factors)
        case Adam():
            mean, square, *largest = slots
            mean += (g - mean) * (1 - rule.beta_1)
            square += (g**2 - square) * (1 - rule.beta_2)
            for each in largest:
                each[:] = np.maximum(each, square)
            weight += rate * mean / (np.sqrt(largest[0] if largest else square) + rule.epsilon)
        case Nadam():
            mean, square = slots
            mean += (g - mean) * (1 - rule.beta_1)
            square += (g**2 - square) * (1 - rule.beta_2)
            weight += (factors[0] * mean + factors[1] * g) / (factors[2] * np.sqrt(square) + rule.epsilon)
        case Adamax():
            mean, largest = slots
            mean += (g - mean) * (1 - rule.beta_1)
            largest[:] = np.maximum(rule.beta_2 * largest, abs(g))
            weight += rate * mean / (largest + rule.epsilon)
        case RMSprop():
            square, *others = slots
            square += (g**2 - square) * (1 - rule.rho)
            center = others[0] if rule.centered else 0.0
            center += (g - center) * (1 - rule.rho) if rule.centered else 0.0
            step = rate * g / np.sqrt(square - center**2 + rule.epsilon)
            if rule.momentum:
                others[-1][:] = rule.momentum * others[-1] - step
                step = -others[-1]
            weight += step
        case Adagrad():
            slots[0] += g**2
            weight += rate * g / np.sqrt(slots[0] + rule.epsilon)
        case Adadelta():
            square, steps = slots
            square += (g**2 - square) * (1 - rule.rho)
            step = np.sqrt(steps + rule.epsilon) * g / np.sqrt(square + rule.epsilon)
            steps += (step**2 - steps) * (1 - rule.rho)
            weight += rate * step
        case Lion():
            weight += rate * np.sign(rule.beta_1 * slots[0] + (1 - rule.beta_1) * g)
            slots[0] += (g - slots[0]) * (1 - rule.beta_2)
        case SGD() if slots:
            slots[0][:] = rule.momentum * slots[0] + rate * g
            weight += rule.momentum * slots[0] + rate * g if rule.nesterov else slots[0]
        case SGD():
            weight += rate * g


@pytest.mark.parametrize("simd", UNITS, ids=lambda each: str(each.width))
@pytest.mark.parametrize("seed", range(30))
def test_steps_equal_numpys_and_stay_within_their_arrays(simd, seed):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng)
    samples = int(rng.integers(chain.batch_size, 3 * chain.batch_size + 1))
    weights, data = weights_of(chain, rng), data_for(chain, rng, samples + 5)
    order = rng.integers(samples + 5, size=samples)
    steps = math.ceil(samples / chain.batch_size)
    rates = chain.rule.step_factors(np.full(steps, 0.01), first=3)
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
    rates = chain.rule.step_factors(np.full(steps, 0.01), first=0)
    single, totals = run(chain, UNITS[1], weights, data, order, rates)
    for threads, cuts in ((2, ()), (3, ()), (5, ()), (1, (1,)), (2, (steps // 2,))):
        again, totals_again = run(chain, UNITS[1], weights, data, order, rates, threads, cuts)
        assert totals.tobytes() == totals_again.tobytes()
        for places, others in zip(single, again, strict=True):
            assert [each.tobytes() for each in places] == [each.tobytes() for each in others]


@pytest.mark.parametrize("seed", [0, 4, 9])
def test_how_far_llvm_optimizes_changes_no_bit(seed, monkeypatch):
    monkeypatch.setattr(machine_code, "compile_ir", machine_code.compile_ir.__wrapped__)
    rng = np.random.default_rng(seed)
    chain = random_chain(rng)
    weights, data, rates = weights_of(chain, rng), data_for(chain, rng, 50), chain.rule.step_factors(np.full(2, 0.1), 0)
    order, bits = rng.permutation(50), set()
    for level in (0, 2):
        monkeypatch.setattr(machine_code, "OPTIMIZATION", level)
        found, totals = run(chain, processor.simd_unit(), weights, data, order, rates)
        bits.add((totals.tobytes(), *(each.tobytes() for places in found for each in places)))
    assert len(bits) == 1


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
    found, totals = run(chain, UNITS[1], weights_of(chain, rng), (x, x), np.arange(4), np.full((2, 1), -0.1))
    assert np.isnan(totals[:METRICS]).all()
    assert np.isnan(found[1][0]).all()


def test_denormals_are_flushed_only_inside_of_the_function():
    """The square of a gradient of 1e-30 is zero inside; outside, numbers below 1e-38 still exist."""
    chain = Chain((DenseLayer(1, 1, "linear", False),), ElementwiseLoss(1, "linear", 1.0), Adam(), 1, False)
    data = np.full((1, 1), 1e-30), np.zeros((1, 1))
    run(chain, UNITS[1], [np.ones((1, 1))], data, np.zeros(1), np.full((1, 1), -0.1))
    small = np.float32(1e-38)
    assert small * np.float32(0.01) > 0
