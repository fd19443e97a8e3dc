"""Gibbs sampling by machine code against NumPy in double precision, draw by draw."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys import machine
from mlphys.native import gibbs_chain, processor
from mlphys.native.gibbs_chain import GibbsChain
from mlphys.native.workspace import round_up
from mlphys.networks import gibbs_sampling, tensorflow
from tests.helpers.philox import normal, philox
from tests.native.guarded import called

SEED = (4_000_000_000, 2**32 - 2)  # the count of steps passes its end
SHAPES = [(1, 3, 2), (7, 10, 5), (20, 33, 16), (33, 16, 70)]  # chains, values, hidden units


def weights(values: int, hidden: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(values)
    shapes = (values, hidden), (hidden,), (values,)
    return tuple(random.normal(0, 0.5, shape).astype(np.float32) for shape in shapes)


def starts(chains: int, values: int) -> np.ndarray:
    return np.random.default_rng(chains).integers(0, 2, (chains, values)).astype(np.float32)


def in_numpy(v, kernel, hidden_bias, visible_bias, steps: int, gaussian: bool) -> np.ndarray:
    chains, (values, hidden) = len(v), kernel.shape
    v, kernel = v.astype(float), kernel.astype(float)
    first = np.arange(chains)[:, None] * (values + hidden)
    for step in range(steps):
        words, others = philox(first + np.arange(values + hidden), SEED[1] + step, SEED[0])
        uniform = (words >> np.uint64(8)) / 2**24
        h = uniform[:, :hidden] < 1 / (1 + np.exp(-(hidden_bias + v @ kernel)))
        field = visible_bias + h @ kernel.T
        if gaussian:
            v = field + normal(words[:, hidden:], others[:, hidden:])
        else:
            v = (uniform[:, hidden:] < 1 / (1 + np.exp(-field))).astype(float)
    return v


def sampled(v, of, steps: int, gaussian: bool, dynamic: bool = False) -> np.ndarray:
    tensorflow.start()
    import tensorflow as tf

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None if dynamic else len(v), v.shape[1]])])
    def after(v):
        seed = tf.constant(SEED, tf.int64)
        kernel, *biases = map(tf.constant, of)
        return gibbs_sampling.chains_after(steps, v, kernel, biases, seed, gaussian)

    return after(v).numpy()


@pytest.mark.parametrize("gaussian", [False, True], ids=["bernoulli", "gaussian"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_chains_are_those_of_numpy_however_many_threads_share_them(shape, gaussian, monkeypatch):
    chains, values, hidden = shape
    v, of = starts(chains, values), weights(values, hidden)
    expected = in_numpy(v, *of, 5, gaussian)
    found = sampled(v, of, 5, gaussian)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5)
    monkeypatch.setattr(machine, "threads", lambda: 3)
    for dynamic in (False, True):
        assert sampled(v, of, 5, gaussian, dynamic).tobytes() == found.tobytes()


def test_without_a_step_chains_stay_where_they_are():
    v = starts(7, 10)
    np.testing.assert_array_equal(sampled(v, weights(10, 5), 0, False), v)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nothing_is_read_or_written_out_of_bounds(shape):
    simd = processor.simd_unit()
    chains, values, hidden = shape
    kernel, hidden_bias, visible_bias = weights(values, hidden)
    v, rows = starts(chains, values), round_up(chains, simd.width)
    arrays = {
        "start": v, "kernel": wide(kernel), "transposed": wide(kernel.T),
        "hidden_bias": wide(hidden_bias), "visible_bias": wide(visible_bias),
        "seed": np.array((*SEED, 0), np.uint32).view(np.int32),
        "h": np.zeros((rows, round_up(hidden, simd.width)), np.float32),
        "v": np.zeros((rows, round_up(values, simd.width)), np.float32),
    }  # fmt: skip
    for most in (1, gibbs_chain.most_rows(simd)):
        end = called(GibbsChain(values, hidden, True, most).emit(simd), arrays, chains, 2)["v"]
        expected = in_numpy(v, kernel, hidden_bias, visible_bias, 2, True)
        np.testing.assert_allclose(end[:chains, :values], expected, rtol=1e-5, atol=2e-5)


def wide(array: np.ndarray) -> np.ndarray:
    missing = -array.shape[-1] % processor.simd_unit().width
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])
