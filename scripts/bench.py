"""Benchmark an epoch of mlphys, Keras, PyTorch, JAX and scikit-learn, with the machine's limit.

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
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from scripts import marked_tables, timing
from scripts.timing import Process

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
    "JAX": {},
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
        for epoch in timing.waited_for():
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
    timing.fit_on_demand(model, x, y, batch_size=NETS[net]["batch_size"])


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
    for _ in timing.waited_for():
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


def train_jax(net: str) -> None:
    """The steps of an epoch in one `lax.scan`, compiled, over batches that are gathered on the device."""
    import jax

    samples_of_net = samples(net)
    step, state = jax_step(net, *samples_of_net)
    size, generator = NETS[net]["batch_size"], np.random.default_rng(0)
    epoch = jax.jit(lambda state, rows: jax.lax.scan(step, state, rows)[0], donate_argnums=0)
    print("ready", flush=True)
    for _ in timing.waited_for():
        order = generator.permutation(SAMPLES)[: SAMPLES // size * size]
        state = jax.block_until_ready(epoch(state, order.reshape(-1, size)))


def jax_step(net: str, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """A function of (weights and moments, rows) for `lax.scan`, and its initial state."""
    import jax
    import jax.numpy as jnp

    on_device, target = jnp.asarray(x), jnp.asarray(y)
    rows_of_net, adam = loaded(net).rows(), NETS[net]["optimizer"] == "adam"
    generator = np.random.default_rng(0)
    weights = [
        {
            name: jnp.asarray(generator.normal(0, 0.05, shape) if name == "kernel" else np.zeros(shape), jnp.float32)
            for name, shape in row.layer.weight_shapes(row.input_shape).items()
        }
        for row in rows_of_net
    ]

    def loss(weights: Any, x: Any, t: Any) -> Any:
        for row, own in zip(rows_of_net, weights, strict=True):
            x = jax_layer(row, own, x)
        if "layers" in NETS[net]:
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), t[:, None], axis=1))
        return jnp.mean((x - t) ** 2)

    def step(state: Any, rows: Any) -> tuple[Any, None]:
        weights, first, second, number = state
        slopes = jax.grad(loss)(weights, on_device[rows], target[rows])
        if not adam:
            return (jax.tree.map(jnp.subtract, weights, slopes), first, second, number), None
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slopes)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, slopes)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
        return (weights, first, second, number + 1), None

    zeros = jax.tree.map(jnp.zeros_like, weights)
    return step, (weights, zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(1))


def jax_layer(row: Any, own: Any, x: Any) -> Any:
    """A layer on a batch; the cross-entropy includes the softmax."""
    import jax
    import jax.numpy as jnp

    match type(row.layer).__name__:
        case "Dense":
            x = x @ own["kernel"] + own["bias"]
        case "Conv2D":
            axes = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(x, own["kernel"], (1, 1), "SAME", dimension_numbers=axes) + own["bias"]
        case "AveragePooling2D":
            (height, width, channels), size = row.output_shape, row.layer.pool_size[0]
            x = x.reshape(len(x), height, size, width, size, channels).mean((2, 4))
        case "UpSampling2D":
            x = jnp.repeat(jnp.repeat(x, row.layer.size[0], 1), row.layer.size[1], 2)
        case _:
            x = x.reshape(len(x), *row.output_shape)
    activation = getattr(row.layer, "activation", None)
    return {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}.get(activation, lambda x: x)(x)


def train_sklearn(net: str) -> None:
    """MLPClassifier, one epoch per call; only for the dense classifier."""
    from sklearn.neural_network import MLPClassifier

    x, y = samples(net)
    x = x.reshape(len(x), -1)
    model = MLPClassifier((30,), solver="sgd", batch_size=100, learning_rate_init=1.0, momentum=0)
    print("ready", flush=True)
    for _ in timing.waited_for():
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
        case "JAX":
            train_jax(net)
        case _:
            train_torch(net, channels_last=peer.endswith("last"))


def runs_here(peer: str, net: str) -> bool:
    if peer == "scikit-learn":
        return net == "dense"
    package = {"PyTorch": "torch", "PyTorch, channels last": "torch", "JAX": "jax"}.get(peer)
    if package:
        plain = "stages" not in NETS[net] and "contraction" not in NETS[net]
        return find_spec(package) is not None and plain and ("conv" in net or not peer.endswith("last"))
    return True


def operations(net: str) -> int:
    """Operations of a training step per sample. A stacked net has a pass for each stage alone, and one for all."""
    return timing.operations(loaded(net).rows()) * (2 if "stages" in NETS[net] else 1)


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
    peers = {
        peer: [Process("scripts.bench", ("--worker", peer, str(number), net), PEERS[peer]) for number in numbers]
        for peer in PEERS
        if runs_here(peer, net)
    }
    seconds = {peer: Seconds(sum(process.start for process in processes), []) for peer, processes in peers.items()}
    try:
        for peer, processes in peers.items():
            seconds[peer].first += sum(process.epoch() for process in processes)
        for _ in range(epochs):
            for peer, processes in peers.items():
                seconds[peer].epochs += timing.turn(partial(_epoch, processes), TURN)
    finally:
        for processes in peers.values():
            for process in processes:
                process.end()
    return seconds


def _epoch(processes: Sequence[Process]) -> float:
    return sum(process.epoch() for process in processes)


HEAD = ["net", *PEERS, "machine's limit", "first epoch", "measured on"]


def row(net: str, seconds: dict[str, Seconds], rate: float) -> str:
    """Median seconds per epoch with the factor relative to mlphys, and the time from start to the end of epoch 1."""
    ours = seconds["mlphys"].median()
    limit = operations(net) * SAMPLES / rate
    medians = [seconds[peer].median() if peer in seconds else None for peer in PEERS] + [limit]
    told = ["" if median is None else f"{median:.3f} ({median / ours:.2g}x)" for median in medians]
    first = f"{seconds['mlphys'].first:.1f}; Keras {seconds['Keras fit, as shipped'].first:.1f}"
    return (
        f"| {net}: {NETS[net]['about']} | {' | '.join([f'{ours:.3f}', *told[1:], first, timing.machine_line(rate)])} |"
    )


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

    rate = timing.rate_of_the_machine()
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
