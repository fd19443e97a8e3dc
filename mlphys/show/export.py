"""How an export went, as text."""

from __future__ import annotations

from typing import Any


def exported(result: Any) -> str:
    """The files, and how far the other program's numbers are from the run's."""
    outputs = ", ".join(f"{name} {['n', *shape]}".replace("'", "") for name, shape in result.output_shapes.items())
    return (
        f"{result.program} on {result.samples} {result.split} samples: differs by {result.difference:.2g} at most, "
        f"relative to the largest value\n"
        f"{result.path}: {len(result.content):,} bytes; x {['n', *result.input_shape]} -> {outputs}\n".replace("'n'", "n")
        + f"{result.card}: its model card"
    )
