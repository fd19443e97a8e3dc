"""How large the weights of each layer are, against the epoch."""

from __future__ import annotations

from collections.abc import Iterator

from mlphys.figures.layer_curves import picture
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import RunView


def draw(run: RunView) -> Iterator[Picture]:
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
