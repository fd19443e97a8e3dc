"""Norms of weights during training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_curves import picture
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView


class WeightNorms(Plot):
    """The norm of each layer's weights against the epoch."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        yield picture(
            run,
            name="weight_norms",
            column="weight_norm",
            track="weight_norms",
            title="weights by layer",
            label="|w| of a layer's weights",
            caption="at the end of the epoch",
            log=True,
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()
