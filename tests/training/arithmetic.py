"""Training with arithmetic steps and real files: no TensorFlow, a few milliseconds.

`python -m tests.training.arithmetic FOLDER` kills it at each of its steps and prints the results as JSON.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.errors import UserError
from mlphys.numerics.randomness import rng
from mlphys.runs.writer import RunWriter, create
from mlphys.schema.training import EarlyStopping
from mlphys.training import checkpoint as checkpoints
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.early_stopping import Watch
from tests.helpers.fake_disk import Disk, Operation

EPOCHS = 3
STOPPING = EarlyStopping(monitor="loss", patience=9)

Stage = Callable[[str], None]


class Refused(Exception):
    """A run that `mlphys resume` would refuse."""


def train(path: Path, seconds: float = 0.0, stage: Stage = lambda name: None) -> None:
    """Train or resume the run at `path` as mlphys does; each row takes `seconds`."""
    checkpoint = None
    writer = RunWriter(path)
    if (path / "config.yaml").is_file():
        stage("resume")
        if json.loads((path / "status.json").read_text())["state"] == "done":
            return
        checkpoint, passed = checkpoints.newest(path / "checkpoints", writer.history)
        if checkpoint is None and checkpoints.ANOTHER_HISTORY in passed.values():
            raise Refused
        writer.resume_from(checkpoint)
    else:
        stage("begin")
        create("arithmetic", path)
        writer.begin({"name": "arithmetic"}, {"samples": 3})
    watch = checkpoint.watch if checkpoint else Watch()
    tensors = dict(checkpoint.tensors) if checkpoint else {"weights/a": np.zeros(50), "optimizer/0": np.zeros(50)}
    for epoch in range(checkpoint.epoch + 1 if checkpoint else 1, EPOCHS + 1):
        slope = rng(0, "slope", epoch).normal(size=50)
        tensors["optimizer/0"] = 0.9 * tensors["optimizer/0"] - slope
        tensors["weights/a"] = tensors["weights/a"] + tensors["optimizer/0"]
        loss = float(np.abs(tensors["weights/a"]).mean())
        watch = watch.after(STOPPING, epoch, loss)
        if watch.best_epoch == epoch:
            tensors["best/weights/a"] = tensors["weights/a"]
        stage(f"row {epoch}")
        writer.row({"phase": "train", "epoch": epoch, "seconds": seconds, "loss": loss})
        stage(f"checkpoint {epoch}")
        writer.checkpoint(Checkpoint("train", epoch, epoch, watch, {}, dict(tensors)))
        stage(f"epoch {epoch}")
    stage("end")
    writer.weights({"a": tensors["best/weights/a"].astype(np.float32)})
    writer.metrics({"validation": {"loss": watch.best}})
    writer.status("done", watch.best_epoch, "epochs")


def outcome(path: Path) -> dict[str, Any]:
    """The files that must not depend on interruptions. A power cut may restore an older checkpoint."""
    with (path / "history.csv").open() as file:
        history = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    read = {name: (path / name).read_bytes().hex() for name in ("weights.safetensors", "metrics.json", "config.yaml")}
    kept = sorted(file.name for file in (path / "checkpoints").iterdir())[-checkpoints.KEPT :]
    return read | {"history": history, "checkpoints": kept, "status": json.loads((path / "status.json").read_text())}


def judged(path: Path, wanted: dict[str, Any], epoch: int = 0) -> str:
    """Faults of a stopped run, and of its result after it is resumed.

    `epoch` is that of the last checkpoint that was reported as written: it must be there.
    """
    for name in ("config.yaml", "data.json", "status.json", "metrics.json"):
        if (path / name).exists() and not (path / name).read_bytes().endswith(b"\n"):
            return f"{name} is torn"
    checkpoint, _ = checkpoints.newest(path / "checkpoints", RunWriter(path).history)
    if epoch > (checkpoint.epoch if checkpoint else 0):
        return f"epoch {epoch} is lost"
    try:
        train(path, seconds=2.0)
    except Refused:
        return "it is refused"
    except (UserError, OSError, ValueError) as error:
        return f"it cannot be resumed: {error}"
    try:
        return "the same" if outcome(path) == wanted else "another outcome"
    except FileNotFoundError as error:
        return f"it is done without {Path(error.filename).name}"


def steps(run: Callable[[Stage], None], root: Path) -> list[tuple[str, Operation]]:
    """Every operation of `run` below `root`, with its stage."""
    found, stages = [], [""]
    with Disk(root, lambda operation: found.append((stages[-1], operation))):
        run(stages.append)
    return found


def unsynchronized() -> None:
    """A kill does not need it, and it takes most of the time."""
    os.fsync = lambda handle: None


def stopped_at(number: int, half: bool, run: Callable[[Stage], None], root: Path) -> None:
    """Run in a process that kills itself before its operation `number`, or in the middle of it."""
    process = os.fork()
    if process == 0:
        seen = []

        def before(operation: Operation) -> None:
            seen.append(operation)
            if len(seen) > number:
                os.kill(os.getpid(), signal.SIGKILL)

        with Disk(root, before, half):
            run(lambda name: None)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL


def begun(path: Path) -> None:
    """An empty folder."""


def torn(path: Path) -> None:
    """A finished run to be extended, with a damaged last checkpoint, two extra rows and a temporary file."""
    train(path)
    (path / "status.json").write_text((path / "status.json").read_text().replace("done", "running"))
    last = path / "checkpoints" / f"{EPOCHS:06d}.safetensors"
    last.write_bytes(last.read_bytes()[:100])
    (path / "checkpoints" / ".000004.safetensors.abcdefgh").write_bytes(b"torn")
    with (path / "history.csv").open("a") as file:
        file.write("train,4,0.0,1.0\ntrain,5,0.")


def hopeless(path: Path) -> None:
    """A run without a good checkpoint."""
    torn(path)
    for checkpoint in (path / "checkpoints").glob("*.safetensors"):
        checkpoint.write_bytes(b"")


STARTS = {"train": begun, "resume": torn, "start over": hopeless}


def main(folder: Path) -> None:
    unsynchronized()
    train(folder / "whole")
    wanted = outcome(folder / "whole")
    results: dict[str, dict[str, str]] = {}
    for name, start in STARTS.items():
        root = folder / "root"
        path = root / "run"

        def restart(start: Callable[[Path], None] = start, root: Path = root, path: Path = path) -> None:
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            start(path)

        def run(stage: Stage, path: Path = path) -> None:
            train(path, 1.0, stage)

        restart()
        results[name] = {}
        for number, (stage, operation) in enumerate(steps(run, root)):
            for half in (False, True) if operation.kind == "write" else (False,):
                restart()
                stopped_at(number, half, run, root)
                step = f"{stage}: {'half of ' if half else ''}{operation}"
                times = sum(earlier.partition(" again")[0] == step for earlier in results[name])
                results[name][step + " again" * times] = judged(path, wanted)
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
