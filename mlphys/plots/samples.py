"""What a restricted Boltzmann machine dreams: Gibbs sampling that starts at samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlphys import looks
from mlphys.picture import NotApplicable, Picture, shown_split
from mlphys.schema.layers import text

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from mlphys.run import Run

CHAINS, LINES, EVERY = 12, 8, 100  # steps from line to line


def draw(run: Run) -> Iterator[Picture]:
    kind = run.config.model.kind
    if kind != "rbm":
        raise NotApplicable(f"a {kind} draws no samples; train a model of kind: rbm for this picture")
    shape = tuple(run.data["shape"])
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise NotApplicable(f"a sample of {text(shape)} is no image of 1 or 3 channels")
    if not run.preprocessing.invertible:
        raise NotApplicable("data.preprocess cannot be undone: what the machine draws are no images")
    split = shown_split(run)
    starts = getattr(run.dataset(), split).x[:CHAINS]
    drawn = run.trained.sampled(starts, LINES, EVERY)
    title = f"{run.name}: Gibbs sampling, {EVERY * LINES} steps"
    caption = (
        f"each column is a chain that starts at a {split} sample, the steps taken beside the rows; "
        "drawn are the means of the visible units"
    )
    yield Picture("samples", _figure(starts, drawn, title, caption), _table(drawn))


def _figure(starts: np.ndarray, drawn: np.ndarray, title: str, caption: str) -> Figure:
    """A column a chain (n, lines, height, width, channels): above where it starts, below what follows."""
    import numpy as np

    images = np.concatenate([starts[:, None], drawn], axis=1)
    count, lines, height, width, channels = images.shape
    tile = 0.75 * min(max(height / width, 0.3), 2)
    figure = looks.figure(max(0.8 * count + 1.2, 9), (tile + 0.06) * lines + 1.3, title, caption)
    axes = figure.subplots(lines, count, squeeze=False)
    low, high = min(0.0, float(starts.min())), max(1.0, float(starts.max()))
    for line, panels in enumerate(axes):
        for panel, image in zip(panels, images[:, line], strict=True):
            if channels == 3:
                panel.imshow(((image - low) / (high - low)).clip(0, 1))
            else:
                panel.imshow(image[..., 0], cmap="gray_r", vmin=low, vmax=high)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=True, color=looks.PALE if line else looks.INK)
        label = str(line * EVERY) if line else "start"
        panels[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def _table(drawn: np.ndarray) -> dict[str, list]:
    """A row for each number of each drawn image; `sample` is the one of the split that its chain started at."""
    import numpy as np

    chains, lines, *places = np.indices(drawn.shape).reshape(drawn.ndim, -1)
    columns = dict(zip(("row", "column", "channel"), (place.tolist() for place in places), strict=True))
    steps = ((lines + 1) * EVERY).tolist()
    return {"sample": chains.tolist(), "steps": steps, **columns, "value": list(drawn.ravel())}
