"""Pretrained weights: the encoder, or all weights, of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from mlphys.config.experiment import ResolvedExperiment, net_input
from mlphys.config.shipped import shipped
from mlphys.errors import Refusal, UserError
from mlphys.io import atomic, checksum, weights_file
from mlphys.io.run_files import RunFiles, located
from mlphys.networks.pretrained_encoder import PretrainedEncoder
from mlphys.schema.data import Dataset, Description
from mlphys.schema.document import flow, read
from mlphys.schema.fields import Shape
from mlphys.schema.layers import Flatten, Layer, text
from mlphys.schema.pretrained import Initial
from mlphys.schema.shapes import weight_shapes

ENCODER, INITIAL, STEPS = ("model", "encoder"), ("training", "initial"), ("data", "preprocess")

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class PretrainedRun:
    """A finished run with its weights and fitted preprocessing."""

    path: Path
    resolved: ResolvedExperiment
    arrays: Arrays
    sha256: str

    def fitted(self) -> Arrays:
        """The fitted arrays of preprocessing."""
        return {name: self.arrays[name] for name in self.resolved.fitted_shapes()}

    def learned(self) -> Arrays:
        """The network's weights."""
        return {name: self.arrays[name] for name in self.resolved.weight_shapes()}


def runs_before(path: Path) -> list[str]:
    """Names of the runs whose weights a config uses; the rest of the config is not checked."""
    data = read(path).data
    blocks = [data.get(part, {}).get(key) for part, key in (ENCODER, INITIAL)]
    return [block["run"] for block in blocks if isinstance(block, dict) and "run" in block]


def finished(name: str, path: tuple[str, ...], file: str) -> RunFiles:
    """The run that the block at `path` of the config in `file` names.

    Raises Refusal, with the remedy, unless it exists and its training is finished.
    """
    folder = located(name)
    if folder is None:
        where = "neither as a folder nor under runs/"
        raise Refusal((*path, "run"), f"{name}: no such run, {where}; {_making(name, file)}")
    run = RunFiles(folder)
    state, epochs = run.status["state"], run.status["epochs"]
    if state == "diverged":
        raise Refusal((*path, "run"), f"{folder}: its training diverged; name another run")
    if state != "done" and atomic.held(folder):
        raise Refusal((*path, "run"), f"{folder}: is being trained now ({epochs} epochs so far); wait for it")
    if state != "done":
        so_far = f"({state}, {epochs} epochs so far); `mlphys resume {folder}` continues it"
        raise Refusal((*path, "run"), f"{folder}: its training is not finished {so_far}")
    return run


def _making(run: str, file: str) -> str:
    """The command that creates a run which the config in `file` names."""
    if run not in shipped():
        return "train it first, or name another"
    beside = Path(file).with_name(f"{run}.yaml")
    if beside.is_file():
        return f"`mlphys train {beside}` makes it"
    return f"`mlphys config copy {run}` and `mlphys train {run}.yaml` make it"


def encoder(
    block: PretrainedEncoder, run: PretrainedRun, data: Dataset, description: Description
) -> tuple[PretrainedEncoder, Arrays]:
    """The completed block, and the pretrained arrays under the names of the new network.

    Raises Refusal where the run has no encoder, was trained on other samples, or has changed since the block
    was completed.
    """
    model, pretrained_input = run.resolved.experiment.model, run.resolved.net_input
    theirs = model.encoder_rows(pretrained_input)
    if not theirs:
        raise Refusal(
            (*ENCODER, "run"),
            f"{run.path}: kind {model.kind} has no encoder of layers; "
            "name a run of an autoencoder or a stacked_autoencoder",
        )
    _check_steps(run, data, description)
    shape = net_input(data, description).shape
    if shape != pretrained_input.shape:
        _refuse_shape("its encoder", run, pretrained_input.shape, shape, (*ENCODER, "run"))
    layers: list[Layer] = [row.layer for row in theirs]
    if theirs[0].input_shape != shape:
        layers = [Flatten(), *layers]
    _check_unchanged(block, run, ENCODER)
    if block.layers is not None and block.layers != layers:
        raise Refusal((*ENCODER, "layers"), f"not those of {run.path}; leave them out: they are filled in")
    complete = block.model_copy(update={"run": _absolute(run), "layers": layers, "sha256": run.sha256})
    names = zip(weight_shapes(complete.rows(shape)), weight_shapes(theirs), strict=True)
    return complete, {**{own: run.arrays[name] for own, name in names}, **run.fitted()}


