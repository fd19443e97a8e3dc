"""Writes a run directory while its training goes on."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.history import History
from mlphys.io.run_files import PRETRAINED, WEIGHTS
from mlphys.numerics.memory_layout import as_saved
from mlphys.schema import document
from mlphys.training import checkpoint as checkpoints
from mlphys.training.checkpoint import Checkpoint


def create(name: str, out: Path | None, root: Path = Path("runs")) -> Path:
    """A new, empty run directory: `out`, or the next number under `root`/`name`.

    Raises UserError when `out` holds something already, or the folder cannot be made.
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
                for path in out.iterdir():
                    atomic.remove(path)
            return out
        folder = root / name
        atomic.make(folder)
        taken = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
        for number in itertools.count(max(taken, default=0) + 1):
            try:
                (folder / str(number)).mkdir()
            except FileExistsError:  # another process was faster
                continue
            atomic.sync_folder(folder)
            return folder / str(number)
    except OSError as error:
        raise atomic.unwritable(Path(error.filename or out or root), error) from None
    raise AssertionError("unreachable")


def _empty(folder: Path) -> bool:
    """Whether nothing is in it, or only what a run wrote that was killed before it had its config."""
    begun = ("data.json", "status.json", PRETRAINED)
    return folder.is_dir() and all(path.name in begun or atomic.torn(path) for path in folder.iterdir())


class RunWriter:
    """The files of one run, as training sees them."""

    def __init__(self, path: Path):
        self.path = path
        self.history = History(path / "history.csv")
        self._phase = ""
        self._epochs = 0

    def pretrained(self, arrays: Mapping[str, np.ndarray]) -> None:
        """What training begins with of other runs, before it begins: it needs those no longer."""
        self._arrays(PRETRAINED, arrays)

    def begin(self, config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """What was asked for and with which data. The config comes last: with it the folder is a run."""
        atomic.write_json(self.path / "data.json", data)
        self.status("running")
        self.config(config)

    def config(self, config: Mapping[str, Any]) -> None:
        atomic.write(self.path / "config.yaml", document.dump(dict(config)))

    def environment(self, environment: Mapping[str, Any]) -> None:
        atomic.write_json(self.path / "environment.json", environment)

    def row(self, row: Mapping[str, Any]) -> None:
        self.history.append(row)
        self._phase, self._epochs = row["phase"], row["epoch"]

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        checkpoints.write(self.path / "checkpoints", checkpoint, self.history)
        self._phase, self._epochs = checkpoint.phase, checkpoint.epoch
        self.status("running", best_epoch=checkpoint.watch.best_epoch or None)

    def resume_from(self, checkpoint: Checkpoint | None) -> None:
        """Leave of the run what belongs to the checkpoint, and nothing that was measured or drawn later."""
        rows = checkpoint.rows if checkpoint else 0
        if checkpoint:
            self._phase, self._epochs = checkpoint.phase, checkpoint.epoch
        self.status("running", best_epoch=checkpoint.watch.best_epoch or None if checkpoint else None)
        checkpoints.keep_up_to(self.path / "checkpoints", rows)
        measured = [
            self.path / "metrics.json",
            *self.path.glob("predictions_*.npz"),
            *self.path.glob("analysis/*.json"),
        ]
        torn = [path for path in self.path.rglob(".*") if atomic.torn(path)]
        for path in measured + torn:
            atomic.remove(path)
        self.history.cut(rows)

    def status(self, state: str, best_epoch: int | None = None, stopped: str | None = None) -> None:
        atomic.write_json(
            self.path / "status.json",
            {
                "state": state,
                "phase": self._phase or None,
                "epochs": self._epochs,
                "best_epoch": best_epoch,
                "stopped": stopped,
            },
        )

    def weights(self, weights: Mapping[str, np.ndarray]) -> None:
        self._arrays(WEIGHTS, weights)

    def _arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        atomic.write(self.path / name, save(as_saved(arrays)))

    def predictions(self, split: str, arrays: Mapping[str, np.ndarray]) -> None:
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
        atomic.write(self.path / f"predictions_{split}.npz", content.getvalue())

    def analysis(self, name: str, result: Mapping[str, Any]) -> None:
        folder = self.path / "analysis"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise atomic.unwritable(folder, error) from None
        atomic.write_json(folder / f"{name}.json", result)

    def metrics(self, by_split: Mapping[str, Any]) -> None:
        atomic.write_json(self.path / "metrics.json", by_split)
