"""Dense."""

from __future__ import annotations

from mlphys.schema.fields import Count, Shape
from mlphys.schema.layers.layer import Weighted


class Dense(Weighted):
    """Every output from every input: activation(W x + b)."""

    positional = ("units", "activation", "use_bias")
    shorthand = "units"
    units: Count
    """The number of outputs. Example: 10"""

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.units)

    def kernel(self, shape: Shape) -> Shape:
        return (shape[-1], self.units)

    def outputs(self) -> int:
        return self.units
