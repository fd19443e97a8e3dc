"""Time the compiled convolutions beside TensorFlow's: what they gain, and where TensorFlow's are faster.

python -m scripts.bench_convolutions            the table to stdout
python -m scripts.bench_convolutions --write    into docs/performance.md too

A convolution, relu, a maximum of 2 x 2 pixels where the row says so, and their gradients, of 48 samples on one core, in
turns: the fastest of five in the process's CPU time, which other work on the machine changes least. From it come the
numbers of SPEEDUP in mlphys/networks/layers/simd_conv.py.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mlphys import machine
from mlphys.networks import tensorflow
from mlphys.networks.tensorflow import tf
from scripts import marked_tables

DOCUMENT = marked_tables.ROOT / "docs" / "performance.md"
SAMPLES, TURNS, STEPS = 48, 5, 5
EVERY, NO_CONVOLUTION = 1e9, 0.0  # shares of the cores for which each convolution, and none, counts as faster
CHANNELS = ((1, 16), (8, 8), (16, 16), (20, 20), (20, 50), (32, 64))
CASES = [
    *itertools.product((14,), CHANNELS, (3, 5), (1,), (False, True)),
    *itertools.product((28,), ((20, 20),), (5,), (1,), (False, True)),
    *itertools.product((28,), ((1, 16), (16, 32)), (3,), (2,), (False,)),
]  # pixels of a side, input channels and filters, pixels of a kernel, stride, pooled


def seconds(function: Callable[[], Any]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def step(x: Any, filters: int, kernel: int, stride: int, pooled: bool, share: float) -> Callable[[], Any]:
    """Some times the convolution and its gradients, compiled."""
    import keras

    from mlphys.networks.layers import fusion, simd_conv

    layers: list[Any] = [simd_conv.Conv2D(filters, kernel, strides=stride, padding="same", activation="relu")]
    layers += [fusion.MaxPooling2D(2)] * pooled
    fusion.fuse(layers)
    model = keras.Sequential([keras.Input(x.shape[1:]), *layers])
    weights = [weight.value for weight in model.trainable_variables]

    def once(i: Any, total: Any) -> tuple[Any, Any]:
        pixels = x + 0 * total
        with simd_conv.enabled(share), tf.GradientTape() as tape:
            tape.watch(pixels)
            output = model(simd_conv.without_gradient(pixels) if x.shape[-1] == 1 else pixels)
            cost = tf.reduce_sum(output * output)
        gradients = tape.gradient(cost, weights if x.shape[-1] == 1 else [*weights, pixels])
        return i + 1, total + tf.add_n([tf.reshape(gradient, [-1])[0] for gradient in gradients])

    whole = tf.function(
        lambda: tf.while_loop(lambda i, total: i < STEPS, once, (0, 0.0), parallel_iterations=1)[1], autograph=False
    )
    return lambda: whole().numpy()


def row(side: int, channels: tuple[int, int], kernel: int, stride: int, pooled: bool) -> list[str]:
    given, filters = channels
    x = tf.constant(np.random.default_rng(0).normal(size=(SAMPLES, side, side, given)), tf.float32)
    peers = [step(x, filters, kernel, stride, pooled, share) for share in (EVERY, NO_CONVOLUTION)]
    times = np.array([[seconds(peer) for peer in peers] for _ in range(TURNS + 1)])[1:].min(0) / STEPS
    name = f"{side} x {side} x {given}, {filters} kernels {kernel} x {kernel}"
    name += f", stride {stride}" * (stride > 1) + ", pooled" * pooled
    return [
        name,
        str(given * filters),
        f"{times[0] * 1e3:.2f} ms",
        f"{times[1] * 1e3:.2f} ms",
        f"{times[1] / times[0]:.2f}",
    ]


def table() -> str:
    tensorflow.configure(1, 1)
    head = "| convolution | channels x filters | machine code | TensorFlow | ratio |"
    return marked_tables.printed(head, (row(*case) for case in CASES), f"one core of {machine.processor()}")


if __name__ == "__main__":
    marked_tables.benchmark(__doc__, "bench_convolutions", DOCUMENT, table)
