"""Small runs for plots: from arrays with the attributes of RunView, or written as files."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from click.testing import CliRunner

from mlphys.cli import main
from mlphys.commands import evaluate
from mlphys.config.load import load
from mlphys.data import preprocessing, splits
from mlphys.data.preprocessing import Preprocessing
from mlphys.models.classifier import Classifier
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema.document import dump
from mlphys.schema.layers import Conv2D, Dense, Flatten, Layer
from mlphys.schema.samples import Split, Splits
from mlphys.schema.shapes import Row, trace

CLASSES = [str(digit) for digit in range(10)]


@dataclass(frozen=True)
class MadeRun:
    path: Path = Path("runs/made/1")
    name: str = "made/1"
    config: Any = field(default_factory=lambda: config(monitor="validation_accuracy"))
    rows: list[Row] = field(default_factory=list)
    history: list[dict[str, str | float]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=lambda: {"state": "done", "best_epoch": 2, "epochs": 3})
    data: dict[str, Any] = field(default_factory=lambda: {"shape": [4, 4, 1], "classes": CLASSES})
    metrics: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    of_split: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    train: Split | None = None
    trained: Any = None

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing((), tuple(self.data["shape"]), ())

    def dataset(self) -> Splits:
        assert self.train is not None
        return Splits(self.train, self.train, self.train)

    def predictions(self, split: str) -> dict[str, np.ndarray] | None:
        return self.of_split.get(split)

    def robustness(self, name: str) -> dict[str, Any] | None:
        return self.curves.get(name)

    def best_split(self) -> str:
        return "test" if "test" in self.of_split else "validation"

    shown_split = Run.shown_split


def config(monitor: str | None) -> SimpleNamespace:
    stopping = None if monitor is None else SimpleNamespace(monitor=monitor)
    return SimpleNamespace(
        name="made",
        data=SimpleNamespace(preprocess=[], feature_names=lambda: (), target_scaling=None),
        training=SimpleNamespace(early_stopping=stopping, phases=None),
        model=Classifier.model_validate(Classifier.example()),
    )


def history(losses: list[float], phase: str = "train") -> list[dict[str, str | float]]:
    """Epochs with these losses, an accuracy of 1 - loss, and a validation that is .01 worse."""
    return [
        {
            "phase": phase, "epoch": epoch, "seconds": 1.0, "loss": loss, "accuracy": 1 - loss,
            "validation_loss": loss + 0.01, "validation_accuracy": 0.99 - loss, "learning_rate": 0.1,
        }
        for epoch, loss in enumerate(losses, start=1)
    ]  # fmt: skip


def tracked(losses: list[float], rows: list[Row]) -> list[dict[str, str | float]]:
    """A history with the tracked columns of layers."""
    columns = [
        f"{name}.{row.name}"
        for name in ("gradient_norm", "saturation", "weight_norm")
        for row in rows
        if row.weight_shapes()
    ]
    return [row | dict.fromkeys(columns, 0.1) for row in history(losses)]


def predictions(
    labels: list[int], guesses: list[int], sureness: list[float], shape: tuple[int, ...] = (4, 4, 1)
) -> dict[str, np.ndarray]:
    """Ten classes; `guesses` have the probability `sureness`, the others share the rest."""
    n = len(labels)
    probabilities = np.repeat((1 - np.array(sureness))[:, None] / 9, 10, axis=1)
    probabilities[np.arange(n), guesses] = sureness
    wrong = np.flatnonzero(np.array(labels) != guesses)
    shown = wrong[np.argsort(-np.array(sureness)[wrong], kind="stable")]
    images = np.linspace(0, 1, n * int(np.prod(shape))).reshape(n, *shape)[shown]
    losses = -np.log(probabilities[np.arange(n), labels])
    return {
        "labels": np.array(labels), "probabilities": probabilities, "losses": losses,
        "shown": shown, "images": images,
    }  # fmt: skip


def encoded(images: np.ndarray, outputs: np.ndarray, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions of an autoencoder for n samples, all of them shown and of class 0, 1, 2, ..., 9, 0, ..."""
    n = len(images)
    return {
        "labels": np.arange(n) % 10, "codes": codes,
        "shown": np.arange(n), "images": images, "reconstructions": outputs,
    }  # fmt: skip


def network(layers: list[Layer], shape: tuple[int, ...], **more: Any) -> MadeRun:
    """An untrained net: its weights count from -1 up in steps of 1/100."""
    rows = trace(layers, shape, ("model", "layers"))
    weights = {
        name: (np.arange(np.prod(size), dtype=np.float32).reshape(size) / 100 - 1)
        for row in rows
        for name, size in row.weight_shapes().items()
    }
    return MadeRun(rows=rows, weights=weights, **more)


@dataclass(frozen=True)
class Layers:
    """Layers that give ones."""

    rows: list[Row]

    def layers(self, x: np.ndarray) -> dict[str, np.ndarray]:
        return {row.name: np.ones((len(x), *row.output_shape)) for row in self.rows}


