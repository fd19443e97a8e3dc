"""Samples of a Boltzmann machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import image_grid
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.numerics import chunked
from mlphys.schema.layers import text

CHAINS, LINES, EVERY = 12, 8, 100  # steps from line to line


class Samples(Plot):
    """Gibbs samples of a restricted Boltzmann machine, starting at samples of the data."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        model = run.config.model
        if not model.DRAWS_SAMPLES:
            raise NotApplicable(f"kind: {model.kind} draws no samples; train a model of kind: rbm for this picture")
        shape = tuple(run.data["shape"])
        if len(shape) != 3 or shape[-1] not in (1, 3):
            raise NotApplicable(f"a sample of {text(shape)} is no image of 1 or 3 channels")
        if not run.preprocessing.invertible:
            raise NotApplicable("data.preprocess cannot be undone: what the machine draws are no images")
        split = run.shown_split()
        starts = chunked.read(getattr(run.dataset(), split).x[:CHAINS])
        drawn = run.trained.sampled(starts, LINES, EVERY)
        title = f"{run.name}: Gibbs sampling, {EVERY * LINES} steps"
        caption = (
            f"each column is a chain that starts at a {split} sample, the number of steps beside the rows; "
            "drawn are the means of the visible units"
        )
        images = np.concatenate([starts[:, None], drawn], axis=1).swapaxes(0, 1)
        labels = ["start", *(str(line * EVERY) for line in range(1, LINES + 1))]
        yield Picture("samples", image_grid.page(images, starts, labels, title, caption), _table(drawn))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "data": {"name": "digits", "train": 60, "validation": 30, "test": 30},
            "model": {"kind": "rbm", "hidden": 3},
            "training": {"epochs": 2},
        }


def _table(drawn: np.ndarray) -> dict[str, list]:
    """One row per value of each generated image; `sample` is the index at which its chain started."""
    chains, lines, *places = np.indices(drawn.shape).reshape(drawn.ndim, -1)
    columns = dict(zip(("row", "column", "channel"), (place.tolist() for place in places), strict=True))
    steps = ((lines + 1) * EVERY).tolist()
    return {"sample": chains.tolist(), "steps": steps, **columns, "value": list(drawn.ravel())}
