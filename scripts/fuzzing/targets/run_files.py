"""The files of a run and of a study, each among others that are valid."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.io.history import History
from mlphys.runs import evaluations, page_samples
from mlphys.runs.run import Run, finished
from mlphys.runs.writer import RunWriter
from mlphys.training import checkpoint
from mlphys.training.early_stopping import Watch
from scripts.fuzzing import members
from scripts.fuzzing.contract import Open, Target
from tests.helpers import fake_run

KNOWN = ("document", "data", "description", "loaded")

CONFIG = (
    "name: small\ndata: {name: digits, train: 60, validation: 20, test: 20}\nmodel: {kind: classifier, layers: "
    "[Flatten, {Dense: {units: 10, activation: softmax}}]}\n"
    "training: {optimizer: adam, epochs: 3, early_stopping: {patience: 2}}\nplots: []\n"
)
METRICS = {
    "validation": {"samples": 20, "loss": 0.3, "accuracy": 0.9, "accuracy_stderr": 0.07, "majority_accuracy": 0.1},
    "test": {
        "samples": 20, "loss": 0.3, "accuracy": 0.9, "accuracy_stderr": 0.07,
        "per_class": {"0": {"precision": 1.0, "recall": None, "samples": 2}},
    },
}  # fmt: skip
ENVIRONMENT = {
    "started": "2026-01-02T03:04:05+00:00", "mlphys": "0.1", "threads": 2, "python": "3.11", "system": "Linux x86_64",
    "packages": {"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"}, "cpu": "a", "accelerators": [],
    "engine": {"backend": "tensorflow", "xla": True, "lanes": 8, "native": ["train"], "steps": {"train": "native"}},
    "git": {"commit": "a" * 40, "dirty": False}, "command": "mlphys train c.yaml",
}  # fmt: skip
HISTORY = "phase,epoch,seconds,loss,accuracy,validation_loss\n" + "".join(
    f"train,{epoch},0.1,{1 / epoch!r},0.5,{1 / epoch!r}\n" for epoch in (1, 2, 3)
)
EVALUATIONS = "epochs,metric,value\n3,accuracy,0.9\n3,accuracy,0.91\n"
ROBUSTNESS = {
    "split": "test", "metric": "accuracy", "noise": [0, 0.1], "accuracy": [0.9, 0.8], "accuracy_stderr": [0.1, None],
}  # fmt: skip


def _run() -> Path:
    """A finished run in the folder that one is in, measured, with all files that a reader looks at."""
    Path("small.yaml").write_text(CONFIG)
    path = fake_run.write(Path("small.yaml"))
    writer = RunWriter(path)
    writer.metrics(METRICS)
    writer.environment(ENVIRONMENT)
    Path(path, "history.csv").write_text(HISTORY)
    return path


def _file(name: str, read: Callable[[Run], object], known: Sequence[str] = KNOWN) -> Callable[[Path], Open]:
    """A target whose input is one file of a run, of which `read` makes use; what is `known` is not read again."""

    def begin(folder: Path) -> Open:
        path = _run()
        (path / name).parent.mkdir(exist_ok=True)
        first = Run(path)
        kept = {each: getattr(first, each) for each in known}

        def opened(content: bytes) -> object:
            (path / name).write_bytes(content)
            run = Run(path)
            vars(run).update(kept)
            return read(run)

        return opened

    return begin


def _packed(name: str, read: Callable[[Run], object]) -> Callable[[Path], Open]:
    """The same with a zip archive."""

    def begin(folder: Path) -> Open:
        opened = _file(name, read)(folder)
        return lambda content: opened(members.as_zip(content))

    return begin


def _json(value: Any) -> list[bytes]:
    return [json.dumps(value).encode(), json.dumps(value, indent=1).encode()]


def _of_run(*names: str) -> Callable[[], list[bytes]]:
    """The content of the run's own files as seeds."""
    return lambda: [(_run() / name).read_bytes() for name in names]


def _config(run: Run) -> object:
    return run.loaded, run.rows, _row(run)


