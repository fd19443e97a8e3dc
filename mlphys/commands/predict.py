"""Predictions of a trained network for the user's files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.commands import similarity
from mlphys.commands.similarity import Similarity
from mlphys.datasets.array import Arrays
from mlphys.datasets.table import Table
from mlphys.errors import UserError
from mlphys.io import image_files, sample_files
from mlphys.io.sample_files import Expected
from mlphys.runs.run import Run
from mlphys.schema.layers import text
from mlphys.schema.units import Units

# CSV columns of predictions whose arrays have other names. Errors are means over the values of a sample, as in
# metrics.json.
COLUMNS = {
    "outputs": "value",
    "codes": "code",
    "squared_errors": "mse",
    "absolute_errors": "mae",
    "free_energies": "free_energy",
    "energies": "energy",
    "class_errors": "class_mse",
    "pseudo_log_likelihoods": "pseudo_log_likelihood",
    "output_means": "output_mean",
    "output_stds": "output_std",
}


@dataclass(frozen=True)
class Predictions:
    """For n samples: file and index in the file, the samples x as read, and the network's outputs."""

    files: tuple[str, ...]
    samples: tuple[int, ...]
    classes: tuple[str, ...]
    x: np.ndarray
    arrays: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    similarity: Similarity | None = None
    targets: tuple[str, ...] = ()  # names of the outputs


def predict(
    run: Run, paths: Sequence[Path], resize: bool = False, invert: bool = False, as_is: bool = False
) -> Predictions:
    """Predict the samples in files with the network of a run; all files are read before the network is built.

    Of a folder all images are read. With `as_is` photographs are not prepared. Raises UserError for files that
    `sample_files.read` refuses, and for outputs that are not finite.
    """
    expected = expected_samples(run, prepared=not as_is)
    named, notes = [], []
    for path in paths:
        members, left_out = sample_files.members(path)
        named += members
        notes += [left_out] if left_out else []
    paths = named
    read = [sample_files.read(path, expected, resize, invert) for path in paths]
    x = np.concatenate(read)
    arrays = run.trained.predictions(x)
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise UserError(f"{run.path}: its outputs for these samples are not finite; train it on data of their scale")
    files = tuple(str(path) for path, some in zip(paths, read, strict=True) for _ in some)
    samples = tuple(i for some in read for i in range(len(some)))
    predictions = Predictions(
        files, samples, run.description.classes, x, arrays, tuple(notes), targets=_target_names(run)
    )
    if "probabilities" not in arrays:
        return predictions
    compared = similarity.of(run, x)
    if isinstance(compared, str):
        return replace(predictions, notes=(*notes, compared))
    return replace(predictions, notes=(*notes, *compared.notes(files)), similarity=compared)


def _target_names(run: Run) -> tuple[str, ...]:
    """The targets' names where they are columns of their own: not those that every row has, or a number alone."""
    names = run.config.data.target_names()
    return () if run.description.classes or {"file", "sample"} & set(names) else names


def save_inputs(predictions: Predictions, folder: Path) -> None:
    """Write each sample as the network received it as png into a new folder. Raises UserError where it is no image."""
    if predictions.x.ndim != 4 or predictions.x.shape[-1] not in (1, 3):
        raise UserError(
            f"{folder}: samples of {text(predictions.x.shape[1:])} are no images; --save FILE.npz keeps them"
        )
    low, high = min(0.0, float(predictions.x.min())), max(1.0, float(predictions.x.max()))
    pixels = ((predictions.x - low) / (high - low) * 255).round().astype(np.uint8)
    names = [
        f"{i}_{Path(file).stem[:100]}_{sample}.png"
        for i, (file, sample) in enumerate(zip(predictions.files, predictions.samples, strict=True))
    ]
    image_files.write(folder, names, pixels)


