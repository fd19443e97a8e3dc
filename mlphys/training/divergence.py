"""Diagnosis of diverged training: replay the last epoch to find the first number that is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlphys.networks.compiled import Pass
from mlphys.networks.phases import Gradient, Phase
from mlphys.schema.samples import Split
from mlphys.training.engine import Engine, traversed
from mlphys.training.tracking import trained_by_layer


@dataclass(frozen=True)
class Cause:
    """What is not finite first, and the text that says so."""

    of: Literal["samples", "outputs", "loss", "gradient", "update"]
    text: str


def explanation(engine: Engine, phase: Gradient, validation: Split, epoch: int, stride: int) -> str:
    """The error message: what is not finite, where, and the remedy. The engine is at the beginning of the epoch."""
    step = first_step(engine, stride)
    rate = engine.learning_rate()
    if step is not None:
        cause: Cause | None = of_step(engine, phase, step)
        when = f"in epoch {epoch}, step {step + 1} of {engine.batches},"
    else:  # only the measured loss, or an accelerator that is not deterministic
        engine.sync_network()
        cause = of_split(phase, validation)
        when = f"after epoch {epoch}" if cause else f"in epoch {epoch}"
    what = "validation loss is" if step is None and cause else "loss is"
    if cause and cause.of in ("gradient", "update"):
        what = "weights are"
    remedy = f"try a smaller learning_rate (such as {rate / 10:g}), or clipnorm: 1 in the optimizer"
    if cause and cause.of == "samples":
        remedy = "`mlphys data check CONFIG` counts the values that are not finite"
    elif (epoch, step) == (1, 0) and what == "loss is":
        remedy = "the net is untrained: try smaller initial weights (kernel_initializer), or standardize the data"
    why = f": {cause.text}" if cause else ""
    return f"the {what} not finite any more {when} at learning rate {rate:g}{why}; {remedy}"


def first_step(engine: Engine, stride: int) -> int | None:
    """Find the first step of the epoch after which a number is not finite.

    Leaves the engine before that step. Training is deterministic, so steps are repeated, `stride` at a time, and half
    as many whenever a number is not finite.
    """
    step, good = 0, engine.snapshot()
    while step < engine.batches:
        stop = min(step + stride, engine.batches)
        means = engine.train(step, stop)
        if all(math.isfinite(mean) for mean in means.values()) and finite(engine.state()):
            step, good = stop, engine.snapshot()
            continue
        engine.restore_snapshot(good)
        if stop == step + 1:
            return step
        stride = (stop - step) // 2
    return None


def of_step(engine: Engine, phase: Gradient, step: int) -> Cause:
    """The first quantity that is not finite in the engine's next step."""
    before = engine.snapshot()
    try:
        passed = engine.traversed(step)
        if cause := _of_outputs(passed):
            return cause
        for layer, places in reversed(trained_by_layer(phase).items()):  # in the order of backpropagation
            if not all(np.isfinite(passed.gradients[i]).all() for i in places):
                return Cause("gradient", f"all outputs are finite, the gradient of {layer} is not")
        engine.restore_snapshot(before)
        engine.train(step, step + 1)
        for name, value in engine.state().items():
            if name.startswith("weights/") and not np.isfinite(value).all():
                layer = name.removeprefix("weights/").rpartition(".")[0]
                return Cause("update", f"all outputs and gradients are finite, the new weights of {layer} are not")
        return Cause("update", "all outputs and gradients are finite, the optimizer's slots are not")
    finally:
        engine.restore_snapshot(before)


def of_split(phase: Phase, split: Split) -> Cause | None:
    """The first quantity that is not finite in an evaluation on a split; None if all are."""
    at_once = phase.network.evaluated_at_once
    for start in range(0, len(split), at_once):
        rows = slice(start, start + at_once)
        if cause := _of_outputs(traversed(phase.network, phase.cost, split.at(rows), False)):
            return cause
    return None


def _of_outputs(passed: Pass) -> Cause | None:
    if not (np.isfinite(passed.x).all() and np.isfinite(passed.y).all()):
        return Cause("samples", "its samples are not")
    for layer, outputs in passed.outputs.items():
        if not np.isfinite(outputs).all():
            return Cause("outputs", f"the outputs of {layer} are the first that are not")
    if not np.isfinite(passed.losses).all():
        largest = max((float(np.abs(outputs).max()) for outputs in passed.outputs.values()), default=0.0)
        return Cause("loss", f"all outputs are finite, up to {largest:.2g}, and their loss is not")
    return None


def finite(state: Mapping[str, Any]) -> bool:
    return all(np.isfinite(value).all() for value in state.values())