def initial(
    block: Initial, run: PretrainedRun, data: Dataset, description: Description, shapes: Mapping[str, Shape]
) -> tuple[Initial, Arrays]:
    """The completed block, and the initial arrays; `shapes` are those of the network's weights.

    Raises Refusal where the run's weights have other names or shapes, naming the first, its
    preprocessing differs, or it has changed since the block was completed.
    """
    theirs = {name: value.shape for name, value in run.learned().items()}
    for name in [*shapes, *theirs]:
        if theirs.get(name) != shapes.get(name):
            difference = f"{_size(shapes.get(name))} here, {_size(theirs.get(name))} there"
            raise Refusal((*INITIAL, "run"), f"{run.path}: is another architecture: {name} is {difference}")
    _check_steps(run, data, description)
    if data.target_scaling != (scaling := run.resolved.experiment.data.target_scaling):
        text = f"{run.path}: was trained with other scaling of its targets; write {scaling or 'null'}"
        raise Refusal(("data", "target_scaling"), text)
    _check_unchanged(block, run, INITIAL)
    return block.model_copy(update={"run": _absolute(run), "sha256": run.sha256}), {**run.learned(), **run.fitted()}


def initial_file(block: Initial, shapes: Mapping[str, Shape]) -> tuple[Initial, Arrays]:
    """The completed block, and the arrays of its file; `shapes` are those of the weights and of preprocessing.

    Raises Refusal for a file that is missing, damaged, does not fit, or has changed since the block was completed.
    """
    assert block.file
    path = Path(block.file)
    try:
        arrays = weights_file.read(path, shapes, "write the layers and the preprocessing that it was made for")
        sha256 = checksum.sha256(path)
    except UserError as error:
        raise Refusal((*INITIAL, "file"), str(error)) from None
    if block.sha256 not in (None, sha256):
        text = f"{path}: has changed; leave sha256 out to use it as it is now"
        raise Refusal((*INITIAL, "sha256"), text)
    return block.model_copy(update={"sha256": sha256}), arrays


def _size(shape: Shape | None) -> str:
    return "missing" if shape is None else text(shape) or "a number"


def _absolute(run: PretrainedRun) -> str:
    return str(run.path.absolute())


def _check_steps(run: PretrainedRun, data: Dataset, description: Description) -> None:
    """Refuse a run with other preprocessing: its weights would be meaningless."""
    ours, theirs = (spec.model_dump()["preprocess"] for spec in (data, run.resolved.experiment.data))
    if ours != theirs:
        difference = flow(theirs) if theirs else "none"
        raise Refusal(STEPS, f"{run.path}: was trained with other preprocessing; write the same: {difference}")
    pretrained_shape = run.resolved.description.shape
    if theirs and description.shape != pretrained_shape:
        _refuse_shape("its preprocessing", run, pretrained_shape, description.shape, STEPS)


def _refuse_shape(what: str, run: PretrainedRun, expected: Shape, received: Shape, path: tuple[str, ...]) -> NoReturn:
    raise Refusal(path, f"{run.path}: {what} takes samples of {text(expected)}, and those here are {text(received)}")


def _check_unchanged(block: PretrainedEncoder | Initial, run: PretrainedRun, path: tuple[str, ...]) -> None:
    if block.sha256 not in (None, run.sha256):
        raise Refusal(
            (*path, "sha256"),
            f"{run.path}: its weights have changed; leave sha256 out to use the current ones",
        )
