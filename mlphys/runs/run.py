"""A run directory, each part read on first use.

A run may come from a stranger: nothing in it is executed or unpickled, and what a file claims
of its size is compared with what the run should hold before memory is taken for it.
"""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from mlphys import machine
from mlphys.config.experiment import Experiment, ResolvedExperiment
from mlphys.config.load import validate_run
from mlphys.data.preprocessing import Preprocessing, display_shape, fit, restored
from mlphys.errors import UserError
from mlphys.io import atomic, npz
from mlphys.io.run_files import PRETRAINED, WEIGHTS, RunFiles, located, members
from mlphys.runs import provenance
from mlphys.runs.unfinished import Unfinished, newest
from mlphys.schema.data import Splits
from mlphys.schema.messages import suggestion
from mlphys.schema.shapes import Row

if TYPE_CHECKING:
    from mlphys.runs.trained_network import TrainedNetwork

LARGEST_HISTORY = 64_000_000  # bytes
MOST_EPOCHS = 200_000
MOST_COLUMNS = 512
LARGEST_PREDICTIONS = 2_000_000_000  # bytes in memory
MOST_SHOWN = 100
MOST_AMOUNTS = 1000  # of shift or noise


FINISHED = ("done", "diverged")

Number = int | float | None


class MetricsFile(BaseModel):
    """The content of metrics.json: numbers by name for each split, and for each class those of `per_class`."""

    model_config = ConfigDict(extra="forbid")
    train: dict[str, Number | dict[str, dict[str, Number]]] | None = None
    validation: dict[str, Number | dict[str, dict[str, Number]]] | None = None
    test: dict[str, Number | dict[str, dict[str, Number]]] | None = None


Amounts = Annotated[list[Annotated[int | FiniteFloat, Field(ge=0)]], Field(min_length=1, max_length=MOST_AMOUNTS)]
Errors = Annotated[list[Annotated[FiniteFloat, Field(ge=0)] | None], Field(min_length=1, max_length=MOST_AMOUNTS)]


class RobustnessFile(BaseModel):
    """The content of analysis/shift.json and analysis/noise.json: a metric against the amount of one of them."""

    model_config = ConfigDict(extra="forbid")
    split: Literal["train", "validation", "test"]
    metric: Literal["accuracy", "mse"]
    shift: Amounts | None = None
    noise: Amounts | None = None
    accuracy: Amounts | None = None
    accuracy_stderr: Errors | None = None
    mse: Amounts | None = None
    mse_stderr: Errors | None = None


