"""Time epochs against the number of samples, the width of a net and the batch, beside Keras's `fit`.

python -m scripts.bench_scale                  all points; the curves and a table in docs/performance.md
python -m scripts.bench_scale --axes width     those along one axis again
python -m scripts.bench_scale --quick          a few small points, to stdout

A dense classifier of ten classes is trained on made-up samples in memory. At each point the peers train in turns, each
in a process of its own; the seconds are those of the fastest epoch, since other work on the machine only makes epochs
slower. The first epoch includes compilation and is left out. A point whose samples would need more than a third of the
memory is left out. The seconds of all turns are in docs/scale.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import marked_tables, timing
from scripts.readable_json import readable
from scripts.timing import Process

DOCUMENT = marked_tables.ROOT / "docs" / "performance.md"
PICTURE = marked_tables.ROOT / "docs" / "images" / "scale.png"
VALUES = marked_tables.ROOT / "docs" / "scale.json"
TURNS, TURN = 5, 1.0  # of each peer at a point, and the seconds that one takes at least
ENOUGH, FEWEST = 120.0, 2  # seconds at a point, after which so many turns do
CLASSES = 10


@dataclass(frozen=True)
class Point:
    """A net of one hidden layer, and how it is trained."""

    samples: int
    features: int = 784
    width: int = 100
    batch: int = 100

    @property
    def fits(self) -> bool:
        """Whether mlphys and Keras, which copies them, can keep the samples in memory."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return 4 * self.samples * self.features < memory / 3

    @property
    def steps(self) -> int:
        return math.ceil(self.samples / self.batch)


# Along each axis the other sizes stay what they are in the first point
AXES: dict[str, list[Point]] = {
    "samples": [Point(10**n, features=16, width=64) for n in range(3, 8)],
    "width": [Point(4000, width=2**n) for n in range(5, 13)],
    "batch": [Point(10_000, batch=batch) for batch in (1, 10, 100, 1000, 10_000)],
}
QUICK: dict[str, list[Point]] = {
    "samples": [Point(10**n, features=16, width=64) for n in (3, 4)],
    "width": [Point(1000, width=width) for width in (32, 256)],
    "batch": [Point(1000, batch=batch) for batch in (10, 1000)],
}


def samples(point: Point) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.random((point.samples, point.features), np.float32)
    return x, generator.integers(CLASSES, size=point.samples, dtype=np.int32)


def train_mlphys(point: Point) -> None:
    """An epoch of `mlphys train` without validation, history and checkpoint included."""
    from mlphys.config.experiment import MODELS
    from mlphys.networks import tensorflow
    from mlphys.runs.writer import RunWriter
    from mlphys.schema.data import Description
    from mlphys.schema.samples import Split, Splits
    from mlphys.schema.training import Training as Settings
    from mlphys.training import microbatches

    kind = MODELS["classifier"]
    hidden, last = ({"Dense": {"units": point.width, "activation": "relu"}}, {"Dense": {"units": CLASSES}})
    model = kind.model_validate({"kind": "classifier", "layers": [hidden, last, "Softmax"]})
    description = Description((point.features,), tuple(map(str, range(CLASSES))), point.samples, None)
    settings = Settings.model_validate({"optimizer": {"SGD": {"learning_rate": 0.1}}, "batch_size": point.batch})
    tensorflow.configure(microbatches.operation_threads(model.rows(description), point.batch))
    from mlphys.training.loop import PhaseInTraining, Training
    from mlphys.training.progress import Silence

    network, train = model.build(description, 0), Split(*samples(point))
    phases = model.phases(settings, description, network, train)
    splits = Splits(train, train.at(slice(0)), train.at(slice(0)))
    with tempfile.TemporaryDirectory() as folder:
        training = Training(network, phases, splits, None, 0, {}, RunWriter(Path(folder)), Silence())
        in_training = PhaseInTraining(training, phases[0], 0, None)
        print("ready", flush=True)
        for epoch in timing.waited_for():
            in_training.epoch(epoch + 1)


