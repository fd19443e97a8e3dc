"""Micro-batches: a batch in parts, one core each.

The operations of a small network are too short to be divided among threads: two cores with half a batch each need
two thirds of the time of two threads per operation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlphys import machine
from mlphys.networks.compiled import MOST_PARTS
from mlphys.networks.phases import Gradient
from mlphys.schema import shapes
from mlphys.schema.shapes import Row

SAMPLES = 16  # per part, about: with fewer, overhead dominates and SIMD vectors are not full


def operation_threads(rows: Sequence[Row], batch: int | str) -> int | None:
    """Threads per TensorFlow operation: one if batches are divided into micro-batches, else all; None: one per core."""
    size = MOST_PARTS * SAMPLES if batch == "all" else int(batch)  # "all" samples are enough for MOST_PARTS parts
    fit = _parts(size) > 1 or machine.threads() == 1
    return 1 if fit and shapes.separable(rows) and not shapes.compile_in_xla(rows) else machine.chosen_threads()


def sizes(phase: Gradient, batch: int, accelerated: bool) -> list[int]:
    """The sizes of the micro-batches of a batch; one with XLA or on an accelerator."""
    whole = accelerated or phase.network.compiles_in_xla or not phase.separable
    parts = 1 if whole else _parts(batch)
    return [batch // parts + (i < batch % parts) for i in range(parts)]


def _parts(batch: int) -> int:
    """The number of parts; 1 if parts would leave more than half of the cores idle."""
    parts = min(machine.threads(), MOST_PARTS, math.ceil(batch / SAMPLES))
    return parts if 2 * parts >= machine.threads() else 1
