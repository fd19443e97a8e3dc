"""The fraction of each layer's outputs where its activation is flat, against the epoch."""

from __future__ import annotations

from collections.abc import Iterator

from mlphys.figures.layer_curves import picture
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import RunView


def draw(run: RunView) -> Iterator[Picture]:
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
