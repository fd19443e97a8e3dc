"""Whether a sample is like those that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlphys.errors import UserError
from mlphys.numerics import chunked, nearest
from mlphys.runs.run import Run

MOST_KNOWN = 20_000  # training samples that are compared with
MOST_CALIBRATION = 500  # validation samples for the distribution of usual distances
FAR = 1.1  # times the largest distance of a validation sample
NAMED = 3


@dataclass(frozen=True)
class Similarity:
    """Root mean square distances of n samples to the nearest training sample, as the net sees them.

    `farther_than` is the share of the validation samples that are nearer; `usual` the largest distance of `calibration`
    validation samples.
    """

    distances: np.ndarray
    farther_than: np.ndarray
    usual: float
    calibration: int

    def notes(self, files: Sequence[str]) -> tuple[str, ...]:
        """A line for what is farther from all training samples than any validation sample."""
        far = np.flatnonzero(self.distances > FAR * self.usual)
        if not len(far):
            return ()
        named = ", ".join(f"{files[i]} ({self.distances[i]:.2g})" for i in far[:NAMED])
        more = f" and {len(far) - NAMED} more" if len(far) > NAMED else ""
        return (
            f"far from all training samples: {named}{more}; none of {self.calibration} validation samples is farther "
            f"than {self.usual:.2g}: the class may mean nothing",
        )


def of(run: Run, x: np.ndarray) -> Similarity | str:
    """Samples compared with those of a run, or why they cannot be: its data is gone, or has no validation samples."""
    try:
        dataset = run.dataset()
    except UserError as error:
        return f"not compared with the training samples: {error}"
    if not len(dataset.validation):
        return "not compared with the training samples: without validation samples the usual distance is unknown"
    fitted = run.preprocessing
    known, calibration = (
        chunked.read(fitted.apply(split.some(most).x))
        for split, most in ((dataset.train, MOST_KNOWN), (dataset.validation, MOST_CALIBRATION))
    )
    usual = nearest.distances(calibration, known)
    distances = nearest.distances(chunked.read(fitted.apply(x)), known)
    return Similarity(distances, nearest.share_below(distances, usual), float(usual.max()), len(usual))