def _row(run: Run) -> object:
    """What `mlphys runs` shows of it."""
    from mlphys.studies import run_row, run_table

    return run_table.as_csv([run_row.read(run.path)], ["name", "state", "started", "value"])


def _data(run: Run) -> object:
    return run.description, run.loaded.weight_shapes()


def _status(run: Run) -> object:
    return finished(run), _row(run)


def _environment(run: Run) -> object:
    from mlphys.commands import hand_ins
    from mlphys.report import provenance

    return run.threads, _row(run), hand_ins._other_versions(run), provenance.environment(run)


def _metrics(run: Run) -> object:
    from mlphys.report import numbers

    return run.metrics, _row(run), numbers.main(run), numbers.section(run, 1)


def _history(run: Run) -> object:
    from mlphys.report import curves

    return run.history, curves.charts(run.history)


def _evaluations(run: Run) -> object:
    return evaluations.remarks(evaluations.read(run.folder))


def _snapshot_seeds() -> list[bytes]:
    from safetensors.numpy import save

    shapes = Run(_run()).loaded.weight_shapes()
    small = save({"000000/a": np.ones(3, np.float32), "000003/a": np.zeros(3, np.float32)})
    whole = {f"{at:06d}/{name}": np.ones(shape, np.float32) for at in (0, 3) for name, shape in shapes.items()}
    return [save(whole), small]


def _npy(values: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, np.asarray(values), allow_pickle=False)
    return content.getvalue()


def _prediction_seeds() -> list[bytes]:
    arrays = {
        "labels": np.arange(20, dtype=np.int32) % 10, "losses": np.full(20, 0.3, np.float32),
        "probabilities": np.full((20, 10), 0.1, np.float32), "shown": np.zeros(0, np.int32),
        "images": np.zeros((0, 8, 8, 1), np.float32),
    }  # fmt: skip
    return [members.listed((f"{name}.npy", _npy(value)) for name, value in arrays.items())]


def _sample_seeds() -> list[bytes]:
    arrays = {
        "split": np.int32(2), "rows": np.arange(3, dtype=np.int32), "x": np.ones((3, 8, 8, 1), np.float32),
        "labels": np.arange(3, dtype=np.int32),
    }  # fmt: skip
    return [members.listed((f"{name}.npy", _npy(value)) for name, value in arrays.items())]


FACTS = {
    "phase": "train", "epoch": 3, "rows": 3, "watch": {}, "fingerprints": {"data": "a" * 64},
    "plateau": {"best": 0.3, "waited": 1},
}  # fmt: skip


def _checkpoint(folder: Path) -> Open:
    """The facts as text, with the right digest; what follows members.RAW is the whole file."""
    from safetensors.numpy import save

    path = _run()
    RunWriter(path).status("interrupted")
    (path / "checkpoints").mkdir()
    file, loaded = path / "checkpoints" / "000003.safetensors", Run(path).loaded
    tensors = {f"weights/{name}": np.ones(shape, np.float32) for name, shape in loaded.weight_shapes().items()}

    def opened(content: bytes) -> object:
        text = content.decode("utf-8", "replace")
        if content.startswith(members.RAW):
            whole = content[1:]
        else:
            whole = save(tensors, metadata={"checkpoint": text, "sha256": checkpoint._digest(text, tensors)})
        file.write_bytes(whole)
        run = Run(path)
        vars(run)["loaded"] = loaded
        return run.unfinished

    return opened


def _checkpoint_seeds() -> list[bytes]:
    run = _run()
    (run / "checkpoints").mkdir()
    history = History(run / "history.csv")
    made = checkpoint.Checkpoint("train", 3, 3, Watch(), {"data": "a"}, {"weights/a": np.ones(3, np.float32)})
    raw = checkpoint.write(run / "checkpoints", made, history).read_bytes()
    facts = {**FACTS, "watch": Watch().as_dict(), "history": history.seal(3)}
    return [json.dumps(facts).encode(), json.dumps({**facts, "plateau": None}).encode(), members.RAW + raw]


def _status_of(state: str) -> dict[str, Any]:
    return {"state": state, "phase": "train", "epochs": 3, "best_epoch": 2, "stopped": None}


