"""Generated curves that are in memory together."""

from __future__ import annotations

LARGEST_CURVES = 125_000_000  # points of all samples together: 1 GB while they are computed in float64


def require_in_memory(samples: int, points: int) -> None:
    """Raise ValueError for more values than LARGEST_CURVES."""
    values = samples * points
    if values > LARGEST_CURVES:
        raise ValueError(
            f"{samples} curves of {points} points are {values} values, more than {LARGEST_CURVES}; "
            "lower samples or points"
        )
