"""Gibbs sampling of a restricted Boltzmann machine inside of a graph, by machine code where there is any."""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any

from mlphys import machine
from mlphys.native import gibbs_chain, processor
from mlphys.native.gibbs_chain import GibbsChain
from mlphys.native.processor import SimdUnit
from mlphys.native.workspace import round_up
from mlphys.networks.tensorflow import accelerators, tf


def is_compiled() -> bool:
    """Whether `chains_after` can be used: in a graph, on this processor, without an accelerator."""
    from mlphys.native import tf_ops

    return bool(tf.inside_function() and processor.simd_unit() and tf_ops.available() and not accelerators())


def chains_after(steps: int, v: Any, kernel: Any, biases: tuple[Any, Any], seed: Any, gaussian: bool) -> Any:
    """v (n, d) after so many steps with kernel (d, m) and the biases (m,) of hidden and (d,) of visible units.

    `seed` (2,) are a key and the count of steps before; random numbers do not depend on the number of threads. With
    `gaussian` visible units have variance 1, else they are 0 or 1. No gradient flows through it.
    """
    from mlphys.native import tf_ops

    simd = processor.simd_unit()
    assert simd
    values, hidden = kernel.shape
    weights = [_padded(each, simd.width) for each in (kernel, tf.transpose(kernel), *biases)]
    count, threads = v.shape[0], machine.threads()
    share = None
    if count is None:
        count = tf.shape(v)[0]
    else:
        threads = max(1, min(threads, count // gibbs_chain.most_rows(simd)))
        share = -(-count // threads)
    edges = [count * i // threads for i in range(threads + 1)]
    operation = _operation(GibbsChain(values, hidden, gaussian, gibbs_chain.rows(share, simd)), steps, simd)
    ends = []
    for first, stop in pairwise(edges):
        words = tf.concat([tf.bitcast(tf.cast(seed, tf.uint32), tf.int32), [first]], 0)
        _, end = tf_ops.apply(operation, [v[first:stop], *weights, words])
        ends.append(tf.reshape(end, (-1, end.shape[-1]))[: stop - first, :values])
    joined = tf.stop_gradient(tf.concat(ends, 0))
    joined.set_shape(v.shape)
    return joined


@functools.cache
def _operation(chain: GibbsChain, steps: int, simd: SimdUnit) -> Any:
    from mlphys.native.tf_ops import Operation, Outputs

    inputs = dict.fromkeys(("start", "kernel", "transposed", "hidden_bias", "visible_bias"), "float")
    outputs: Outputs = {
        "h": ("float", ("groups", simd.width, round_up(chain.hidden, simd.width))),
        "v": ("float", ("groups", simd.width, round_up(chain.values, simd.width))),
    }
    return Operation(chain.emit(simd), {**inputs, "seed": "int32"}, outputs, "start", {"steps": steps})


def _padded(weights: Any, simd_width: int) -> Any:
    """Weights whose last axis holds complete vectors."""
    missing = -weights.shape[-1] % simd_width
    return tf.pad(weights, [[0, 0]] * (len(weights.shape) - 1) + [[0, missing]]) if missing else weights
