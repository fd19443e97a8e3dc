"""The contract of kinds of models, as checks; each raises AssertionError."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlphys.errors import Refusal
from mlphys.networks.compiled import Mapped, Measurement
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import Network
from mlphys.networks.phases import Gradient
from mlphys.schema.data import Description
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training as Settings
from mlphys.training.backend import BACKENDS
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.loop import Training
from mlphys.training.progress import Silence
from tests.helpers.memory_writer import Memory

TEN = Description((8, 8, 1), tuple("0123456789"), 60, None)
THREE = replace(TEN, classes=("0", "1", "2"))  # a kind that trains a net for each class takes a third of the time
VALUES = replace(TEN, classes=(), target_shape=(2,))
SETTINGS = {"optimizer": {"SGD": {"learning_rate": 0.02}}, "batch_size": 20, "epochs": 2}
SEED = 3


class Example:
    """The example of a kind with samples that it can be trained on."""

    def __init__(self, kind: type[ModelKind]):
        spec = kind.model_validate(kind.example())
        self.training = Settings.model_validate(SETTINGS) if kind.ITERATIVE else Settings()
        self.training = self.training.model_copy(update={"loss": kind.DEFAULT_LOSS, "loss_per": spec.loss_per()})
        self.description = next(each for each in (THREE, TEN, VALUES) if self._takes(spec, each))
        self.spec = spec.completed(self.training, self.description, lambda: self.data.train.x)
        self.spec.check(self.training, self.description)

    def _takes(self, spec: ModelKind, description: Description) -> bool:
        try:
            spec.completed(self.training, description, lambda: self.data.train.x).check(self.training, description)
        except Refusal:
            return False
        return True

    @property
    def data(self) -> Splits:
        return Splits(*(samples(count, self.description, seed) for seed, count in enumerate((60, 40, 0))))

    def build(self, seed: int = 0) -> Network:
        return replace(self.spec.build(self.description, seed), compiles_in_xla=False)  # compiling takes the longest

    def train(self, network: Network, start: Checkpoint | None = None, memory: Memory | None = None) -> Memory:
        """Train all phases; return the outcome."""
        memory = memory or Memory()
        phases = self.spec.phases(self.training, self.description, network, self.data.train)
        training = Training(network, phases, self.data, None, 0, {}, memory, Silence())
        outcome = training.run(start)
        network.load_weights(outcome.weights)
        return memory

    def predictions(self, network: Network) -> dict[str, np.ndarray]:
        predict = Mapped(lambda x, y: self.spec.predictions(network, x), network.evaluated_at_once)
        return predict(samples(7, self.description, 9))


def samples(count: int, description: Description, seed: int) -> Split:
    """Images with a bright bar whose place is the class, or whose two coordinates are the target."""
    random = np.random.default_rng(seed)
    y = np.arange(count, dtype=np.int32) % (len(description.classes) or 10)
    x = random.uniform(0, 0.3, (count, *description.shape)).astype(np.float32)
    for image, label in zip(x, y, strict=True):
        image[label % 8, 4 * (label // 8) :] += 0.6
    targets = np.stack([y % 8, y // 8], axis=1).astype(np.float32) / 8
    return Split(x, y if description.classes else targets)


def shapes_are_as_promised(kind: type[ModelKind]) -> None:
    example = Example(kind)
    network, description = example.build(), example.description
    built = {name: tuple(variable.shape) for name, variable in network.weights.items()}
    assert built == example.spec.weight_shapes(description)
    shapes = {name: value.shape for name, value in example.predictions(network).items()}
    promised = example.spec.prediction_shapes(description)
    assert shapes == {name: (7, *shape) for name, shape in promised.items()}
    pictures = Mapped(lambda x, y: example.spec.image_outputs(network, x), network.evaluated_at_once)
    if promised := example.spec.image_output_shapes(description):
        seen = {name: value.shape for name, value in pictures(samples(7, description, 9)).items()}
        assert seen == {name: (7, *shape) for name, shape in promised.items()}


@dataclass(frozen=True)
class Trained:
    """The example of a kind, built and trained; `kept` has its checkpoints."""

    example: Example
    network: Network
    initial: dict[str, np.ndarray]
    kept: Memory


def train_example(kind: type[ModelKind]) -> Trained:
    example = Example(kind)
    network = example.build(SEED)
    initial = {name: value.copy() for name, value in network.weight_arrays().items()}
    return Trained(example, network, initial, example.train(network))


# tracing takes most of the time of these trainings: checks that change no weight look at the same one
trained_once = functools.lru_cache(maxsize=1)(train_example)


def the_seed_decides_every_byte(kind: type[ModelKind]) -> None:
    found = []
    for trained in (trained_once(kind), train_example(kind)):
        weights = (*trained.initial.values(), *trained.network.weight_arrays().values())
        found.append([value.tobytes() for value in weights])
    assert found[0] == found[1]


def a_step_lowers_the_loss(kind: type[ModelKind]) -> None:
    example = Example(kind)
    network = example.build()
    for phase in example.spec.phases(example.training, example.description, network, example.data.train):
        if not isinstance(phase, Gradient):
            continue
        seen = phase.prepare(example.data.train) if phase.prepare else example.data.train
        before = Measurement(phase, seen).means()["loss"]
        step(phase, seen)
        assert Measurement(phase, seen).means()["loss"] < before


def step(phase: Gradient, seen: Split, backend: Any = BACKENDS[-1]) -> list[np.ndarray]:
    """One step with all samples; return the change of each trained weight."""
    phase.optimizer.build(list(phase.trained))
    variables = {f"weights/{name}": variable for name, variable in phase.network.weights.items()}
    variables |= {f"optimizer/{i}": variable for i, variable in enumerate(phase.optimizer.variables)}
    variables |= {f"state/{name}": variable for name, variable in phase.network.state.items()}
    before = [variable.numpy() for variable in phase.trained]
    steps = backend(phase, len(seen), len(seen), variables)
    steps.set_samples(seen)
    steps.begin(np.arange(len(seen), dtype=np.int32), {name: np.ones(2, np.uint32) for name in phase.network.seeds})
    steps.train(0, 1)
    steps.sync_network()
    return [variable.numpy() - old for variable, old in zip(phase.trained, before, strict=True)]


def every_backend_that_accepts_it_takes_the_same_step(kind: type[ModelKind]) -> None:
    moved: list[list[list[np.ndarray] | None]] = []
    start = Example(kind).build().weight_arrays()
    for backend in BACKENDS:
        example = Example(kind)
        network, found = example.build(), []
        network.load_weights(start)
        for phase in example.spec.phases(example.training, example.description, network, example.data.train):
            if isinstance(phase, Gradient):
                seen = phase.prepare(example.data.train) if phase.prepare else example.data.train
                accepted = backend.refusal(phase.plan, len(seen), ()) is None
                before = network.weight_arrays()
                found.append(step(phase, seen, backend) if accepted else None)
                network.load_weights(before)
        moved.append(found)
    for others in moved[:-1]:
        for ours, theirs in zip(others, moved[-1], strict=True):
            for own, expected in zip(ours or [], theirs or [], strict=bool(ours)):
                np.testing.assert_allclose(own, expected, rtol=1e-3, atol=1e-7)


def all_that_a_step_changes_is_a_named_variable(kind: type[ModelKind]) -> None:
    """Training resumed from a checkpoint in the middle ends with the same bytes."""
    first = trained_once(kind)
    middle = (len(first.kept.checkpoints) - 1) // 2
    for checkpoint in first.kept.checkpoints[middle : middle + 1]:  # a transform has none
        network = first.example.build(SEED)
        network.load_weights(first.initial)
        first.example.train(network, checkpoint)
        expected = first.network.weight_arrays()
        for name, value in network.weight_arrays().items():
            assert value.tobytes() == expected[name].tobytes(), name


def saved_and_restored_is_equal(kind: type[ModelKind]) -> None:
    first = trained_once(kind)
    other = first.example.build(seed=5)
    other.load_weights({name: value.copy() for name, value in first.network.weight_arrays().items()})
    theirs = first.example.predictions(other)
    for name, value in first.example.predictions(first.network).items():
        assert value.tobytes() == theirs[name].tobytes(), name


CHECKS = (
    shapes_are_as_promised,
    the_seed_decides_every_byte,
    a_step_lowers_the_loss,
    every_backend_that_accepts_it_takes_the_same_step,
    all_that_a_step_changes_is_a_named_variable,
    saved_and_restored_is_equal,
)
