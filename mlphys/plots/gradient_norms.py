"""How large the cost's gradient is in each layer, against the epoch: whether it vanishes or explodes."""

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
        name="gradient_norms",
        column="gradient_norm",
        track="gradient_norms",
        title="gradient of the cost by layer",
        label="|dC/dw| of a layer's weights",
        caption="mean over the steps of an epoch",
        log=True,
    )