def train_keras(point: Point, **compiled: Any) -> None:
    """compile and fit as the lectures write it. mlphys is not imported: it would choose oneDNN."""
    import keras

    layers = [
        keras.Input((point.features,)),
        keras.layers.Dense(point.width, activation="relu"),
        keras.layers.Dense(CLASSES, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **compiled)
    timing.fit_on_demand(model, *samples(point), batch_size=point.batch)


def worker(peer: str, point: Point) -> None:
    match peer:
        case "mlphys":
            train_mlphys(point)
        case "Keras":
            train_keras(point)
        case _:
            train_keras(point, steps_per_execution=point.steps)


@dataclass(frozen=True)
class Measured:
    """Seconds of the fastest epoch by peer, turn by turn."""

    axis: str
    point: Point
    turns: dict[str, list[float]]

    @property
    def value(self) -> int:
        return int(getattr(self.point, self.axis))

    def seconds(self, peer: str) -> float:
        return min(self.turns[peer])

    def ratio(self, peer: str) -> float:
        """How many times faster than a peer."""
        return self.seconds(peer) / self.seconds("mlphys")


def measured(axis: str, point: Point, turns: int) -> Measured:
    arguments = json.dumps(asdict(point))
    processes = {
        peer: Process("scripts.bench_scale", ("--worker", peer, arguments), timing.PEERS[peer]) for peer in timing.PEERS
    }
    took: dict[str, list[float]] = {peer: [] for peer in timing.PEERS}
    try:
        for process in processes.values():
            process.epoch()
        began = time.monotonic()
        for number in range(turns):
            if number >= FEWEST and time.monotonic() - began > ENOUGH:
                break
            for peer, process in processes.items():
                took[peer].append(min(timing.turn(process.epoch, TURN)))
    finally:
        for process in processes.values():
            process.end()
    return Measured(axis, point, took)


def row(found: Measured) -> str:
    point = found.point
    cells = [f"{point.samples:,}", f"{point.features}-{point.width}-{CLASSES}", f"{point.batch:,}"]
    cells += [f"{found.seconds(peer):.3g} s" for peer in timing.PEERS]
    cells += [f"{found.ratio(peer):.3g}" for peer in ("Keras", "Keras, tuned")]
    return f"| {' | '.join(cells)} |"


HEAD = "| samples | net | batch | mlphys | Keras | Keras, tuned | ratio | ratio, tuned |\n|" + " --- |" * 8


def draw(points: Sequence[Measured], path: Path) -> None:
    """The seconds of an epoch along each axis, as a picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(AXES), figsize=(10, 3.2), layout="constrained")
    for panel, axis in zip(panels, AXES, strict=True):
        along = [found for found in points if found.axis == axis]
        for peer, style in zip(timing.PEERS, ("o-", "s--", "^:"), strict=True):
            panel.loglog([each.value for each in along], [each.seconds(peer) for each in along], style, label=peer)
        panel.set_xlabel(axis if axis != "width" else "width of the hidden layer")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("seconds an epoch")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def all_measured(axes: dict[str, list[Point]], turns: int) -> Iterator[Measured]:
    for axis, points in axes.items():
        for point in points:
            if point.fits:
                found = measured(axis, point, turns)
                print(row(found), flush=True)
                yield found


def known() -> list[Measured]:
    """What was measured before."""
    found = json.loads(VALUES.read_text()) if VALUES.exists() else []
    return [Measured(each["axis"], Point(**each["point"]), each["turns"]) for each in found]


def write(points: Sequence[Measured]) -> None:
    VALUES.write_text(readable([asdict(found) for found in points]))
    draw(points, PICTURE)
    table = "\n".join(
        [HEAD, *map(row, points), "", f"Measured on {timing.machine_line(timing.rate_of_the_machine())}."]
    )
    picture = f"![Seconds an epoch against samples, width and batch]({PICTURE.relative_to(DOCUMENT.parent)})"
    marked_tables.write_table(DOCUMENT, "bench_scale", f"{picture}\n\n{table}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few small points, to stdout")
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES), help="those to measure; default all")
    parser.add_argument("--worker", nargs=2, metavar=("PEER", "POINT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        peer, point = arguments.worker
        worker(peer, Point(**json.loads(point)))
        return
    print(HEAD)
    if arguments.quick:
        list(all_measured(QUICK, turns=1))
        return
    before = known()
    for axis in arguments.axes:
        points = list(all_measured({axis: AXES[axis]}, TURNS))
        before = [found for found in before if found.axis != axis] + points
        write(sorted(before, key=lambda found: list(AXES).index(found.axis)))


if __name__ == "__main__":
    main()
