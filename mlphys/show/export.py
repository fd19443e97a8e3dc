"""How an export went, as text."""

from __future__ import annotations

from typing import Any


def exported(result: Any) -> str:
    """The files, and how far the other program's numbers are from the run's."""
    outputs = ", ".join(f"{name} {_shape(shape)}" for name, shape in result.output_shapes.items())
    return "\n".join(
        [
            f"{result.program} on {result.samples} {result.split} samples: differs by {result.difference:.2g} of the "
            "largest value at most",
            f"{result.path}: {len(result.content):,} bytes; x {_shape(result.input_shape)} -> {outputs}",
            f"{result.card}: its model card",
        ]
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, ('n', *shape)))}]"
