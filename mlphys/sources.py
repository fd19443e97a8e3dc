"""Finished runs that a training begins with: the encoder of one, or all of its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlphys.preprocessing import wanted
from mlphys.records import RunFiles, located
from mlphys.schema.data import DataSpec, Description, Shape
from mlphys.schema.document import flow
from mlphys.schema.layers import Flatten, Layer, text
from mlphys.schema.messages import Misfit
from mlphys.schema.model import ModelSpec
from mlphys.schema.shapes import Row, weights
from mlphys.schema.source import Initial, TakenEncoder

ENCODER, INITIAL, STEPS = ("model", "encoder"), ("training", "initial"), ("data", "preprocess")

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Source:
    """A finished run: what it was trained on as its net saw it, and all that it has learned or fitted."""

    path: Path
    model: ModelSpec
    data: DataSpec
    shape: Shape  # of the data, before preprocessing
    net_input: Description
    arrays: Arrays
    sha256: str

    def fitted(self) -> Arrays:
        """What preprocessing was fitted with."""
        return {name: self.arrays[name] for name in wanted(self.data.preprocess, self.shape)}

    def learned(self) -> Arrays:
        """The net's weights."""
        fitted = self.fitted()
        return {name: value for name, value in self.arrays.items() if name not in fitted}


def finished(block: TakenEncoder | Initial, path: tuple[str, ...], remedy: str) -> RunFiles:
    """The run that a block names. Raises Misfit, with the remedy, unless it is there and trained to its end."""
    found = located(block.run)
    if found is None:
        where = "neither as a folder nor under runs/"
        raise Misfit((*path, "run"), f"{block.run}: no such run, {where}; {remedy}")
    run = RunFiles(found)
    state, epochs = run.status["state"], run.status["epochs"]
    if state == "diverged":
        raise Misfit((*path, "run"), f"{found}: its training diverged; name another run")
    if state != "done":
        so_far = f"({state}, {epochs} epochs so far)"
        raise Misfit((*path, "run"), f"{found}: its training is not finished {so_far}; `mlphys resume {found}` goes on")
    return run


def encoder(
    block: TakenEncoder, source: Source, data: DataSpec, description: Description
) -> tuple[TakenEncoder, Arrays]:
    """The block complete, and the arrays that the new net begins with, by its own names.

    `description` is of what the new net sees behind its preprocessing. Raises Misfit where the run has no encoder, was
    trained on other samples, or has changed since the block was completed.
    """
    theirs = source.model.encoder_rows(source.net_input)
    if not theirs:
        raise Misfit(
            (*ENCODER, "run"),
            f"{source.path}: kind {source.model.kind} has no encoder of layers; "
            "name a run of an autoencoder or a stacked_autoencoder",
        )
    _check_steps(source, data)
    if description.shape != source.net_input.shape:
        told = f"takes samples of {text(source.net_input.shape)}, and those here are {text(description.shape)}"
        raise Misfit((*ENCODER, "run"), f"{source.path}: its encoder {told}")
    layers: list[Layer] = [row.layer for row in theirs]
    if theirs[0].input_shape != description.shape:
        layers = [Flatten(), *layers]
    _check_unchanged(block, source, ENCODER)
    if block.layers is not None and block.layers != layers:
        raise Misfit((*ENCODER, "layers"), f"not those of {source.path}; leave them out: they are filled in")
    complete = block.model_copy(update={"run": _absolute(source), "layers": layers, "sha256": source.sha256})
    names = zip(weights(complete.rows(description.shape)), weights(theirs), strict=True)
    return complete, {**{own: source.arrays[name] for own, name in names}, **source.fitted()}


def initial(
    block: Initial, source: Source, data: DataSpec, description: Description, shapes: Mapping[str, Shape]
) -> tuple[Initial, Arrays]:
    """The block complete, and the arrays that training begins with; `shapes` are those of the net's weights.

    Raises Misfit where the run's weights have other names or shapes, naming the first, where its samples were
    prepared differently, or where it has changed since the block was completed.
    """
    theirs = {name: value.shape for name, value in source.learned().items()}
    for name in [*shapes, *theirs]:
        there, here = theirs.get(name), shapes.get(name)
        if there != here:
            told = ", ".join(
                f"{_size(shape)} {where}" for shape, where in ((here, "here"), (there, "there"))
            )  # fmt: skip
            raise Misfit((*INITIAL, "run"), f"{source.path}: is another architecture: {name} is {told}")
    _check_steps(source, data)
    if data.preprocess and description.shape != source.net_input.shape:
        told = f"takes samples of {text(source.net_input.shape)}, and those here are {text(description.shape)}"
        raise Misfit((*INITIAL, "run"), f"{source.path}: {told}")
    _check_unchanged(block, source, INITIAL)
    return block.model_copy(update={"run": _absolute(source), "sha256": source.sha256}), source.arrays


def _size(shape: Shape | None) -> str:
    return "missing" if shape is None else text(shape) or "a number"


def _absolute(source: Source) -> str:
    return str(source.path.absolute())


def _check_steps(source: Source, data: DataSpec) -> None:
    """What a net has learned means something behind its own preprocessing only."""
    ours, theirs = (spec.model_dump()["preprocess"] for spec in (data, source.data))
    if ours != theirs:
        told = flow(theirs) if theirs else "none"
        raise Misfit(STEPS, f"{source.path}: was trained behind other preprocessing; write the same: {told}")


def _check_unchanged(block: TakenEncoder | Initial, source: Source, path: tuple[str, ...]) -> None:
    if block.sha256 not in (None, source.sha256):
        raise Misfit(
            (*path, "sha256"),
            f"{source.path}: its weights are not those that were taken; leave sha256 out to take them as they are now",
        )


def taken_rows(model: ModelSpec, rows: Sequence[Row]) -> Sequence[Row]:
    """Those of a net's rows that are another run's encoder."""
    block = model.taken()
    return rows[: len(block.layers or [])] if block else []