def pca_weights(mean: np.ndarray, vectors: np.ndarray, variances: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of a run of kind pca."""
    arrays = {"mean": mean, "components": vectors, "variances": variances}
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def complete(path: Path) -> MadeRun:
    """A run for plots that use only its files: images of two pixels, for plots of two features."""
    shape = (1, 2, 1)
    classified = predictions([3, 1, 2, 0], [8, 1, 2, 5], [0.9, 0.8, 0.7, 0.6], shape)
    images = {"images": classified["images"], "reconstructions": classified["images"] / 2}
    reconstruction = {"mse": 0.2, "mse_stderr": 0.01, "mean_image_mse": 0.4, "pca_mse": 0.3}
    net = network([Conv2D(filters=2, kernel_size=(1, 1)), Flatten(), Dense(units=10)], shape)
    components = pca_weights(np.zeros(2), np.eye(2), np.array([2.0, 1.0]))
    clusters = {"centroids": np.eye(2, dtype=np.float32), "shares": np.array([0.6, 0.4], np.float32)}
    return MadeRun(
        path=path,
        rows=net.rows,
        weights=net.weights | components | clusters,
        history=tracked([0.5, 0.3, 0.2], net.rows),
        data={"shape": list(shape), "classes": list(CLASSES), "target_shape": []},
        metrics={"test": {"loss": 0.3, "loss_stderr": 0.02, "accuracy": 0.5, "accuracy_stderr": 0.25} | reconstruction},
        curves={
            "shift": {
                "split": "test",
                "metric": "accuracy",
                "shift": [0, 1, 2],
                "accuracy": [0.9, 0.6, 0.2],
                "accuracy_stderr": [0.01, 0.02, 0.01],
            }
        },
        of_split={"test": classified | images | {"codes": np.eye(4, 3)}},
        train=Split(np.linspace(-1, 1, 40).reshape(20, *shape), np.arange(20) % 10),
        trained=Layers(net.rows),
    )


def real(config: dict[str, Any], folder: Path) -> Run:
    """A run that the command has trained in `folder`."""
    (folder / "config.yaml").write_text(dump(config))
    result = CliRunner().invoke(main, ["train", str(folder / "config.yaml"), "--out", str(folder / "run"), "--quiet"])
    assert result.exit_code == 0, result.output
    return Run(folder / "run")


# Four weights: the encoder's kernel (9, 2) and bias, the decoder's kernel (2, 9) and bias.
CODED = """
        data: {name: circles, size: 3, samples: 30, train: 20, validation: 10, test: 0}
        model: {kind: autoencoder, encoder: [{Dense: {units: 2}}], decoder: [{Dense: {units: 9}}]}
    """
# Small runs for plots that use the network.
ASKED = {
    "decision_boundary": """
        data: {name: moons, samples: 60}
        model: {kind: classifier, layers: [{Dense: {units: 2, activation: softmax}}]}
    """,
    "fit_1d": """
        data: {name: function_1d, function: sine, samples: 40}
        model: {kind: regressor, layers: [{Dense: {units: 2, activation: tanh}}, {Dense: {units: 1}}]}
    """,
    "image_fit": """
        data: {name: image_function, size: 12}
        model: {kind: regressor, layers: [{Dense: {units: 1}}]}
    """,
    "samples": """
        data: {name: digits, train: 40, validation: 10, test: 10}
        model: {kind: rbm, hidden: 3}
    """,
    "interpolation": CODED,
    "jacobian_spectrum": CODED,
    "reconstructions_by_code_size": CODED,
    "stages": """
        data: {name: circles, size: 3, samples: 30, train: 20, validation: 10, test: 0}
        model:
          kind: stacked_autoencoder
          stages: [{encoder: [{Dense: {units: 3}}]}, {encoder: [{Dense: {units: 2}}]}]
    """,
    "traversals": CODED,
    "loss_surface": """
        data: {name: line, validation: 0, test: 0}
        model: {kind: regressor, layers: [{Dense: {units: 1, bias_initializer: {Constant: {value: 11}}}}]}
    """,
}
PATH = [
    {"layers.0.Dense.kernel.0.0": 15.0, "layers.0.Dense.bias.0": 11.4},
    {"layers.0.Dense.kernel.0.0": 20.8, "layers.0.Dense.bias.0": 11.7},
]


def written(path: Path, text: str, weights: Sequence[np.ndarray] = (), rows: Sequence[dict[str, Any]] = ()) -> Run:
    """Write a run directory of the experiment `text` whose trained weights are `weights`, by default all 1."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "experiment.yaml").write_text(f"name: made\n{textwrap.dedent(text)}")
    loaded = load(path / "experiment.yaml")
    dataset = loaded.dataset()
    writer = RunWriter(path)
    writer.begin(loaded.experiment.model_dump(), splits.summary(dataset, loaded.experiment.data, loaded.description))
    for row in rows:
        writer.row(row)
    fitted = preprocessing.fit(loaded.experiment.data.preprocess, dataset.train.x)
    shapes = loaded.weight_shapes()
    values = weights or [np.ones(shape) for shape in shapes.values()]
    named = {
        name: np.reshape(value, shape).astype(np.float32)
        for (name, shape), value in zip(shapes.items(), values, strict=True)
    }
    writer.weights(named | fitted.named_arrays())
    writer.status("done")
    return Run(path)


def measured(run: Run) -> Run:
    """The run with the predictions and the metrics of its validation samples."""
    found = evaluate.measure(run.loaded, run.trained.network, run.preprocessing, run.dataset(), "validation")
    writer = RunWriter(run.path)
    writer.metrics({"validation": found[0]})
    writer.predictions("validation", found[1])
    return run


def walked(places: Sequence[dict[str, float]] = PATH) -> list[dict[str, Any]]:
    """The rows of a history that recorded the weights."""
    return [row | place for row, place in zip(history([1.0] * len(places)), places, strict=True)]
