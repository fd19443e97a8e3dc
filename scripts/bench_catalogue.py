"""Time an epoch of every config in configs/ beside Keras's `fit` of the same net.

python -m scripts.bench_catalogue                  all that are not measured yet; a page in docs/catalogue-speed.md
python -m scripts.bench_catalogue --again spirals  measure these, measured or not

Keras trains the layers, the cost and the optimizer of the config by `compile` and `fit`, as shipped, and tuned with
`steps_per_execution` for a whole epoch. Each trains in a process of its own, in turns, so that other load affects both.
An epoch is one pass over the samples, also where the config counts steps, and has fewer samples where Keras would need
much longer than a second. Validation and early stopping are left out on both sides; history and checkpoints are
included in ours. Keras distorts images by its layers RandomRotation, RandomZoom and RandomTranslation, and adds noise
by GaussianNoise; it gets other corrupted samples, elastic distortions and fresh samples for nothing: it trains the same
ones in every epoch.
The first epoch includes compilation and is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import marked_tables, timing
from scripts.readable_json import readable
from scripts.timing import Process

if TYPE_CHECKING:
    from mlphys.config.experiment import ResolvedExperiment
    from mlphys.networks.phases import Gradient, Plan
    from mlphys.schema.samples import Splits

DOCUMENT = marked_tables.ROOT / "docs" / "catalogue-speed.md"
PERFORMANCE = marked_tables.ROOT / "docs" / "performance.md"
VALUES = DOCUMENT.with_suffix(".json")
CONFIGS = marked_tables.ROOT / "configs"
TURN = 1.0  # seconds, at least: threads of the previous peer spin for a while after their work
STEP_SECONDS = 1.2e-3  # of Keras between two steps, about, from which the samples of an epoch follow
SHARE = 0.2  # of the machine's limit that Keras reaches, about


@dataclass(frozen=True)
class Measured:
    """The values of a config: `turns` has seconds of epochs by peer and turn, of all phases together.

    `fixed`: a phase leaves some of its layers as they are. `limit`: seconds of an epoch if every operation ran as fast
    as in a large matrix product; None where the layers do not say how many there are. `drawn`: every epoch has samples
    of its own.
    """

    batch_size: str
    samples: int
    phases: int
    steps: list[str]
    fixed: bool
    limit: float | None
    rate: float
    machine: str
    turns: dict[str, list[list[float]]]
    drawn: bool = False

    def seconds(self, peer: str) -> float:
        """The fastest epoch: other work on the machine only makes epochs slower. The median where samples are drawn,
        which a thread does ahead of an epoch, also in the turns of others."""
        epochs = [epoch for turn in self.turns[peer] for epoch in turn]
        return statistics.median(epochs) if self.drawn else min(epochs)

    def ratio(self, peer: str) -> float:
        """How many times faster than a peer."""
        return self.seconds(peer) / self.seconds("mlphys")

    def ratios(self, peer: str) -> list[float]:
        """How many times faster than a peer turn by turn, by the medians of their epochs."""
        pairs = zip(self.turns[peer], self.turns["mlphys"], strict=True)
        return [statistics.median(theirs) / statistics.median(ours) for theirs, ours in pairs]


def loaded(name: str) -> ResolvedExperiment:
    """A config that starts from its own weights: its speed does not depend on them."""
    from mlphys.config.load import load

    starts = ("training.initial=null",) if "initial" in _block(name, "training") else ()
    return load(CONFIGS / f"{name}.yaml", starts)


def _block(name: str, block: str) -> Mapping[str, Any]:
    import yaml

    content: Mapping[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    return content.get(block) or {}


def source(name: str) -> str | None:
    """The config whose run has the encoder that this one keeps."""
    encoder = _block(name, "model").get("encoder")
    return encoder.get("run") if isinstance(encoder, dict) else None


def draws(content: object) -> bool:
    """Whether a config draws its samples, their distortions or their noise anew in every epoch."""
    if isinstance(content, list):
        return any(map(draws, content))
    if not isinstance(content, dict):
        return False
    corruption = content.get("corruption")
    noisy = bool(corruption) and not corruption.get("fixed")
    return bool(content.get("fresh") or content.get("augmentation") or noisy) or any(map(draws, content.values()))


def plans(config: ResolvedExperiment) -> list[Plan]:
    return config.experiment.model.plans(config.experiment.training, config.net_input)


def distinct(plans: Sequence[Plan]) -> list[list[int]]:
    """The numbers of phases with the same layers, terms and settings: they take the same time."""
    groups: dict[str, list[int]] = {}
    for number, plan in enumerate(plans):
        shapes = [(row.layer, row.input_shape, row.tied_to is None) for row in plan.rows or ()]
        alike = (number if plan.rows is None else shapes, [str(term) for term in plan.terms], plan.settings)
        groups.setdefault(repr((alike, len(plan.trained), plan.most_samples)), []).append(number)
    return list(groups.values())


def samples_of_an_epoch(plans: Sequence[Plan], available: int, rate: float) -> int:
    """As many whole batches as Keras trains in about a second, or all there are."""
    from mlphys.training.backend import batch_size

    counts = []
    for plan in plans:
        size = batch_size(plan, available)
        step = STEP_SECONDS + timing.operations(plan.rows or ()) * size / (SHARE * rate)
        counts.append(size * max(1, round(1 / step)))
    return min(available, max(counts))


# The processes of the peers


def gradient(name: str, number: int, samples: int) -> tuple[Gradient, Any]:
    """A phase that never ends, and a training with the samples of an epoch, without validation."""
    from mlphys.commands.prepared_run import operation_threads
    from mlphys.data import preprocessing, splits
    from mlphys.networks import tensorflow
    from mlphys.networks.phases import Gradient
    from mlphys.runs.writer import RunWriter
    from mlphys.training import epoch_data
    from mlphys.training.loop import Training
    from mlphys.training.progress import Silence

    config = loaded(name)
    tensorflow.configure(operation_threads(config))
    experiment, kind = config.experiment, config.experiment.model
    dataset = _cut(config.dataset(), samples)
    fitted = preprocessing.fit_splits(experiment.data, dataset.train)
    dataset = replace(dataset, train=splits.weighted_for_training(experiment.data, dataset.train))
    seen = fitted.dataset(dataset)
    network = kind.build(config.net_input, experiment.seed)
    phases = kind.phases(experiment.training, config.net_input, network, seen.train)
    phase = [phase for phase in phases if isinstance(phase, Gradient)][number]
    endless = {"epochs": 10**9, "early_stopping": None, "reduce_lr_on_plateau": None, "steps_per_epoch": None}
    settings = phase.settings.model_copy(update=endless)
    phase = replace(phase, plan=replace(phase.plan, settings=settings))
    writer = RunWriter(Path(tempfile.mkdtemp(dir=os.getcwd())))
    feed = epoch_data.feed(config, dataset, fitted)
    return phase, Training(network, [phase], seen, feed, experiment.seed, {}, writer, Silence())


def _cut(dataset: Splits, samples: int) -> Splits:
    none = dataset.validation.at(slice(0))
    return replace(dataset, train=dataset.train.at(slice(samples)), validation=none, test=none)


def train_mlphys(phase: Gradient, training: Any) -> None:
    from mlphys.training.loop import PhaseInTraining

    under_way, split = PhaseInTraining(training, phase, 0, None), training.dataset.train
    print("ready", len(phase.prepare(split) if phase.prepare else split), flush=True)
    for epoch in timing.waited_for():
        under_way.epoch(epoch + 1)


def distortions(name: str) -> list[Any]:
    """Keras's layers that distort images as the config says; none where Keras has no such layer."""
    import keras

    config = loaded(name)
    wanted = config.experiment.training.augmentation
    if wanted is None or wanted.elastic:
        return []
    height, width, _ = config.net_input.shape
    low, high = wanted.scale
    edges = {"fill_mode": wanted.edges}
    layers = []
    if wanted.rotation:
        layers.append(keras.layers.RandomRotation(wanted.rotation / 360, **edges))
    if (low, high) != (1.0, 1.0):
        layers.append(keras.layers.RandomZoom((1 / high - 1, 1 / low - 1), **edges))
    if wanted.shift:
        layers.append(keras.layers.RandomTranslation(wanted.shift / height, wanted.shift / width, **edges))
    return [*layers, *([keras.layers.GaussianNoise(wanted.noise)] if wanted.noise else [])]


