"""A batch in parts, which the cores work on side by side.

The operations of a small net are too short to be shared out, each of them, among several threads: two cores with
half of a batch each take two thirds of the time that they take with half of every operation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlphys import machine
from mlphys.networks.phases import Gradient
from mlphys.schema import shapes
from mlphys.schema.shapes import Row

SAMPLES = 16  # of a part, about: with fewer an operation costs more than its work, and vectors stay empty
MOST = 8  # parts: each is traced, which takes a third of a second


def operation_threads(rows: Sequence[Row], batch: int | str) -> int | None:
    """How many threads an operation of TensorFlow gets: one where the net's batches are trained in parts, else all.

    None stands for one a core, where no number of threads was chosen.
    """
    size = MOST * SAMPLES if batch == "all" else int(batch)  # all samples are enough for any number of parts
    fit = _parts(size) > 1 or machine.threads() == 1
    return 1 if fit and shapes.separable(rows) and not shapes.compile_in_xla(rows) else machine.chosen_threads()


def sizes(phase: Gradient, batch: int, accelerated: bool) -> list[int]:
    """How many samples of a batch each part has; in XLA, and on an accelerator, a batch stays whole."""
    whole = accelerated or phase.network.compiles_in_xla or not phase.separable
    parts = 1 if whole else _parts(batch)
    return [batch // parts + (i < batch % parts) for i in range(parts)]


def _parts(batch: int) -> int:
    """One, with all cores at work on every operation, where the parts would leave more than half of them idle."""
    parts = min(machine.threads(), MOST, math.ceil(batch / SAMPLES))
    return parts if 2 * parts >= machine.threads() else 1
