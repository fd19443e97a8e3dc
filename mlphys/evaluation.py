"""The numbers of a run, each with its standard error and its baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlphys import checksum, splits
from mlphys.config import Loaded
from mlphys.errors import UserError
from mlphys.phases import Network
from mlphys.run import MOST_SHOWN, Run
from mlphys.schema.data import Dataset, Split


def measure(
    loaded: Loaded, network: Network, dataset: Dataset, name: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metrics of a network on the split `name`, and the arrays of predictions_<name>.npz."""
    from keras import ops

    from mlphys.training import engine

    kind, description, spec = loaded.experiment.kind(), loaded.description, loaded.experiment.model
    split: Split = getattr(dataset, name)
    terms = kind.terms(loaded.experiment.training, description, network)

    def values(x: Any, y: Any) -> dict[str, Any]:
        recorded, penalty = terms(x, y, False)
        said = kind.predictions(network, x)
        return {**said, "losses": recorded["loss"], "penalties": penalty + ops.zeros_like(recorded["loss"])}

    at_once = network.evaluated_at_once
    arrays = engine.per_sample(values, split, at_once)
    metrics = kind.metrics(spec, description, arrays, split, dataset.train)
    shown = kind.shown(split, arrays, MOST_SHOWN).astype(np.int32)
    kept = {key: array for key, array in arrays.items() if key != "penalties"}
    pictures = Split(split.x[shown], split.y[shown])
    pictured = engine.per_sample(lambda x, y: kind.pictured(network, x), pictures, at_once) if len(shown) else {}
    return metrics, {"labels": split.y, **kept, "shown": shown, "images": pictures.x, **pictured}


def data_of(run: Run, path: str | None = None) -> Dataset:
    """The data that the run was trained on, its checksums compared with data.json.

    `path` names where the data is now. Raises UserError when it is not the same data.
    """
    loaded = run.loaded
    data = loaded.experiment.data
    if path is not None:
        if "path" not in type(data).model_fields:
            where = "set MLPHYS_DATA to the folder it is in" if data.sources() else "leave --data out"
            raise UserError(f"--data: {data.name} is found by its name; {where}")
        data = data.model_copy(update={"path": path})
        loaded = replace(loaded, experiment=loaded.experiment.model_copy(update={"data": data}))
    used = data.files()
    if len(used) != len(run.data["files"]):
        raise UserError(f"{run.path / 'data.json'}: damaged: files does not name the data; train the experiment anew")
    for file, facts in zip(used, run.data["files"], strict=True):
        if not file.exists():
            raise UserError(f"{file}: no such file any more; name where it is now with --data PATH")
        checksum.verify(file, facts)
    dataset = loaded.dataset()
    found = splits.summary(dataset, data, run.description)["splits"]
    for name, facts in run.data["splits"].items():
        if facts["sha256"] != found[name]["sha256"]:
            raise UserError(
                f"{run.path}: the {name} samples of {data.name} are not those it was trained with "
                "(sha256 differs); train the experiment anew"
            )
    return dataset


def evaluate(run: Run, split: str, path: str | None = None) -> dict[str, Any]:
    """Measure a finished run on one split and keep metrics and predictions in the run."""
    from mlphys.recorder import Recorder
    from mlphys.training import engine

    loaded, weights = run.loaded, run.weights
    dataset = data_of(run, path)
    if not len(getattr(dataset, split)):
        raise UserError(f"{run.path}: its {split} split has no samples; evaluate another with --split")
    network = loaded.experiment.kind().build(loaded.experiment.model, loaded.description, loaded.experiment.seed)
    engine.load_weights(network, weights)
    metrics, predictions = measure(loaded, network, dataset, split)
    if not np.isfinite([value for value in metrics.values() if isinstance(value, float)]).all():
        raise UserError(
            f"{run.path}: its outputs on {split} are not finite; train it anew with a smaller learning_rate"
        )
    recorder = Recorder(run.path)
    recorder.predictions(split, predictions)
    recorder.metrics({**run.metrics, split: metrics})
    return metrics


def against_expectation(run: Run) -> list[tuple[str, float, tuple[float, float], bool]]:
    """Each expected metric: its name, its value, the range, and whether it is inside."""
    results = []
    for key, (low, high) in run.config.expect.items():
        split, _, name = key.partition(".")
        if split not in run.metrics:
            raise UserError(
                f"{run.path}: nothing is measured on {split} yet; `mlphys evaluate {run.path} --split {split}` does"
            )
        numbers = {name: value for name, value in run.metrics[split].items() if isinstance(value, int | float)}
        if name not in numbers:
            raise UserError(f"{run.path}: expect: {key}: no such metric; {split} has {', '.join(numbers)}")
        value = numbers[name]
        results.append((key, value, (low, high), low <= value <= high))
    return results
