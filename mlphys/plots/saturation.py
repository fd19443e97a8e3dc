"""Saturation of activations during training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_curves import picture
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView


class Saturation(Plot):
    """The fraction of saturated outputs of each layer, against the epoch."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        yield picture(
            run,
            name="saturation",
            column="saturation",
            track="saturation",
            title="saturated outputs by layer",
            label="fraction of the outputs",
            caption="saturated: h < .05 or h > .95 (sigmoid), |h| > .95 (tanh), h = 0 (relu), in training",
            log=False,
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()