def _study(folder: Path) -> Open:
    from mlphys.report import study_page
    from mlphys.studies import run_row, study_file

    path = Path("study")
    path.mkdir()

    def opened(content: bytes) -> object:
        (path / "study.json").write_bytes(content)
        content_ = study_file.Study(path).read()
        return run_row.read(path), study_file.summary(content_), study_page._members(content_)

    return opened


def _study_seeds() -> list[bytes]:
    member = {
        "number": 1, "overrides": {"training.batch_size": 16, "seed": 0}, "labels": {"training.batch_size": "16"},
        "pins": {}, "directory": "members/1", "state": "done", "reason": None, "epochs": 3, "best_epoch": 2,
        "stopped": "epochs", "seconds": 1.5, "metrics": {"validation": {"accuracy": 0.9, "accuracy_stderr": 0.1}},
        "environment": {"threads": 1}, "moved": None, "curve": {"1": 0.5},
    }  # fmt: skip
    content = {
        "mlphys": "0.1", "command": "sweep", "name": "small", "source": "c.yaml", "folds": None, "threads": 1,
        "config": {"name": "small", "data": {"name": "digits"}, "model": {"kind": "pca", "components": 2}},
        "grid": {"training.batch_size": {"16": 16}}, "seeds": [0], "evaluated": "validation", "chooses": True,
        "executor": {"name": "this process", "workers": 0}, "members": [member],
    }  # fmt: skip
    search = {
        "trials": 3, "prune": True, "choices": {"a": {"x": 1}},
        "ranges": {"training.batch_size": {"first": 1, "last": 9, "log": True, "whole": True}},
    }  # fmt: skip
    return [*_json(content), *_json({**content, "search": search})]


def _archive(folder: Path) -> Open:
    from mlphys.studies import run_archive

    inside = folder / "inside"

    def opened(content: bytes) -> object:
        try:
            return run_archive.unpack(members.as_tar(content), inside / "run")
        finally:
            assert sorted(os.listdir(folder)) == ["inside"], "written outside"
            assert sorted(os.listdir(inside)) == ["run"], "written outside"

    return opened


def _archive_seeds() -> list[bytes]:
    files = [("config.yaml", CONFIG.encode()), ("checkpoints/000003.safetensors", b"a"), ("analysis/size.json", b"{}")]
    return [members.listed(files), members.RAW + members.as_tar(members.listed(files))]


TARGETS = (
    Target("run_config", _of_run("config.yaml"), _file("config.yaml", _config, ("data", "description")), longest=8192),
    Target("run_data", _of_run("data.json"), _file("data.json", _data, ("document",))),
    Target("run_status", lambda: _json(_status_of("done")), _file("status.json", _status), longest=1024),
    Target("run_environment", lambda: _json(ENVIRONMENT), _file("environment.json", _environment)),
    Target("run_metrics", lambda: _json(METRICS), _file("metrics.json", _metrics)),
    Target("run_history", lambda: [HISTORY.encode()], _file("history.csv", _history)),
    Target("run_evaluations", lambda: [EVALUATIONS.encode()], _file("test_evaluations.csv", _evaluations), 1024),
    Target("run_weights", _of_run("weights.safetensors"), _file("weights.safetensors", lambda run: run.weights)),
    Target("run_snapshots", _snapshot_seeds, _file("snapshots.safetensors", lambda run: run.snapshots), longest=8192),
    Target("run_predictions", _prediction_seeds, _packed("predictions_test.npz", lambda run: run.predictions("test"))),
    Target("run_samples", _sample_seeds, _packed("samples.npz", page_samples.read)),
    Target(
        "run_robustness", lambda: _json(ROBUSTNESS), _file("analysis/noise.json", lambda run: run.robustness("noise")),
        longest=1024,
    ),
    Target("run_checkpoint", _checkpoint_seeds, _checkpoint),
    Target("run_archive", _archive_seeds, _archive, longest=16_384),
    Target("study", _study_seeds, _study),
)  # fmt: skip
