"""How large the weights of each layer are, against the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlphys.figures.layer_curves import picture
from mlphys.figures.picture import Picture

if TYPE_CHECKING:
    from mlphys.runs.run import Run


def draw(run: Run) -> Iterator[Picture]:
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
