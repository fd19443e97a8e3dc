"""A run directory, each part read on first use.

A run may come from a stranger: nothing in it is executed or unpickled, and what a file claims
of its size is compared with what the run should hold before memory is taken for it.
"""

from __future__ import annotations

import csv
import json
import os
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from mlphys import npz, provenance
from mlphys.config import Experiment, Loaded, fit
from mlphys.errors import UserError
from mlphys.preprocessing import Preprocessing, pictured_shape, restored
from mlphys.schema.data import Dataset, Description
from mlphys.schema.document import Document, dotted, read
from mlphys.schema.fields import Count, Whole
from mlphys.schema.messages import suggestion
from mlphys.schema.shapes import Row

if TYPE_CHECKING:
    from mlphys.trained import TrainedNetwork

LARGEST_TEXT = 2_000_000  # bytes of JSON
LARGEST_HISTORY = 64_000_000  # bytes
MOST_EPOCHS = 200_000
MOST_COLUMNS = 512
LARGEST_PREDICTIONS = 2_000_000_000  # bytes in memory
MOST_SHOWN = 100
MOST_AMOUNTS = 1000  # of shift or noise


def _printable(name: str) -> str:
    if not name.isprintable():  # it goes to the terminal
        raise ValueError
    return name


class SplitFacts(BaseModel):
    """What data.json holds of a split."""

    samples: Whole
    class_counts: dict[str, Whole]
    sha256: str


class TrainFacts(SplitFacts):
    """With the smallest and the largest value, which runs of earlier versions lack."""

    range: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)] | None = None


class Splits(BaseModel):
    """The three splits of data.json."""

    train: TrainFacts
    validation: SplitFacts
    test: SplitFacts


class DataFile(BaseModel):
    """The content of data.json."""

    name: str
    shape: Annotated[list[Count], Field(min_length=1)]
    classes: list[Annotated[str, AfterValidator(_printable)]]
    samples: Count
    test_samples: Count | None
    target_shape: list[Whole] = []
    splits: Splits
    files: list[dict[str, str | int]]


class StatusFile(BaseModel):
    """The content of status.json."""

    state: Literal["running", "interrupted", "diverged", "done"]
    phase: str | None
    epochs: Whole
    best_epoch: Whole | None
    stopped: Literal["early_stopping", "epochs", "target"] | None


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


