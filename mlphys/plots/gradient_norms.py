"""Norms of gradients during training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_curves import picture
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView


class GradientNorms(Plot):
    """The norm of the cost's gradient in each layer against the epoch: whether it vanishes or explodes."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        yield picture(
            run,
            name="gradient_norms",
            column="gradient_norm",
            track="gradient_norms",
            title="gradient of the cost by layer",
            label="|dC/dw| of a layer's weights",
            caption="mean over the steps of an epoch",
            log=True,
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()
