"""Windows that slide along one axis or two."""

from __future__ import annotations

import math

from mlphys.errors import Refusal


def by_axis(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """An argument of a layer as a number for each axis; that of a sequence is one number."""
    return value if isinstance(value, tuple) else (value,)


def positions(layer: str, n: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Number of positions of a window that slides along n pixels."""
    if padding != "valid":
        return math.ceil(n / stride)
    reach = dilation * (kernel - 1) + 1
    if reach > n:
        raise Refusal(
            (),
            f"a window of {reach} does not fit into {n}; use a smaller one in {layer}, "
            f"less pooling before it, or padding: same",
        )
    return (n - reach) // stride + 1
