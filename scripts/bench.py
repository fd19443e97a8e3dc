"""Benchmark an epoch of mlphys, Keras, PyTorch and scikit-learn, with the machine's limit.

python -m scripts.bench                         all nets, the table to stdout and to bench.json
python -m scripts.bench --epochs 9 dense        one net
python -m scripts.bench --write                 into docs/performance.md too

Every peer trains the same net on the same samples in a separate process, in turns of two seconds or
an epoch, so that other load affects all of them equally. The first epoch includes compilation and is
left out; the table has the median of the others.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from scripts import marked_tables

DOCUMENT = marked_tables.ROOT / "docs" / "performance.md"
SAMPLES = 50_000
TURN = 2.0  # seconds, at least: threads of the previous peer spin for a while after their work

RELU = {"activation": "relu"}
SAME = {"kernel_size": 5, "padding": "same", **RELU}
POOL = {"AveragePooling2D": {"pool_size": 2}}
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
UP = {"UpSampling2D": {"size": 2}}
SIGMOID = {"activation": "sigmoid"}
SIGMOID_IMAGE = {"Conv2D": {"filters": 1, "kernel_size": 5, "padding": "same", "activation": "sigmoid"}}

# Each net as in a config: layers, or encoder and decoder, and its training.
NETS: dict[str, dict[str, Any]] = {
    "dense": {
        "about": "784-30-10, batch 100",
        "layers": ["Flatten", {"Dense": {"units": 30, **RELU}}, SOFTMAX],
        "batch_size": 100,
        "optimizer": {"SGD": {"learning_rate": 1.0}},
    },
    "dense_autoencoder": {
        "about": "784-128-32-128-784, batch 32",
        "encoder": [{"Dense": {"units": 128, **RELU}}, {"Dense": {"units": 32, **RELU}}],
        "decoder": [{"Dense": {"units": 128, **RELU}}, {"Dense": {"units": 784, "activation": "sigmoid"}}],
        "batch_size": 32,
        "optimizer": "adam",
    },
    "conv_simple": {
        "about": "7 kernels 5x5, pool 4, dense 10, batch 100",
        "layers": [
            {"Conv2D": {"filters": 7, **SAME}}, {"AveragePooling2D": {"pool_size": 4}}, "Flatten", SOFTMAX,
        ],
        "batch_size": 100,
        "optimizer": {"SGD": {"learning_rate": 1.0}},
    },
    "conv_mnist": {
        "about": "8 kernels 5x5 twice, pool 2 twice, dense 10, batch 100",
        "layers": [
            {"Conv2D": {"filters": 8, **SAME}}, POOL, {"Conv2D": {"filters": 8, **SAME}}, POOL, "Flatten", SOFTMAX,
        ],
        "batch_size": 100,
        "optimizer": "adam",
    },
    "conv_autoencoder": {
        "about": "five convolutions 5x5, code 7x7x4, batch 100",
        "encoder": [{"Conv2D": {"filters": 8, **SAME}}, POOL, {"Conv2D": {"filters": 4, **SAME}}, POOL],
        "decoder": [{"Conv2D": {"filters": 4, **SAME}}, UP, {"Conv2D": {"filters": 8, **SAME}}, UP, SIGMOID_IMAGE],
        "batch_size": 100,
        "optimizer": "adam",
    },
    "contractive": {
        "about": "784-128-784 sigmoid, contraction .1, batch 100",
        "encoder": [{"Dense": {"units": 128, **SIGMOID}}],
        "decoder": [{"Dense": {"units": 784, **SIGMOID}}],
        "contraction": 0.1,
        "batch_size": 100,
        "optimizer": "adam",
    },
    "stacked": {
        "about": "784-128-784, then 128-32-128, then all, batch 100",
        "stages": [
            {"encoder": [{"Dense": {"units": 128, **SIGMOID}}], "decoder": [{"Dense": {"units": 784, **SIGMOID}}]},
            {"encoder": [{"Dense": {"units": 32, **SIGMOID}}], "decoder": [{"Dense": {"units": 128, **SIGMOID}}]},
        ],
        "batch_size": 100,
        "optimizer": "adam",
    },
}  # fmt: skip

# A peer is a worker function and the environment of its process.
PEERS = {
    "mlphys": {},
    "Keras fit, as shipped": {},  # TensorFlow then chooses oneDNN by the processor
    "Keras fit, oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "Keras fit, tuned": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "PyTorch": {},
    "PyTorch, channels last": {},
    "scikit-learn": {},
}


def experiment(net: str) -> dict[str, Any]:
    """The net as a config."""
    spec = NETS[net]
    parts = {key: spec[key] for key in ("layers", "encoder", "decoder", "contraction", "stages") if key in spec}
    kind = "classifier" if "layers" in parts else "stacked_autoencoder" if "stages" in parts else "autoencoder"
    training = {"optimizer": spec["optimizer"], "batch_size": spec["batch_size"], "epochs": 1000}
    return {
        "name": f"bench_{net}",
        "data": {"name": "mnist", "train": SAMPLES, "validation": 0},
        "model": {"kind": kind, **parts},
        "training": training | ({"phases": {"pretrain": {}, "fine_tune": {}}} if "stages" in parts else {}),
    }


def phases(net: str) -> int:
    """The number of phases: for a stack each stage, and all stages together."""
    return len(NETS[net]["stages"]) + 1 if "stages" in NETS[net] else 1


def loaded(net: str) -> Any:
    from mlphys.config.load import validate
    from mlphys.schema.document import dump, parse

    return validate(parse(dump(experiment(net)), "bench"))


def samples(net: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28, 1) and their targets: labels, or the images in the shape of the net's output."""
    with np.load(os.environ["MLPHYS_BENCH_SAMPLES"]) as arrays:
        x, y = arrays["x"], arrays["y"]
    if "layers" in NETS[net]:
        return x, y
    x = x if net == "conv_autoencoder" else x.reshape(len(x), -1)
    return x, x


