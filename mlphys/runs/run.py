"""A run directory, each file read on first use.

A run may be untrusted: nothing in it is executed or unpickled, and claimed sizes are compared with the expected ones
before memory is allocated.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlphys import machine
from mlphys.config.experiment import Experiment, ResolvedExperiment
from mlphys.config.load import validate_run
from mlphys.data.preprocessing import Preprocessing, display_shape, fit_splits, restored_for
from mlphys.errors import UserError
from mlphys.io import atomic, history, npz
from mlphys.io.run_files import PRETRAINED, WEIGHTS, RunFiles, located, members
from mlphys.io.run_folder import STUDY
from mlphys.runs import provenance, snapshots
from mlphys.runs.measured_files import MetricsFile, RobustnessFile
from mlphys.runs.snapshots import Snapshots
from mlphys.runs.unfinished import Unfinished, newest
from mlphys.schema.samples import Splits
from mlphys.schema.shapes import Row
from mlphys.schema.suggestions import suggestion

if TYPE_CHECKING:
    from mlphys.runs.trained_network import TrainedNetwork

LARGEST_HISTORY = 64_000_000  # bytes
LARGEST_PREDICTIONS = 2_000_000_000  # bytes in memory
MOST_SHOWN = 100

FINISHED = ("done", "diverged")


class Run(RunFiles):
    """One run. Every property raises UserError, with the file's name, when its file is missing or damaged."""

    def __init__(self, path: Path, data: str | None = None):
        """`data`: the path of the samples, if it has changed."""
        super().__init__(path)
        self._data = data
        self._datasets: dict[str | None, Splits] = {}

    @property
    def name(self) -> str:
        """`conv_mnist/3`."""
        return f"{self.path.resolve().parent.name}/{self.path.resolve().name}"

    def study(self) -> list[Run]:
        """All runs of this run's folder, by number."""
        beside = numbered(self.path.resolve().parent)
        return beside if any(run.path == self.path.resolve() for run in beside) else [self, *beside]

    @cached_property
    def loaded(self) -> ResolvedExperiment:
        """The resolved experiment of the run."""
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
        if not self.folder.has("environment.json"):
            return None
        threads = self.environment.get("threads")
        if threads is None:
            return None
        if type(threads) is not int or not 1 <= threads <= machine.MOST_THREADS:
            raise UserError(
                f"{self.path / 'environment.json'}: damaged: threads is not 1 to {machine.MOST_THREADS}; "
                "retrain the experiment"
            )
        return threads

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by split; empty before an evaluation."""
        if not self.folder.has("metrics.json"):
            return {}
        return {name: facts for name, facts in self._checked("metrics.json", MetricsFile).items() if facts is not None}

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The rows of history.csv, numbers as numbers; empty for an untrained net."""
        if not self.folder.has("history.csv"):
            return []
        return history.rows(self._text("history.csv", LARGEST_HISTORY), str(self.path / "history.csv"))

    @cached_property
    def unfinished(self) -> Unfinished | None:
        """What can be measured of a training that was interrupted; None of a finished one."""
        if self.status.get("state") in FINISHED:
            return None
        return newest(self.path, self.loaded.weight_shapes())

    @cached_property
    def snapshots(self) -> Snapshots:
        """The weights of the network after some epochs, 0 being before the first; empty where none were kept.

        Raises UserError where they are damaged.
        """
        return snapshots.read(self.folder, self.loaded.weight_shapes())

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """Saved weights of network and preprocessing by name, with shapes validated against the config.

        Those of an interrupted training are its newest checkpoint's; preprocessing is fitted again.
        """
        if checkpoint := self.unfinished:
            fits = self.loaded.saved_shapes() != self.loaded.weight_shapes()
            fitted = fit_splits(self.config.data, self.dataset().train).named_arrays() if fits else {}
            return {**checkpoint.weights, **fitted}
        return self.tensors(WEIGHTS, self.loaded.saved_shapes())

    @cached_property
    def pretrained(self) -> dict[str, np.ndarray]:
        """Pretrained arrays from other runs, by name; empty if there were none."""
        expected = self.loaded.pretrained_shapes()
        return self.tensors(PRETRAINED, expected) if expected else {}

    @property
    def initial(self) -> dict[str, np.ndarray]:
        """The initial weights of the network, by name."""
        drawn = self.trained.initial
        return {name: self.pretrained.get(name, value) for name, value in drawn.items()}

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The fitted preprocessing."""
        return restored_for(self.config.data, self.description.shape, self.weights)

    @cached_property
    def trained(self) -> TrainedNetwork:
        """The network with its saved weights; imports TensorFlow."""
        from mlphys.runs.trained_network import TrainedNetwork

        return TrainedNetwork(self.loaded, self.weights, self.preprocessing)

    def dataset(self, path: str | None = None) -> Splits:
        """The three splits of its data; `path` overrides where the data is."""
        path = path or self._data
        if path not in self._datasets:
            self._datasets[path] = provenance.dataset(self.path, self.loaded, self.data, path)
        return self._datasets[path]

    def predictions(self, split: str) -> dict[str, np.ndarray] | None:
        """The arrays of predictions_<split>.npz, None if the split was not evaluated."""
        path = self.path / f"predictions_{split}.npz"
        if not self.folder.has(path.name):
            return None
        samples, description = self.data["splits"][split]["samples"], self.loaded.net_input
        expected = {"labels": (samples, *description.target_shape), "losses": (samples,)}
        if self.config.data.weighted():
            expected["weights"] = (samples,)
        kind = self.config.model
        outputs = kind.prediction_shapes(description)
        expected |= {name: (samples, *shape) for name, shape in outputs.items()}
        with self.folder.opened(path.name) as file:
            headers = npz.headers(path, file)
        shown = headers["shown"].shape[0] if "shown" in headers else 0
        image = display_shape(self.config.data.preprocess, self.description.shape)
        image_names = list(kind.image_output_shapes(description)) if shown else []
        if shown and self.config.model.input_corruption():
            image_names += ["corrupted", "denoised"]
        pictured = {"images": image} | dict.fromkeys(image_names, image)
        expected |= {"shown": (shown,)} | {name: (shown, *shape) for name, shape in pictured.items()}
        if shown > MOST_SHOWN or {name: header.shape for name, header in headers.items()} != expected:
            raise UserError(
                f"{path}: does not fit data.json; `mlphys evaluate {self.path} --split {split}` writes it again"
            )
        with self.folder.opened(path.name) as file:
            arrays = npz.read(path, headers, LARGEST_PREDICTIONS, file)
        if not _sensible(arrays, len(description.classes)):
            raise UserError(
                f"{path}: holds impossible values; `mlphys evaluate {self.path} --split {split}` writes it again"
            )
        return arrays

    def robustness(self, name: Literal["shift", "noise"]) -> dict[str, Any] | None:
        """The curve of analysis/<name>.json, None if it was not measured."""
        path = self.path / "analysis" / f"{name}.json"
        if not self.folder.has(f"analysis/{name}.json"):
            return None
        curve = self._checked(f"analysis/{name}.json", RobustnessFile)
        metric = self.config.model.MEASURED[0]
        columns = [curve.get(key) for key in (name, metric, f"{metric}_stderr")]
        if curve["metric"] != metric or None in columns or len({len(column or ()) for column in columns}) > 1:
            raise UserError(f"{path}: damaged; `mlphys evaluate {self.path} --{name} ...` writes it again")
        return {key: value for key, value in curve.items() if value is not None}

    def best_split(self) -> str:
        """The split whose predictions plots show: test if it was evaluated."""
        return "test" if self.folder.has("predictions_test.npz") else "validation"

    def shown_split(self) -> str:
        """The split whose samples plots show: `best_split`, or train if that is empty."""
        split = self.best_split()
        return split if self.data["splits"][split]["samples"] else "train"


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
    """The run at a path, or the newest one of a name under `root`; for None the finished run that started last."""
    if name is None:
        finished = [run for run in every(root) if _state(run) == "done"]
        if not finished:
            raise UserError(f"no finished run under {root}/; `mlphys train CONFIG` makes one")
        return max(finished, key=_started)
    if folder := located(name, root):
        return Run(folder)
    for path in (Path(name), root / name):
        if os.path.exists(path / STUDY):
            raise UserError(f"{path}: is a study of many runs; name one of them, such as {path}/members/1")
    known = sorted({run.path.parent.name for run in every(root)})
    have = f"; runs there are: {', '.join(known[:10])}" if known else "; there are no runs yet"
    raise UserError(f"{name}: no such run, neither as a folder nor under {root}/{have}{suggestion(name, known)}")


def newest_unfinished(root: Path = Path("runs")) -> Run:
    """The run that started last of those whose training was interrupted and is not going on.

    Raises UserError if there is none.
    """
    left = [run for run in every(root) if _state(run) in ("running", "interrupted") and not atomic.held(run.path)]
    if not left:
        raise UserError(f"no unfinished run under {root}/; name the run, or the study, that is to be resumed")
    return max(left, key=_started)


def every(root: Path = Path("runs")) -> list[Run]:
    """All runs under `root`, those of the same name by number."""
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    return [run for folder in folders for run in numbered(folder)]


def finished(run: Run) -> Run:
    """Return `run`. Raises UserError if its training left nothing to measure, or is going on."""
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