class Run:
    """One run. Every property raises UserError, with the file's name, when its file is missing or damaged."""

    def __init__(self, path: Path, data: str | None = None):
        """`data` is where the samples are now, if not where they were."""
        self.path = path
        self._data = data
        self._datasets: dict[str | None, Dataset] = {}

    @property
    def name(self) -> str:
        """`conv_mnist/3`."""
        return f"{self.path.resolve().parent.name}/{self.path.resolve().name}"

    def study(self) -> list[Run]:
        """This run and the numbered ones in its folder, in the order of their numbers."""
        beside = numbered(self.path.resolve().parent)
        return beside if any(run.path == self.path.resolve() for run in beside) else [self, *beside]

    @cached_property
    def document(self) -> Document:
        self._regular(self.path / "config.yaml")
        return read(self.path / "config.yaml")

    @cached_property
    def loaded(self) -> Loaded:
        """The experiment and the data's description, as they were when it was trained."""
        return fit(self.document, self.description)

    @property
    def config(self) -> Experiment:
        return self.loaded.experiment

    @cached_property
    def description(self) -> Description:
        data = self.data
        return Description(
            tuple(data["shape"]),
            tuple(data["classes"]),
            data["samples"],
            data["test_samples"],
            tuple(data["target_shape"]),
        )

    @cached_property
    def rows(self) -> list[Row]:
        return self.loaded.rows()

    @cached_property
    def data(self) -> dict[str, Any]:
        return self._checked("data.json", DataFile)

    @cached_property
    def environment(self) -> dict[str, Any]:
        return self._json("environment.json")

    @property
    def status(self) -> dict[str, Any]:
        return self._checked("status.json", StatusFile)

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
            raise UserError(f"{path}: damaged; train the experiment anew") from None

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """The kept weights, the net's and preprocessing's, by name, compared with what the config says."""
        from safetensors import SafetensorError, safe_open

        path = self.path / "weights.safetensors"
        wanted = self.loaded.weights() | self.loaded.fitted()
        self._regular(path)
        try:
            with safe_open(path, framework="numpy") as file:
                slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
                shapes = {name: tuple(held.get_shape()) for name, held in slices.items() if held.get_dtype() == "F32"}
                if shapes != wanted:
                    name = sorted(set(shapes.items()) ^ set(wanted.items()))[0][0]
                    raise UserError(
                        f"{path}: does not fit config.yaml: {name} has shape {shapes.get(name, 'none')}, "
                        f"the config says {wanted.get(name, 'none')}; train the experiment anew"
                    )
                weights = {name: file.get_tensor(name) for name in wanted}
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: cannot be read: {error}; train the experiment anew") from None
        if not all(np.isfinite(value).all() for value in weights.values()):
            raise UserError(f"{path}: holds values that are not finite; train the experiment anew")
        return weights

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The steps between the data and the net, as they were fitted."""
        return restored(self.config.data.preprocess, self.description.shape, self.weights)

    @cached_property
    def trained(self) -> TrainedNetwork:
        """The network with its kept weights; TensorFlow is imported for it."""
        from mlphys.trained import TrainedNetwork

        return TrainedNetwork(self.loaded, self.weights, self.preprocessing)

    def dataset(self, path: str | None = None) -> Dataset:
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
        kind = self.config.kind()
        said = kind.prediction_shapes(self.config.model, description)
        wanted |= {name: (samples, *shape) for name, shape in said.items()}
        headers = npz.headers(path)
        shown = headers["shown"].shape[0] if "shown" in headers else 0
        image = pictured_shape(self.config.data.preprocess, self.description.shape)
        kept = list(kind.pictured_shapes(description)) if shown else []
        if shown and self.config.model.corrupts():
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
        metric = self.config.kind().MEASURED[0]
        columns = [curve.get(key) for key in (name, metric, f"{metric}_stderr")]
        if curve["metric"] != metric or None in columns or len({len(column or ()) for column in columns}) > 1:
            raise UserError(f"{path}: damaged; `mlphys evaluate {self.path} --{name} ...` writes it anew")
        return {key: value for key, value in curve.items() if value is not None}

    def best_split(self) -> str:
        """The split whose predictions the pictures show: test once it was evaluated."""
        return "test" if (self.path / "predictions_test.npz").exists() else "validation"

    def _checked(self, name: str, content: type[BaseModel]) -> dict[str, Any]:
        try:
            return content.model_validate(self._json(name)).model_dump()
        except ValidationError as error:
            where = dotted(error.errors()[0]["loc"])
            raise UserError(
                f"{self.path / name}: damaged: {where} is missing or wrong; train the experiment anew"
            ) from None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self._text(name))
        except (ValueError, RecursionError):
            raise UserError(f"{self.path / name}: damaged: not readable as JSON") from None
        if not isinstance(value, dict):
            raise UserError(f"{self.path / name}: damaged: expected an object of keys")
        return value

    def _text(self, name: str, largest: int = LARGEST_TEXT) -> str:
        path = self.path / name
        self._regular(path)
        try:
            with path.open("rb") as file:
                content = file.read(largest + 1)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        if len(content) > largest:
            raise UserError(f"{path}: larger than {largest} bytes, so not the file of a run")
        return content.decode("utf-8", errors="replace")

    def _regular(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError:
            raise UserError(f"{path}: not there; {self.path} is not a run, or an unfinished one") from None
        if not stat.S_ISREG(mode):
            raise UserError(f"{path}: not a regular file")


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
    for path in (Path(name), root / name):
        if os.path.exists(path / "config.yaml"):  # unlike Path's own, it answers for names of any length
            return Run(path)
        if runs := numbered(path):
            return runs[-1]
    known = sorted({run.path.parent.name for run in every(root)})
    have = f"; runs there are: {', '.join(known[:10])}" if known else "; there are no runs yet"
    raise UserError(f"{name}: no such run, neither as a folder nor under {root}/{have}{suggestion(name, known)}")


def every(root: Path = Path("runs")) -> list[Run]:
    """All runs under `root`, those of one name in the order of their numbers."""
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    return [run for folder in folders for run in numbered(folder)]


def finished(run: Run) -> Run:
    """`run`, unless its training is not done."""
    state = run.status.get("state")
    if state in ("done", "diverged"):
        return run
    raise UserError(
        f"{run.path}: its training is not finished ({state}, {run.status.get('epochs')} epochs so far); "
        f"`mlphys resume {run.path}` goes on"
    )


def numbered(folder: Path) -> list[Run]:
    """The runs `folder`/1, `folder`/2, ... in this order."""
    if not os.path.isdir(folder):
        return []
    paths = [path for path in folder.iterdir() if path.name.isdecimal() and (path / "config.yaml").is_file()]
    return [Run(path) for path in sorted(paths, key=lambda path: int(path.name))]


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
