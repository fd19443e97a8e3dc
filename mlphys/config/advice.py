"""What may be meant, and rarely is: a config that is accepted and will hardly learn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mlphys.config.experiment import ResolvedExperiment
from mlphys.schema.layers import Softmax
from mlphys.schema.losses import BinaryCrossentropy
from mlphys.schema.shapes import Row


def advice(resolved: ResolvedExperiment) -> list[str]:
    """A sentence for each doubt, with the key that it is about."""
    return [*_hidden_softmax(resolved.rows()), *_one_step(resolved), *_binary_softmax(resolved)]


def _hidden_softmax(rows: Sequence[Row]) -> Iterator[str]:
    for i, row in enumerate(rows):
        behind = [after.layer for after in rows[i + 1 :] if after.trained() or after.layer.activation_name()]
        if behind and _is_softmax(row):
            yield (
                f"{row.name}: softmax in a hidden layer makes its outputs compete for a sum of 1, and gradients "
                "small; relu is usual"
            )


def _one_step(resolved: ResolvedExperiment) -> Iterator[str]:
    training, samples = resolved.experiment.training, resolved.net_input.samples
    if not resolved.experiment.model.ITERATIVE or training.steps_per_epoch is not None or training.batch_size == "all":
        return
    if int(training.batch_size) >= samples:
        yield (
            f"training.batch_size: {training.batch_size} takes all {samples} training samples at once, one step an "
            f"epoch, {training.epochs} steps in all; write all if that is meant, or a smaller one"
        )


def _binary_softmax(resolved: ResolvedExperiment) -> Iterator[str]:
    rows = resolved.rows()
    if not rows or not isinstance(resolved.experiment.training.loss, BinaryCrossentropy) or not _is_softmax(rows[-1]):
        return
    outputs = math.prod(rows[-1].output_shape)
    if outputs > 2:
        yield (
            f"training.loss: binary_crossentropy judges each of {outputs} outputs by itself, and softmax makes them "
            "one probability; write categorical_crossentropy, or activation: sigmoid"
        )


def _is_softmax(row: Row) -> bool:
    return isinstance(row.layer, Softmax) or row.layer.activation_name() == "softmax"
