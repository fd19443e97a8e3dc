"""Writes a run directory during training."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.history import History
from mlphys.io.run_files import PAGE, PRETRAINED, SAMPLES, WEIGHTS
from mlphys.io.run_folder import RunFolder
from mlphys.numerics.memory_layout import as_saved
from mlphys.runs.snapshots import SnapshotFile
from mlphys.schema import document
from mlphys.training import checkpoint as checkpoints
from mlphys.training.checkpoint import Checkpoint


def create(name: str, out: Path | None, root: Path = Path("runs")) -> Path:
    """A new, empty run directory: `out`, or the next number under `root`/`name`.

    Raises UserError if `out` is not empty, or the folder cannot be created.
    """
    try:
        if out is not None:
            if out.exists() and not _empty(out):
                run = (out / "config.yaml").exists()
                raise UserError(
                    f"{out}: exists and is not empty; a run is never overwritten: name another --out"
                    + (f", remove it, or resume it with `mlphys resume {out}`" if run else ", or remove it")
                )
            atomic.make(out)
            with atomic.locked(out):
                folder = RunFolder(out)
                for left in folder.names():
                    folder.remove(left)
            return out
        runs = root / name
        atomic.make(runs)
        numbers = [int(path.name) for path in runs.iterdir() if re.fullmatch("[0-9]{1,9}", path.name)]
        for number in itertools.count(max(numbers, default=0) + 1):
            try:
                (runs / str(number)).mkdir()
            except FileExistsError:  # another process was faster
                continue
            atomic.sync_folder(runs)
            return runs / str(number)
    except OSError as error:
        raise atomic.unwritable(Path(error.filename or out or root), error) from None
    raise AssertionError("unreachable")


def _empty(folder: Path) -> bool:
    """Whether it is empty, or only has files of a run that was killed before its config was written."""
    begun = ("data.json", "status.json", PRETRAINED)
    return folder.is_dir() and {*RunFolder(folder).names()} <= {*begun, *RunFolder(folder).torn()}


class RunWriter:
    """Writes the files of one run; implements the loop's Recorder."""

    def __init__(self, path: Path):
        self.path = path
        self._folder = RunFolder(path)
        self.history = History(path / "history.csv")
        self._snapshots = SnapshotFile(self._folder)
        self._phase = ""
        self._epochs = 0

    def pretrained(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Save the pretrained arrays, so that the run no longer depends on other runs."""
        self._arrays(PRETRAINED, arrays)

    def begin(self, config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Write data.json, status.json and config.yaml. The config is last: with it the folder is a run."""
        self._folder.write_json("data.json", data)
        self.status("running")
        self.config(config)

    def config(self, config: Mapping[str, Any]) -> None:
        self._folder.write("config.yaml", document.dump(dict(config)))

    def environment(self, environment: Mapping[str, Any]) -> None:
        self._folder.write_json("environment.json", environment)

    def row(self, row: Mapping[str, Any]) -> None:
        self.history.append(row)
        self._phase, self._epochs = row["phase"], row["epoch"]

    def snapshot(self, epoch: int, weights: Mapping[str, np.ndarray]) -> None:
        self._snapshots.add(epoch, weights)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        checkpoints.write(self.path / "checkpoints", checkpoint, self.history)
        self._phase, self._epochs = checkpoint.phase, checkpoint.epoch
        self.status("running", best_epoch=checkpoint.watch.best_epoch or None)

    def resume_from(self, checkpoint: Checkpoint | None) -> None:
        """Restore the run to the state of a checkpoint: remove later rows, metrics, predictions and analyses."""
        rows = checkpoint.rows if checkpoint else 0
        if checkpoint:
            self._phase, self._epochs = checkpoint.phase, checkpoint.epoch
        self.status("running", best_epoch=checkpoint.watch.best_epoch or None if checkpoint else None)
        checkpoints.keep_up_to(self.path / "checkpoints", rows)
        measured = [name for name in self._folder.names() if fnmatch(name, "predictions_*.npz")]
        analyses = [f"analysis/{name}" for name in self._folder.names("analysis") if name.endswith(".json")]
        if checkpoint:
            self._snapshots.cut(rows, checkpoint.weight_shapes())
        else:
            self._snapshots.remove()
        for name in ["metrics.json", SAMPLES, PAGE, *measured, *analyses, *self._folder.torn()]:
            self._folder.remove(name)
        self.history.cut(rows)

    def status(self, state: str, best_epoch: int | None = None, stopped: str | None = None) -> None:
        self._folder.write_json(
            "status.json",
            {
                "state": state,
                "phase": self._phase or None,
                "epochs": self._epochs,
                "best_epoch": best_epoch,
                "stopped": stopped,
            },
        )

    def weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Save the weights with which training ended, and its snapshots as one file."""
        self._arrays(WEIGHTS, weights)
        self._snapshots.join()

    def _arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self._folder.write(name, save(as_saved(arrays)))

    def predictions(self, split: str, arrays: Mapping[str, np.ndarray]) -> None:
        self._npz(f"predictions_{split}.npz", arrays)

    def _npz(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
        self._folder.write(name, content.getvalue())

    def samples(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Save what the page shows."""
        self._npz(SAMPLES, arrays)

    def analysis(self, name: str, result: Mapping[str, Any]) -> None:
        self._folder.make("analysis")
        self._folder.write_json(f"analysis/{name}.json", result)

    def metrics(self, by_split: Mapping[str, Any]) -> None:
        self._folder.write_json("metrics.json", by_split)
