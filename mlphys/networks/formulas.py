"""The cost of a chain of layers as a formula with its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mlphys.schema.fields import Shape
from mlphys.schema.initializers import Regularizer
from mlphys.schema.losses import Loss
from mlphys.schema.shapes import Row


def formula(loss: Loss, loss_per: str, outputs: Shape, rows: Iterable[Row]) -> str:
    """The loss of a sample and the penalties of the layers, a term a line."""
    terms = loss.formula()
    if loss.over_outputs():
        over = f"1/{math.prod(outputs)} sum_k" if loss_per == "output" else "sum_k"
        terms = f"{over} {terms}"
    return "\n    + ".join([f"mean over the samples of  {terms}", *_penalties(rows)])


def _penalties(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        for key, value in row.layer.arguments().items():
            counts = row.trainable or key == "activity_regularizer"  # as in Keras
            if isinstance(value, Regularizer) and counts:
                yield value.formula(f"{row.name}.{key.removesuffix('_regularizer')}")
