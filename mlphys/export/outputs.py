"""What an export of a run holds: the whole net or a part of it, in the units of the data, and the run's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable, UserError
from mlphys.runs.run import Run
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Graph

WHOLE = "whole"


@dataclass(frozen=True)
class Part:
    """The net or a part of it.

    `write(run, graph, x)` writes the outputs by name for inputs x; `inputs(run, x)` are the inputs of samples x (n,
    ...) of the data, and `expected(run, inputs)` the run's own outputs for them, arrays by name.
    """

    write: Callable[[Run, Graph, Any], dict[str, Any]]
    inputs: Callable[[Run, np.ndarray], np.ndarray]
    expected: Callable[[Run, np.ndarray], Mapping[str, np.ndarray]]
    input_shape: Callable[[Run], Shape]


def _write_whole(run: Run, graph: Graph, x: Any) -> dict[str, Any]:
    kind, description, fitted = run.config.model, run.loaded.net_input, run.preprocessing
    outputs = kind.write(graph, description, run.weights, fitted.apply_in(graph, x))
    for name in outputs:
        if name in kind.image_output_shapes(description):
            outputs[name] = fitted.inverse_in(graph, outputs[name])
    if fitted.targets and "outputs" in outputs:
        outputs["outputs"] = graph.scaled(outputs["outputs"], fitted.targets.spread, fitted.targets.mean)
    return outputs


def _write_encoder(run: Run, graph: Graph, x: Any) -> dict[str, Any]:
    z = run.preprocessing.apply_in(graph, x)
    return {"codes": run.config.model.write_encoder(graph, run.loaded.net_input, run.weights, z)}


def _write_decoder(run: Run, graph: Graph, codes: Any) -> dict[str, Any]:
    decoded = run.config.model.write_decoder(graph, run.loaded.net_input, run.weights, codes)
    return {"reconstructions": run.preprocessing.inverse_in(graph, decoded)}


def _expected_of_whole(run: Run, x: np.ndarray) -> dict[str, np.ndarray]:
    trained = run.trained
    last_layer = list(trained.layers(x).values())[-1:]
    known = {"outputs": last_layer[0]} if last_layer else {}  # a transform predicts but their mean
    known |= trained.image_outputs(x) | trained.predictions(x)
    two = known.get("probabilities")
    if two is not None and last_layer and last_layer[0].shape[1:] == (1,) and two.shape[1:] == (2,):
        known["probabilities"] = two[:, 1:]  # one sigmoid unit
    return known


def _codes(run: Run, x: np.ndarray) -> np.ndarray:
    return run.trained.predictions(x)["codes"]


def _code_shape(run: Run) -> Shape:
    return run.config.model.prediction_shapes(run.loaded.net_input)["codes"]


PARTS: dict[str, Part] = {
    WHOLE: Part(_write_whole, lambda run, x: x, _expected_of_whole, lambda run: run.description.shape),
    "encoder": Part(
        _write_encoder, lambda run, x: x, lambda run, x: {"codes": _codes(run, x)}, lambda run: run.description.shape
    ),
    "decoder": Part(
        _write_decoder, _codes, lambda run, codes: {"reconstructions": run.trained.decoded(codes)}, _code_shape
    ),
}


def require(run: Run, part: str) -> tuple[str, ...]:
    """The names of the outputs. Raises UserError, before anything is computed, for what the kind of model lacks."""
    try:
        return tuple(PARTS[part].write(run, Sketch(), Sketch()))
    except NotApplicable as reason:
        raise UserError(f"{run.path}: {reason}") from None


class Sketch(Graph):
    """A graph that writes nothing, and its tensors: to see whether a net can be written, and its outputs' names."""

    def __add__(self, other: Any) -> Sketch:
        return self

    __sub__ = __mul__ = __rmul__ = __truediv__ = __pow__ = __add__

    def layer(self, *operands: Any) -> Sketch:
        return self

    def dense(self, *operands: Any) -> Sketch:
        return self

    def standardized(self, *operands: Any) -> Sketch:
        return self

    def scaled(self, *operands: Any) -> Sketch:
        return self

    def contrast_normalized(self, *operands: Any) -> Sketch:
        return self

    def reshaped(self, *operands: Any) -> Sketch:
        return self

    def activation(self, *operands: Any) -> Sketch:
        return self

    def sqrt(self, *operands: Any) -> Sketch:
        return self

    def sum(self, *operands: Any) -> Sketch:
        return self

    def one_hot_of_smallest(self, *operands: Any) -> Sketch:
        return self

    def concatenated(self, tensors: Sequence[Any]) -> Sketch:
        return self