def expected_samples(run: Run, prepared: bool = True) -> Expected:
    """What the files of other samples must hold; photographs are prepared unless `prepared` is false."""
    data, span = run.config.data, run.data["splits"]["train"]["range"]
    low, high = span or (None, None)
    facts = run.data["units"]
    units = Units.from_json(facts) if facts else None
    if isinstance(data, Table):
        return Expected(run.description.shape, low, high, data.cells(), data.target or (), units)
    if isinstance(data, Arrays):
        if units is None and data.scale:  # a run of an earlier version
            units = Units("float32", data.scale, given=True)
        return Expected(run.description.shape, low, high, units=units, array=data.x or "x")
    frame = data.FRAME if prepared else None
    return Expected(run.description.shape, low, high, units=units, frame=frame, crop=data.cropped())


def as_csv(predictions: Predictions) -> str:
    """One row per sample; numbers have enough digits to identify the float32."""
    columns: dict[str, Iterable[object]] = {"file": predictions.files, "sample": predictions.samples}
    for name, values in predictions.arrays.items():
        if name == "probabilities":
            columns |= {"class": _classes(predictions), "probability": values.max(axis=1), **_similarity(predictions)}
            columns |= {f"p_{label}": values[:, k] for k, label in enumerate(predictions.classes)}
            continue
        if name == "outputs" and predictions.targets:
            columns |= {target: values[:, k] for k, target in enumerate(predictions.targets)}
            continue
        column, flat = COLUMNS.get(name, name), values.reshape(len(values), -1)
        numbered = flat.shape[1] > 1 or name == "codes"
        columns |= {f"{column}_{k}" if numbered else column: flat[:, k] for k in range(flat.shape[1])}
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return content.getvalue()


def as_json(predictions: Predictions) -> str:
    """A list with one object per sample."""
    rows: list[dict[str, Any]] = []
    for i, (file, sample) in enumerate(zip(predictions.files, predictions.samples, strict=True)):
        row: dict[str, Any] = {"file": file, "sample": sample}
        for name, values in predictions.arrays.items():
            if name == "probabilities":
                p = _shortest(values[i])
                row |= {"class": _classes(predictions)[i], "probability": max(p)}
                row |= {name: column[i] for name, column in _similarity(predictions).items()}
                row["probabilities"] = dict(zip(predictions.classes, p, strict=True))
            elif name == "outputs" and predictions.targets:
                row |= dict(zip(predictions.targets, _shortest(values[i]), strict=True))
            else:
                row[COLUMNS.get(name, name)] = _shortest(values[i])
        rows.append(row)
    return json.dumps(rows, indent=2, allow_nan=False) + "\n"


def as_npz(run: Run, predictions: Predictions) -> bytes:
    """All arrays: files, sample numbers, inputs x, outputs, and images such as reconstructions.

    For a transform, the images are the outputs of its last layer.
    """
    pictures = run.trained.image_outputs(predictions.x)
    if "output_means" in predictions.arrays:
        pictures = {"outputs": list(run.trained.layers(predictions.x).values())[-1]}
    classes = {"classes": np.array(_classes(predictions))} if "probabilities" in predictions.arrays else {}
    arrays = {
        "files": np.array(predictions.files),
        "samples": np.array(predictions.samples),
        "x": predictions.x,
        **classes,
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays, **predictions.arrays, **pictures)  # type: ignore[arg-type]
    return content.getvalue()


def _classes(predictions: Predictions) -> list[str]:
    return [predictions.classes[k] for k in predictions.arrays["probabilities"].argmax(axis=1)]


def _similarity(predictions: Predictions) -> dict[str, list[float | None]]:
    """How far each sample is from all training samples, and the share of the validation samples that are nearer."""
    compared = predictions.similarity
    if compared is None:
        return dict.fromkeys(("distance", "farther_than"), [None] * len(predictions.files))
    columns = {"distance": compared.distances, "farther_than": compared.farther_than}
    return {name: [float(f"{value:.4g}") for value in values] for name, values in columns.items()}


def _shortest(values: np.ndarray) -> Any:
    """float32 values as Python floats with as few digits as identify them."""
    if values.ndim == 0:
        return float(str(values))
    return [_shortest(value) for value in values]
