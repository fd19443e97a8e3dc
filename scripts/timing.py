"""Processes that train epochs on demand and time them, and how fast this machine could compute."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.marked_tables import ROOT

if TYPE_CHECKING:
    from mlphys.schema.shapes import Row

# The environment of the processes that time mlphys, and Keras as shipped and tuned
PEERS: dict[str, dict[str, str]] = {
    "mlphys": {},
    "Keras": {},  # TensorFlow then chooses oneDNN by the processor
    "Keras, tuned": {"TF_ENABLE_ONEDNN_OPTS": "1"},
}
FORCED = ("TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND")  # what importing mlphys sets


def waited_for() -> Iterator[int]:
    """Yield the epochs that the parent requests; report the seconds of each one."""
    for number, _ in enumerate(sys.stdin):
        began = time.perf_counter()
        yield number
        print(json.dumps(time.perf_counter() - began), flush=True)


def fit_on_demand(model: Any, x: Any, y: Any, **arguments: Any) -> None:
    """`model.fit`, an epoch each time the parent requests one."""
    import keras

    epochs: Iterator[int] | None = None

    class Wait(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            nonlocal epochs
            if epochs is None:
                print("ready", flush=True)
                epochs = waited_for()
            if next(epochs, None) is None:
                raise SystemExit

    model.fit(x, y, epochs=10**9, verbose=0, callbacks=[Wait()], **arguments)


class Process:
    """A process of a module of ours, run with `arguments`, which prints "ready" and then waits for epochs.

    `ready` is the line, `start` how many seconds it took.
    """

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None):
        kept = {key: value for key, value in os.environ.items() if key not in FORCED}
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=kept | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow", **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        )  # fmt: skip
        self.name = " ".join(arguments)
        try:
            self.ready = self._line("ready")
        except BaseException:
            self.end()
            raise
        self.start = time.perf_counter() - began

    def epoch(self) -> float:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _line(self, expected: str = "") -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        if not line or expected not in line:
            raise SystemExit(f"{self.name}: {line} " + (self.process.communicate()[1] or "")[-2000:])
        return line


def turn(epoch: Callable[[], float], seconds: float) -> list[float]:
    """The seconds of as many epochs as take so long together, one at least."""
    took = [epoch()]
    while sum(took) < seconds:
        took.append(epoch())
    return took


def operations(rows: Sequence[Row]) -> int:
    """Floating-point operations of a training step per sample: forward, and backward to weights and inputs.

    The inputs of the first layer with weights need no gradient.
    """
    forward = []
    for row in rows:
        if kernel := row.layer.weight_shapes(row.input_shape).get("kernel"):  # a tied one too
            transposed = type(row.layer).__name__.endswith("Transpose")  # a product for each place of its input
            places = row.input_shape if transposed else row.output_shape
            forward.append(2 * math.prod(kernel) * math.prod(places[:-1]))
    return 3 * sum(forward) - forward[0] if forward else 0


def rate_of_the_machine() -> float:
    """Floating-point operations a second of a large float32 matrix product, the best of nine, by TensorFlow.

    In a separate process. NumPy's libraries are slower on some processors.
    """
    script = (
        "import time, tensorflow as tf\n"
        "a, seconds = tf.random.stateless_uniform((3000, 3000), (0, 0)), []\n"
        "for _ in range(9):\n"
        "    began = time.perf_counter()\n"
        "    (a @ a)[0, 0].numpy()\n"
        "    seconds.append(time.perf_counter() - began)\n"
        "print(2 * 3000**3 / min(seconds))"
    )
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def machine_line(rate: float) -> str:
    """The machine that measured; `rate` in operations per second."""
    from mlphys import machine

    facts, info = machine.describe([], xla=True), Path("/proc/cpuinfo")
    vnni = "VNNI" if info.exists() and "vnni" in info.read_text() else "no VNNI"
    return f"{facts['threads']} cores of {facts['cpu']}, {vnni}, {rate / 1e9:.0f} GFLOP/s"