def waited_for() -> Iterator[int]:
    """Yield the epochs that the parent requests; report after each one."""
    for number, _ in enumerate(sys.stdin):
        began = time.perf_counter()
        yield number
        print(json.dumps(time.perf_counter() - began), flush=True)


def train_mlphys(net: str, number: int) -> None:
    """An epoch of `mlphys train` without validation, history and checkpoint included.

    Phase `number` starts from the initial weights, on which its speed does not depend.
    """
    from mlphys.networks import tensorflow
    from mlphys.networks.phases import Gradient
    from mlphys.runs.writer import RunWriter
    from mlphys.training import microbatches

    config = loaded(net)
    tensorflow.configure(microbatches.operation_threads(config.rows(), config.experiment.training.batch_size))
    from mlphys.training.loop import PhaseInTraining, Training
    from mlphys.training.progress import Silence

    dataset, model = config.dataset(), config.experiment.model
    network = model.build(config.net_input, 0)
    wanted = model.phases(config.experiment.training, config.net_input, network, dataset.train)
    phase = wanted[number]
    assert isinstance(phase, Gradient)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(network, wanted, dataset, None, 0, {}, RunWriter(Path(folder)), Silence())
        in_training = PhaseInTraining(training, phase, 0, None)
        print("ready", flush=True)
        for epoch in waited_for():
            in_training.epoch(epoch + 1)


