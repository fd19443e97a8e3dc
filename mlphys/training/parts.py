"""A batch in parts, which the cores work on side by side.

The operations of a small net are too short to be shared out, each of them, among several threads: two cores that
have half of a batch each are half as fast again as two cores that have half of every operation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from mlphys import environment
from mlphys.phases import Gradient
from mlphys.schema.shapes import Row

SMALLEST = 16  # samples of a part: with fewer an operation costs more than its work


def share_cores(rows: Sequence[Row]) -> None:
    """Let TensorFlow, not yet imported, give an operation one thread, if batches of the net are worked on in parts.

    What the user has set in the environment stays.
    """
    if not all(row.layer.compiles_in_xla for row in rows) and not any(row.layer.mixes_samples for row in rows):
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")


def sizes(phase: Gradient, batch: int, accelerated: bool) -> list[int]:
    """How many samples of a batch each part has; in XLA, and on an accelerator, a batch stays whole."""
    whole = accelerated or phase.network.compiles_in_xla or not phase.separable
    parts = 1 if whole else max(1, min(environment.threads(), batch // SMALLEST))
    return [batch // parts + (i < batch % parts) for i in range(parts)]
