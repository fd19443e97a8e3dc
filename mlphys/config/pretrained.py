"""Finished runs that a training begins with: the encoder of one, or all of its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from mlphys.data.preprocessing import fitted_shapes
from mlphys.errors import Refusal
from mlphys.io.run_files import RunFiles, located
from mlphys.schema.data import DataSpec, Description
from mlphys.schema.document import flow
from mlphys.schema.fields import Shape
from mlphys.schema.layers import Flatten, Layer, text
from mlphys.schema.model import ModelSpec
from mlphys.schema.pretrained import Initial, TakenEncoder
from mlphys.schema.shapes import Row, weights

ENCODER, INITIAL, STEPS = ("model", "encoder"), ("training", "initial"), ("data", "preprocess")

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Here:
    """What a net is shown: samples of `shape`, and `net_input` behind the preprocessing of `data`."""

    data: DataSpec
    shape: Shape
    net_input: Description


@dataclass(frozen=True)
class Source(Here):
    """A finished run, with what it was shown, and all that it has learned or fitted."""

    path: Path
    model: ModelSpec
    arrays: Arrays
    sha256: str

    def fitted(self) -> Arrays:
        """What preprocessing was fitted with."""
        return {name: self.arrays[name] for name in fitted_shapes(self.data.preprocess, self.shape)}

    def learned(self) -> Arrays:
        """The net's weights."""
        fitted = self.fitted()
        return {name: value for name, value in self.arrays.items() if name not in fitted}


def finished(block: TakenEncoder | Initial, path: tuple[str, ...], remedy: str) -> RunFiles:
    """The run that a block names. Raises Refusal, with the remedy, unless it is there and trained to its end."""
    found = located(block.run)
    if found is None:
        where = "neither as a folder nor under runs/"
        raise Refusal((*path, "run"), f"{block.run}: no such run, {where}; {remedy}")
    run = RunFiles(found)
    state, epochs = run.status["state"], run.status["epochs"]
    if state == "diverged":
        raise Refusal((*path, "run"), f"{found}: its training diverged; name another run")
    if state != "done":
        so_far = f"({state}, {epochs} epochs so far)"
        raise Refusal(
            (*path, "run"), f"{found}: its training is not finished {so_far}; `mlphys resume {found}` goes on"
        )
    return run


def encoder(block: TakenEncoder, source: Source, here: Here) -> tuple[TakenEncoder, Arrays]:
    """The block complete, and the arrays that the new net begins with, by its own names.

    Raises Refusal where the run has no encoder, was trained on other samples, or has changed since the block
    was completed.
    """
    theirs = source.model.encoder_rows(source.net_input)
    if not theirs:
        raise Refusal(
            (*ENCODER, "run"),
            f"{source.path}: kind {source.model.kind} has no encoder of layers; "
            "name a run of an autoencoder or a stacked_autoencoder",
        )
    _check_steps(source, here)
    shape = here.net_input.shape
    if shape != source.net_input.shape:
        _refuse_shape("its encoder", source, source.net_input.shape, shape, (*ENCODER, "run"))
    layers: list[Layer] = [row.layer for row in theirs]
    if theirs[0].input_shape != shape:
        layers = [Flatten(), *layers]
    _check_unchanged(block, source, ENCODER)
    if block.layers is not None and block.layers != layers:
        raise Refusal((*ENCODER, "layers"), f"not those of {source.path}; leave them out: they are filled in")
    complete = block.model_copy(update={"run": _absolute(source), "layers": layers, "sha256": source.sha256})
    names = zip(weights(complete.rows(shape)), weights(theirs), strict=True)
    return complete, {**{own: source.arrays[name] for own, name in names}, **source.fitted()}


def initial(block: Initial, source: Source, here: Here, shapes: Mapping[str, Shape]) -> tuple[Initial, Arrays]:
    """The block complete, and the arrays that training begins with; `shapes` are those of the net's weights.

    Raises Refusal where the run's weights have other names or shapes, naming the first, where its samples were
    prepared differently, or where it has changed since the block was completed.
    """
    theirs = {name: value.shape for name, value in source.learned().items()}
    for name in [*shapes, *theirs]:
        if theirs.get(name) != shapes.get(name):
            told = f"{_size(shapes.get(name))} here, {_size(theirs.get(name))} there"
            raise Refusal((*INITIAL, "run"), f"{source.path}: is another architecture: {name} is {told}")
    _check_steps(source, here)
    _check_unchanged(block, source, INITIAL)
    return block.model_copy(update={"run": _absolute(source), "sha256": source.sha256}), source.arrays


def _size(shape: Shape | None) -> str:
    return "missing" if shape is None else text(shape) or "a number"


def _absolute(source: Source) -> str:
    return str(source.path.absolute())


def _check_steps(source: Source, here: Here) -> None:
    """What a net has learned means something behind its own preprocessing only."""
    ours, theirs = (spec.model_dump()["preprocess"] for spec in (here.data, source.data))
    if ours != theirs:
        told = flow(theirs) if theirs else "none"
        raise Refusal(STEPS, f"{source.path}: was trained behind other preprocessing; write the same: {told}")
    if theirs and here.shape != source.shape:
        _refuse_shape("its preprocessing", source, source.shape, here.shape, STEPS)


def _refuse_shape(what: str, source: Source, there: Shape, here: Shape, path: tuple[str, ...]) -> NoReturn:
    raise Refusal(path, f"{source.path}: {what} takes samples of {text(there)}, and those here are {text(here)}")


def _check_unchanged(block: TakenEncoder | Initial, source: Source, path: tuple[str, ...]) -> None:
    if block.sha256 not in (None, source.sha256):
        raise Refusal(
            (*path, "sha256"),
            f"{source.path}: its weights are not those that were taken; leave sha256 out to take them as they are now",
        )


def taken_rows(model: ModelSpec, rows: Sequence[Row]) -> Sequence[Row]:
    """Those of a net's rows that are another run's encoder."""
    block = model.taken()
    return rows[: len(block.layers or [])] if block else []