def train_keras(net: str, number: int, **compiled: Any) -> None:
    """compile and fit as the lectures write it. mlphys is not imported: it would choose oneDNN."""
    import keras

    x, y = samples(net)
    if "stages" in NETS[net]:
        model, x = keras_stage(NETS[net]["stages"], number, x)
        y = x
    else:
        parts = [NETS[net][key] for key in ("layers", "encoder", "decoder") if key in NETS[net]]
        model = keras_chain([layer for part in parts for layer in part], x.shape[1:], NETS[net].get("contraction", 0))
    loss = "sparse_categorical_crossentropy" if "layers" in NETS[net] else "mean_squared_error"
    optimizer = "adam" if NETS[net]["optimizer"] == "adam" else keras.optimizers.SGD(1.0)
    model.compile(optimizer, loss, **compiled)
    epochs = None

    class Wait(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            nonlocal epochs
            if epochs is None:
                print("ready", flush=True)
                epochs = waited_for()
            if next(epochs, None) is None:
                raise SystemExit

    model.fit(x, y, batch_size=NETS[net]["batch_size"], epochs=1000, verbose=0, callbacks=[Wait()])


def keras_chain(layers: list[Any], shape: tuple[int, ...], contraction: float = 0) -> Any:
    """The model; the first layer is penalized by its Jacobian (Rifai et al. 2011) as Keras users do."""
    import keras

    class Contractive(keras.layers.Dense):
        def call(self, x: Any) -> Any:
            h = super().call(x)
            slopes = (h * (1 - h)) ** 2
            norms = keras.ops.sum(slopes * keras.ops.sum(self.kernel**2, axis=0), axis=1)
            self.add_loss(contraction * keras.ops.mean(norms))
            return h

    model = keras.Sequential([keras.Input(shape)])
    for i, layer in enumerate(layers):
        ((name, arguments),) = layer.items() if isinstance(layer, dict) else ((layer, {}),)
        model.add((Contractive if contraction and not i else getattr(keras.layers, name))(**arguments))
    return model


def keras_stage(stages: list[Any], number: int, x: np.ndarray) -> tuple[Any, np.ndarray]:
    """The model of a stage with the codes below it as samples; after the last stage, the complete model."""
    there = [stage["encoder"] for stage in stages]
    back = [stage["decoder"] for stage in stages]
    if number == len(stages):
        return keras_chain([*chain(*there), *chain(*reversed(back))], x.shape[1:]), x
    if number:
        x = keras_chain([*chain(*there[:number])], x.shape[1:]).predict(x, verbose=0)
    return keras_chain(there[number] + back[number], x.shape[1:]), x


def train_torch(net: str, channels_last: bool) -> None:
    """The usual loop over batches of the samples in memory."""
    import torch

    x, y = (torch.from_numpy(np.ascontiguousarray(array)) for array in samples(net))
    if x.ndim == 4:
        x = x.permute(0, 3, 1, 2).contiguous()
        x = x.to(memory_format=torch.channels_last) if channels_last else x
    target = x if "encoder" in NETS[net] else y.long()
    model = torch_net(net)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    plain = NETS[net]["optimizer"] != "adam"
    optimizer = torch.optim.SGD(model.parameters(), 1.0) if plain else torch.optim.Adam(model.parameters(), 1e-3)
    loss_of = torch.nn.MSELoss() if "encoder" in NETS[net] else torch.nn.CrossEntropyLoss()
    size = NETS[net]["batch_size"]
    print("ready", flush=True)
    for _ in waited_for():
        for rows in torch.randperm(len(x)).split(size):
            optimizer.zero_grad()
            loss_of(model(x[rows]), target[rows]).backward()
            optimizer.step()


def torch_net(net: str) -> Any:
    """The same layers in PyTorch; its cross-entropy includes the softmax."""
    from torch import nn

    layers: list[Any] = []
    for row in loaded(net).rows():
        kind, before = type(row.layer).__name__, row.input_shape[-1]
        if kind == "Dense":
            layers.append(nn.Linear(before, row.layer.units))
        elif kind == "Conv2D":
            layers.append(nn.Conv2d(before, row.layer.filters, row.layer.kernel_size, padding="same"))
        elif kind == "AveragePooling2D":
            layers.append(nn.AvgPool2d(row.layer.pool_size))
        elif kind == "UpSampling2D":
            layers.append(nn.Upsample(scale_factor=row.layer.size))
        else:
            layers.append(nn.Flatten())
        activation = getattr(row.layer, "activation", None)
        layers += [{"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[activation]()] if activation in ("relu", "sigmoid") else []
    return nn.Sequential(*layers)


def train_sklearn(net: str) -> None:
    """MLPClassifier, one epoch per call; only for the dense classifier."""
    from sklearn.neural_network import MLPClassifier

    x, y = samples(net)
    x = x.reshape(len(x), -1)
    model = MLPClassifier((30,), solver="sgd", batch_size=100, learning_rate_init=1.0, momentum=0)
    print("ready", flush=True)
    for _ in waited_for():
        model.partial_fit(x, y, classes=range(10))


def worker(peer: str, net: str, number: int) -> None:
    match peer:
        case "mlphys":
            train_mlphys(net, number)
        case "Keras fit, as shipped" | "Keras fit, oneDNN off":
            train_keras(net, number)
        case "Keras fit, tuned":
            train_keras(net, number, steps_per_execution=SAMPLES // NETS[net]["batch_size"])
        case "scikit-learn":
            train_sklearn(net)
        case _:
            train_torch(net, channels_last=peer.endswith("last"))


class Process:
    """The process of a peer that trains one phase."""

    def __init__(self, peer: str, net: str, number: int):
        command = [sys.executable, "-m", "scripts.bench", "--worker", peer, str(number), net]
        forced = ("TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND")  # by mlphys, in this process
        environment = {key: value for key, value in os.environ.items() if key not in forced}
        environment |= {"PYTHONPATH": str(marked_tables.ROOT), "KERAS_BACKEND": "tensorflow", **PEERS[peer]}
        began = time.perf_counter()
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.name = f"{peer}, {net}"
        self._line("ready")
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


def runs_here(peer: str, net: str) -> bool:
    if peer == "scikit-learn":
        return net == "dense"
    if peer.startswith("PyTorch"):
        from importlib.util import find_spec

        plain = "stages" not in NETS[net] and "contraction" not in NETS[net]
        return find_spec("torch") is not None and plain and (peer == "PyTorch" or "conv" in net)
    return True


def operations(net: str) -> int:
    """Floating-point operations of a training step per sample: forward, and backward to weights and inputs.

    The first layer's inputs need no gradient. A stacked net has a pass for each stage alone, and one for all together.
    """
    forward = []
    for row in loaded(net).rows():
        kernel = row.weights().get(f"{row.name}.kernel", ())
        forward += [2 * math.prod(kernel) * math.prod(row.output_shape[:-1])] if kernel else []
    return (3 * sum(forward) - forward[0]) * (2 if "stages" in NETS[net] else 1)


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
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return float(told.stdout)


@dataclass
class Seconds:
    """What a peer took: from the start of its processes to the end of their first epochs, and for the epochs after."""

    first: float
    epochs: list[float]

    def median(self) -> float:
        return statistics.median(self.epochs)


def measured(net: str, epochs: int) -> dict[str, Seconds]:
    """Seconds by peer, for epochs of each phase, the peers in turn."""
    numbers = range(phases(net))
    peers = {peer: [Process(peer, net, number) for number in numbers] for peer in PEERS if runs_here(peer, net)}
    seconds = {peer: Seconds(sum(process.start for process in processes), []) for peer, processes in peers.items()}
    try:
        for peer, processes in peers.items():
            seconds[peer].first += sum(process.epoch() for process in processes)
        for _ in range(epochs):
            for peer, processes in peers.items():
                turn: list[float] = []
                while sum(turn) < TURN:
                    turn.append(sum(process.epoch() for process in processes))
                seconds[peer].epochs += turn
    finally:
        for processes in peers.values():
            for process in processes:
                process.end()
    return seconds


HEAD = ["net", *PEERS, "machine's limit", "first epoch", "measured on"]


def row(net: str, seconds: dict[str, Seconds], rate: float) -> str:
    """Median seconds per epoch with the factor relative to mlphys, and the time from start to the end of epoch 1."""
    ours = seconds["mlphys"].median()
    limit = operations(net) * SAMPLES / rate
    medians = [seconds[peer].median() if peer in seconds else None for peer in PEERS] + [limit]
    told = ["" if median is None else f"{median:.3f} ({median / ours:.2g}x)" for median in medians]
    first = f"{seconds['mlphys'].first:.1f}; Keras {seconds['Keras fit, as shipped'].first:.1f}"
    return f"| {net}: {NETS[net]['about']} | {' | '.join([f'{ours:.3f}', *told[1:], first, machine_line(rate)])} |"


def table(rows: dict[str, str]) -> str:
    """The rows by net, without empty columns."""
    told = [cells(rows[net]) for net in NETS if net in rows]
    used = [i for i in range(len(HEAD)) if any(line[i] for line in told)]
    lines = [HEAD, ["---"] * len(HEAD), *told]
    return "\n".join("| " + " | ".join(line[i] for i in used) + " |" for line in lines)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def known_rows() -> dict[str, str]:
    """The rows of the table in the document, by net, as `row` gives them."""
    lines = [cells(line) for line in marked_tables.table(DOCUMENT, "bench").splitlines() if line.startswith("|")]
    if not lines:
        return {}
    full = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
    return {line["net"].partition(":")[0]: f"| {' | '.join(line.get(name, '') for name in HEAD)} |" for line in full}


def machine_line(rate: float) -> str:
    """The machine of a row; `rate` in operations per second."""
    from mlphys import machine

    facts, info = machine.describe([], xla=True), Path("/proc/cpuinfo")
    vnni = "VNNI" if info.exists() and "vnni" in info.read_text() else "no VNNI"
    return f"{facts['threads']} cores of {facts['cpu']}, {vnni}, {rate / 1e9:.0f} GFLOP/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", help=f"default all: {', '.join(NETS)}")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--write", action="store_true", help="the rows into docs/performance.md")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker[0], arguments.nets[0], int(arguments.worker[1]))
        return
    from mlphys.errors import UserError

    rate = rate_of_the_machine()
    results: dict[str, dict[str, Seconds]] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            train = loaded("dense").dataset().train
        except UserError as error:
            raise SystemExit(str(error)) from None
        os.environ["MLPHYS_BENCH_SAMPLES"] = f"{folder}/samples.npz"
        np.savez(os.environ["MLPHYS_BENCH_SAMPLES"], x=train.x, y=train.y)
        for net in arguments.nets or NETS:
            results[net] = measured(net, arguments.epochs)
            rows = {name: row(name, seconds, rate) for name, seconds in results.items()}
            print(rows[net], flush=True)
            arguments.out.write_text(json.dumps({"seconds": results, "rate": rate}, indent=2, default=asdict))
            if arguments.write:
                marked_tables.write_table(DOCUMENT, "bench", table(known_rows() | rows))
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