class Run(RunFiles):
    """One run. Every property raises UserError, with the file's name, when its file is missing or damaged."""

    def __init__(self, path: Path, data: str | None = None):
        """`data` is where the samples are now, if not where they were."""
        super().__init__(path)
        self._data = data
        self._datasets: dict[str | None, Splits] = {}

    @property
    def name(self) -> str:
        """`conv_mnist/3`."""
        return f"{self.path.resolve().parent.name}/{self.path.resolve().name}"

    def study(self) -> list[Run]:
        """This run and the numbered ones in its folder, in the order of their numbers."""
        beside = numbered(self.path.resolve().parent)
        return beside if any(run.path == self.path.resolve() for run in beside) else [self, *beside]

    @cached_property
    def loaded(self) -> ResolvedExperiment:
        """The experiment and the data's description, as they were when it was trained."""
        return validate_run(self.document, self.description)

    @property
    def config(self) -> Experiment:
        return self.loaded.experiment

    @cached_property
    def rows(self) -> list[Row]:
        return self.loaded.rows()

    @cached_property
    def environment(self) -> dict[str, Any]:
        return self._json("environment.json")

    @property
    def threads(self) -> int | None:
        """With how many it was trained; None where that is not written yet."""
        if not (self.path / "environment.json").exists():
            return None
        threads = self.environment.get("threads")
        if threads is None:
            return None
        if type(threads) is not int or not 1 <= threads <= machine.MOST_THREADS:
            raise UserError(
                f"{self.path / 'environment.json'}: damaged: threads is not 1 to {machine.MOST_THREADS}; "
                "train the experiment anew"
            )
        return threads

    @property
    def metrics(self) -> dict[str, Any]:
        """By split; empty before anything was measured."""
        if not (self.path / "metrics.json").exists():
            return {}
        return {name: facts for name, facts in self._checked("metrics.json", MetricsFile).items() if facts is not None}

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The rows of history.csv, numbers as numbers; empty for an untrained net."""
        path = self.path / "history.csv"
        if not path.exists():
            return []
        lines = self._text("history.csv", LARGEST_HISTORY).splitlines()
        try:
            if len(lines) > MOST_EPOCHS or not lines or lines[0].count(",") >= MOST_COLUMNS:
                raise ValueError
            rows = list(csv.DictReader(lines))
            if not rows or not {"phase", "epoch", "loss"} <= rows[0].keys():
                raise ValueError
            return [{name: _number(name, value) for name, value in row.items()} for row in rows]
        except (TypeError, ValueError, csv.Error):
            raise UserError(f"{path}: damaged; retrain the experiment") from None

    @cached_property
    def unfinished(self) -> Unfinished | None:
        """What can be measured of a training that was interrupted; None of a finished one."""
        if self.status.get("state") in FINISHED:
            return None
        return newest(self.path, self.loaded.weight_shapes())

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """The kept weights, the net's and preprocessing's, by name, compared with what the config says.

        Those of an interrupted training are its newest checkpoint's; preprocessing is fitted again.
        """
        if found := self.unfinished:
            steps = self.config.data.preprocess
            fitted = fit(steps, self.dataset().train.x).named_arrays() if self.loaded.fitted_shapes() else {}
            return {**found.weights, **fitted}
        return self.tensors(WEIGHTS, self.loaded.weight_shapes() | self.loaded.fitted_shapes())

    @cached_property
    def pretrained(self) -> dict[str, np.ndarray]:
        """What was taken from other runs before training began, by name; empty where nothing was."""
        wanted = self.loaded.pretrained_shapes()
        return self.tensors(PRETRAINED, wanted) if wanted else {}

    @property
    def initial(self) -> dict[str, np.ndarray]:
        """The net's weights that training began with, by name."""
        drawn = self.trained.initial
        return {name: self.pretrained.get(name, value) for name, value in drawn.items()}

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The steps between the data and the net, as they were fitted."""
        return restored(self.config.data.preprocess, self.description.shape, self.weights)

    @cached_property
    def trained(self) -> TrainedNetwork:
        """The network with its kept weights; TensorFlow is imported for it."""
        from mlphys.runs.trained_network import TrainedNetwork

        return TrainedNetwork(self.loaded, self.weights, self.preprocessing)

    def dataset(self, path: str | None = None) -> Splits:
        """The samples it was trained on and measured with; `path` names where they are now."""
        path = path or self._data
        if path not in self._datasets:
            self._datasets[path] = provenance.dataset(self.path, self.loaded, self.data, path)
        return self._datasets[path]

    def predictions(self, split: str) -> dict[str, np.ndarray] | None:
        """The arrays of predictions_<split>.npz, None where the split was not evaluated."""
        path = self.path / f"predictions_{split}.npz"
        if not path.exists():
            return None
        self._regular(path)
        samples, description = self.data["splits"][split]["samples"], self.loaded.net_input
        wanted = {"labels": (samples, *description.target_shape), "losses": (samples,)}
        kind = self.config.model
        said = kind.prediction_shapes(description)
        wanted |= {name: (samples, *shape) for name, shape in said.items()}
        headers = npz.headers(path)
        shown = headers["shown"].shape[0] if "shown" in headers else 0
        image = display_shape(self.config.data.preprocess, self.description.shape)
        kept = list(kind.image_output_shapes(description)) if shown else []
        if shown and self.config.model.input_corruption():
            kept += ["corrupted", "denoised"]
        pictured = {"images": image} | dict.fromkeys(kept, image)
        wanted |= {"shown": (shown,)} | {name: (shown, *shape) for name, shape in pictured.items()}
        if shown > MOST_SHOWN or {name: header.shape for name, header in headers.items()} != wanted:
            raise UserError(
                f"{path}: does not fit data.json; `mlphys evaluate {self.path} --split {split}` writes it anew"
            )
        arrays = npz.read(path, headers, LARGEST_PREDICTIONS)
        if not _sensible(arrays, len(description.classes)):
            raise UserError(
                f"{path}: holds impossible values; `mlphys evaluate {self.path} --split {split}` writes it anew"
            )
        return arrays

    def robustness(self, name: Literal["shift", "noise"]) -> dict[str, Any] | None:
        """The curve of analysis/<name>.json, None where it was not measured."""
        path = self.path / "analysis" / f"{name}.json"
        if not path.exists():
            return None
        curve = self._checked(f"analysis/{name}.json", RobustnessFile)
        metric = self.config.model.MEASURED[0]
        columns = [curve.get(key) for key in (name, metric, f"{metric}_stderr")]
        if curve["metric"] != metric or None in columns or len({len(column or ()) for column in columns}) > 1:
            raise UserError(f"{path}: damaged; `mlphys evaluate {self.path} --{name} ...` writes it anew")
        return {key: value for key, value in curve.items() if value is not None}

    def best_split(self) -> str:
        """The split whose predictions the pictures show: test once it was evaluated."""
        return "test" if (self.path / "predictions_test.npz").exists() else "validation"

    def shown_split(self) -> str:
        """The split whose samples the pictures show: the best one, or train where that is empty."""
        split = self.best_split()
        return split if self.data["splits"][split]["samples"] else "train"


def _number(name: str, value: str) -> Any:
    if name == "phase":
        return value
    if name == "epoch":
        return int(value)
    return float(value) if value else None  # other phases have other metrics


def _sensible(arrays: dict[str, np.ndarray], classes: int) -> bool:
    """Whether labels and indices are in range and all numbers finite."""
    below = {"shown": len(arrays["labels"])} | ({"labels": classes} if classes else {})
    return all(
        array.dtype.kind == "i" and bool(((array >= 0) & (array < below[name])).all())
        if name in below
        else array.dtype.kind == "f" and bool(np.isfinite(array).all())
        for name, array in arrays.items()
    )


def find(name: str | None, root: Path = Path("runs")) -> Run:
    """The run at a path, or of a name under `root` (its newest); None is the finished run that started last."""
    if name is None:
        finished = [run for run in every(root) if _state(run) == "done"]
        if not finished:
            raise UserError(f"no finished run under {root}/; `mlphys train CONFIG` makes one")
        return max(finished, key=_started)
    if found := located(name, root):
        return Run(found)
    known = sorted({run.path.parent.name for run in every(root)})
    have = f"; runs there are: {', '.join(known[:10])}" if known else "; there are no runs yet"
    raise UserError(f"{name}: no such run, neither as a folder nor under {root}/{have}{suggestion(name, known)}")


def every(root: Path = Path("runs")) -> list[Run]:
    """All runs under `root`, those of one name in the order of their numbers."""
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    return [run for folder in folders for run in numbered(folder)]


def finished(run: Run) -> Run:
    """`run`, unless its training is not done and left nothing to measure, or goes on now."""
    state = run.status.get("state")
    if state in FINISHED:
        return run
    if atomic.held(run.path):
        raise UserError(
            f"{run.path}: is being trained now ({run.status.get('epochs')} epochs so far); wait for it, or stop it"
        )
    if run.unfinished:
        return run
    raise UserError(
        f"{run.path}: its training is not finished ({state}, {run.status.get('epochs')} epochs so far); "
        f"`mlphys resume {run.path}` continues it"
    )


def numbered(folder: Path) -> list[Run]:
    """The runs `folder`/1, `folder`/2, ... in this order."""
    return [Run(path) for path in members(folder)]


def _state(run: Run) -> str | None:
    try:
        return run.status.get("state")
    except UserError:
        return None


def _started(run: Run) -> str:
    try:
        return str(run.environment.get("started", ""))
    except UserError:
        return ""