def train_keras(phase: Gradient, training: Any, tuned: bool, distorting: Sequence[Any]) -> None:
    """The layers and the cost of a phase in a Keras model: what its `fit` adds is what is compared."""
    import keras

    from mlphys.networks import gibbs_sampling
    from mlphys.networks.cost import mean_loss
    from mlphys.numerics import chunked
    from mlphys.schema.samples import Split
    from mlphys.training.backend import batch_size
    from mlphys.training.corruption import Corrupter

    gibbs_sampling.is_compiled = lambda: False

    class Same(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = list(phase.network.keras_models().values())
            self.built = True

        @property
        def trainable_variables(self) -> list[Any]:
            return list(phase.trained)

        trainable_weights = trainable_variables

        def call(self, x: Any) -> Any:
            return x  # the cost below takes the samples through the layers

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: Any = True
        ) -> Any:
            for each in distorting:
                x = each(x, training=True)
            values, penalty = phase.cost(x, y, True, sample_weight)
            return mean_loss(values) + penalty

    split = training.dataset.train
    split = phase.prepare(split) if phase.prepare else split
    if corruption := phase.corruption:
        if corruption.GaussianNoise and not (corruption.fixed or corruption.clip):
            distorting = [keras.layers.GaussianNoise(corruption.GaussianNoise.stddev)]
            split = Split(chunked.read(split.x), chunked.read(split.x))
        else:
            split = Corrupter(corruption, 0, "bench")(split)

    size = batch_size(phase.plan, len(split))
    model = Same()
    model.compile(phase.optimizer, **({"steps_per_execution": -(-len(split) // size)} if tuned else {}))
    weights = {} if split.weights is None else {"sample_weight": split.weights}
    timing.fit_on_demand(model, chunked.read(split.x), split.y, batch_size=size, **weights)


def work(peer: str, name: str, number: int, samples: int) -> None:
    given = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    import mlphys  # noqa: F401 - it chooses oneDNN, which Keras's peers do not leave to it

    if peer != "mlphys":
        del os.environ["TF_ENABLE_ONEDNN_OPTS"]
        os.environ |= {} if given is None else {"TF_ENABLE_ONEDNN_OPTS": given}
    phase, training = gradient(name, number, samples)
    if peer == "mlphys":
        train_mlphys(phase, training)
    else:
        train_keras(phase, training, peer.endswith("tuned"), distortions(name))


# Measuring


def measured(name: str, turns: int, rate: float, folder: Path) -> Measured:
    """The seconds of a config's epochs, the peers in turn. Raises SystemExit where a process fails."""
    from mlphys.schema.shapes import weight_shapes
    from mlphys.training.backend import choose

    config = loaded(name)
    of_phases = plans(config)
    available = len(config.dataset().train)
    samples = samples_of_an_epoch(of_phases, available, rate)
    groups = distinct(of_phases)
    sizes: list[int] = []
    seconds: dict[str, list[list[float]]] = {peer: [] for peer in timing.PEERS}
    with ExitStack() as stack:
        epochs = {}
        for peer, environment in timing.PEERS.items():
            processes = []
            for group in groups:
                arguments = ("--worker", peer, str(group[0]), str(samples), name)
                process = Process("scripts.bench_catalogue", arguments, environment, folder)
                stack.callback(process.end)
                processes.append((len(group), process))
                if peer == "mlphys":
                    trained = int(process.ready.split()[1])  # of a class, or of those with a label
                    sizes.append(len(group) * timing.operations(of_phases[group[0]].rows or ()) * trained)
            epochs[peer] = _epoch_of(processes)
            epochs[peer]()  # compiles
        for _ in range(turns):
            for peer, epoch in epochs.items():
                seconds[peer].append(quantiles(timing.turn(epoch, TURN)))
    return Measured(
        batch_size=str(config.experiment.training.batch_size),
        samples=samples,
        phases=len(of_phases),
        steps=list(dict.fromkeys(str(choose(plan, available)) for plan in of_phases)),
        fixed=any(plan.rows is not None and set(plan.trained) < set(weight_shapes(plan.rows)) for plan in of_phases),
        limit=sum(sizes) / rate if all(sizes) else None,
        rate=rate,
        machine=timing.machine_line(rate),
        turns=seconds,
        drawn=any(draws(_block(name, block)) for block in ("data", "model", "training")),
    )


def quantiles(epochs: Sequence[float]) -> list[float]:
    """The seconds of up to five epochs; of more the smallest, the quartiles and the largest. With five digits."""
    ranked, quarters = sorted(epochs), range(5)
    chosen = [ranked[i * (len(ranked) - 1) // 4] for i in quarters] if len(ranked) > len(quarters) else epochs
    return [float(f"{each:.5g}") for each in chosen]


def _epoch_of(processes: Sequence[tuple[int, Process]]) -> Callable[[], float]:
    """An epoch of each process; its seconds, each as often as there are phases like it."""
    return lambda: sum(count * process.epoch() for count, process in processes)


def prepare(name: str, folder: Path) -> None:
    """Train what a config takes its encoder from, one epoch, into the runs/ of `folder`."""
    needed = source(name)
    if needed is None or (folder / "runs" / needed).is_dir():
        return
    command = [sys.executable, "-m", "mlphys", "train", str(CONFIGS / f"{needed}.yaml"), "--quiet", "--no-report"]
    environment = {**os.environ, "PYTHONPATH": str(marked_tables.ROOT)}
    subprocess.run([*command, "--set", "training.epochs=1"], cwd=folder, env=environment, check=True)


# The page


HEAD = [
    "config", "batch", "mlphys", "Keras fit, as shipped", "Keras fit, tuned",
    "faster than shipped", "faster than tuned", "ceiling", "of the limit", "steps by",
]  # fmt: skip


SAME = "## The same samples in every epoch\n\nAs Keras trains them."
DRAWN = (
    "## New samples in every epoch\n\nSamples, distortions or noise of its own. Drawing them is in the time of mlphys. "
    "Keras rotates, magnifies and shifts images and adds Gaussian noise by its own layers; samples and other "
    "corruptions of the first epoch it trains again and again. Seconds are medians, since a thread draws ahead."
)
FIXED = "## Some layers fixed\n\nA phase trains some of the layers, the others stay as they are."


def table(results: Mapping[str, Measured]) -> str:
    rows = [HEAD, ["---"] * len(HEAD), *(row(name, found) for name, found in sorted(results.items()))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def row(name: str, found: Measured) -> list[str]:
    """Seconds per epoch, and ratios with the quartiles of those of the turns."""
    ours = found.seconds("mlphys")
    limit = found.limit
    return [
        f"{name} ({found.phases} phases)" if found.phases > 1 else name,
        found.batch_size,
        *(f"{found.seconds(peer):.3g}" for peer in timing.PEERS),
        *(_with_spread(found.ratio(peer), found.ratios(peer)) for peer in list(timing.PEERS)[1:]),
        f"{found.seconds('Keras') / limit:.3g}" if limit else "",
        f"{limit / ours:.0%}" if limit else "",
        "; ".join(text.removeprefix("steps by ") for text in found.steps).replace("|", "\\|"),
    ]


def _with_spread(ratio: float, of_turns: Sequence[float]) -> str:
    low, _, high = statistics.quantiles(of_turns, n=4, method="inclusive")
    return f"{ratio:.2g} ({low:.2g} to {high:.2g})"


def summary(results: Mapping[str, Measured]) -> str:
    """The geometric means, and the slowest configs."""
    shipped, tuned = ({name: found.ratio(peer) for name, found in results.items()}
                      for peer in list(timing.PEERS)[1:])  # fmt: skip
    slowest = ", ".join(f"{name} {shipped[name]:.2g}x" for name in sorted(shipped, key=shipped.__getitem__)[:5])
    means = [statistics.geometric_mean(ratios.values()) for ratios in (shipped, tuned)]
    machines = "; ".join(dict.fromkeys(found.machine.rpartition(",")[0] for found in results.values()))
    number = f"{len(results)} configs" if len(results) > 1 else "One config"
    return (
        f"{number}, on {machines}. Geometric means: {means[0]:.2g} times as fast as Keras's `fit` as shipped, "
        f"{means[1]:.2g} times as fast as tuned. The slowest: {slowest}."
    )


def grouped(results: Mapping[str, Measured]) -> dict[str, dict[str, Measured]]:
    """By the title of their table."""
    groups: dict[str, dict[str, Measured]] = {SAME: {}, DRAWN: {}, FIXED: {}}
    for name, measurement in results.items():
        group = FIXED if measurement.fixed else DRAWN if measurement.drawn else SAME
        groups[group][name] = measurement
    return groups


def page(results: Mapping[str, Measured]) -> str:
    """The tables: nets that take the same samples in every epoch, new ones, and those that keep some layers."""
    parts = [part for title, nets in grouped(results).items() if nets for part in (title, summary(nets), table(nets))]
    return "\n\n".join(parts) or "No config is measured yet."


def known() -> dict[str, Measured]:
    """What was measured before."""
    return (
        {name: Measured(**values) for name, values in json.loads(VALUES.read_text()).items()} if VALUES.exists() else {}
    )


def write(results: Mapping[str, Measured]) -> None:
    VALUES.write_text(readable({name: asdict(results[name]) for name in sorted(results)}))
    marked_tables.write_table(DOCUMENT, "bench_catalogue", page(results))
    marked_tables.write_table(PERFORMANCE, "bench_catalogue", summary(grouped(results)[SAME]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", help="names of configs; default all that are trained in steps")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="measure also what is measured already")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        peer, number, samples = arguments.worker
        work(peer, arguments.configs[0], int(number), int(samples))
        return
    from mlphys.errors import UserError

    results, rate = known(), 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.chdir(folder)  # where runs/ is that of the configs' sources
        for name in arguments.configs or sorted(path.stem for path in CONFIGS.glob("*.yaml")):
            if name in results and not arguments.again:
                continue
            try:
                prepare(name, folder)
                if not plans(loaded(name)):
                    print(f"{name}: is not trained in steps")
                    continue
                rate = rate or timing.rate_of_the_machine()
                results[name] = measured(name, arguments.turns, rate, folder)
            except (UserError, SystemExit) as error:
                print(f"{name}: not measured: {error}", file=sys.stderr)
                continue
            print(f"| {' | '.join(row(name, results[name]))} |", flush=True)
            write(results)


if __name__ == "__main__":
    main()
