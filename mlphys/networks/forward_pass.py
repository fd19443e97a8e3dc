"""The forward pass of a trained network as a list of steps with their arrays, for programs without Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.schema.fields import Shape
from mlphys.schema.shapes import Row

NO_ARGUMENT = ("_initializer", "_regularizer")


@dataclass(frozen=True)
class Step:
    """A layer by the name of its type, with its arguments and its weights by Keras's names; it takes `input_shape`.

    A kernel that is tied is that of its source, and the argument `tied` says that it is to be transposed.
    """

    name: str
    type: str
    input_shape: Shape
    arguments: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Branch:
    """Steps that reconstruct the sample, by the words `name`, from what the first `start` steps make of it."""

    name: str
    start: int
    steps: Sequence[Step]


@dataclass(frozen=True)
class ForwardPass:
    """Steps from a sample to the outputs, of which the first `code` give a code that the others decode; 0: none do.

    `prototypes` (k, d) are all possible reconstructions, where these are finitely many.
    """

    steps: Sequence[Step]
    code: int = 0
    branches: Sequence[Branch] = ()
    prototypes: np.ndarray | None = None


def of_rows(rows: Sequence[Row], weights: Mapping[str, np.ndarray]) -> list[Step]:
    """The layers of `rows`, one after the other; `weights` are those of the whole net."""
    steps = []
    for row in rows:
        own = {name.rpartition(".")[2]: weights[name] for name in row.weight_shapes()}
        if row.tied_to:
            own["kernel"] = weights[f"{row.tied_to}.kernel"]
        config = row.layer.model_dump(exclude={"kernel"})
        arguments = {name: config[name] for name in config if not name.endswith(NO_ARGUMENT)}
        tied = {"tied": row.tied_to is not None}
        steps.append(Step(row.name, type(row.layer).__name__, row.input_shape, arguments | tied, own))
    return steps


def tied_pair(
    kernel: np.ndarray, encoder: tuple[str, str, np.ndarray], decoder: tuple[str, str, np.ndarray]
) -> ForwardPass:
    """r(x) = g(f(x W + c) W^T + b) of a model without layers; each part by its name, activation and bias."""
    steps = [
        Step(
            name, "Dense", (kernel.shape[i],),
            {"units": kernel.shape[1 - i], "activation": activation, "tied": i == 1}, {"kernel": kernel, "bias": bias},
        )
        for i, (name, activation, bias) in enumerate((encoder, decoder))
    ]  # fmt: skip
    return ForwardPass(steps, 1)
