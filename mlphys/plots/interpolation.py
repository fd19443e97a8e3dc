"""Interpolation in the code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import image_grid, theme
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.requirements import need_decoder, need_images_or_signals
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import chunked

PAIRS, STEPS = 5, 9
SOUGHT = 100  # samples from which pairs are selected


class Interpolation(Plot):
    """Interpolation between two samples, linear in the code and linear in the pixels."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable unless a decoder makes images or signals from codes."""
        need_decoder(resolved)
        need_images_or_signals(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        self.check(run.loaded)
        split = run.shown_split()
        samples = getattr(run.dataset(), split)
        classes = run.data["classes"]
        pairs = _pairs(samples.y[:SOUGHT] if classes else np.arange(min(SOUGHT, len(samples))))
        if not len(pairs):
            raise NotApplicable(
                f"there are no two {split} samples{' of different classes' if classes else ''} to go between"
            )
        ends = chunked.read(samples.x[pairs.ravel()])
        codes = run.trained.predictions(ends)["codes"].reshape(len(pairs), 2, -1)
        share = np.linspace(0, 1, STEPS)
        through = run.trained.decoded(_line(codes, share).reshape(-1, codes.shape[-1]))
        images = np.empty((2 * len(pairs), STEPS, *ends.shape[1:]), np.float32)
        images[::2] = through.reshape(len(pairs), STEPS, *ends.shape[1:])
        images[1::2] = _line(ends.reshape(len(pairs), 2, *ends.shape[1:]), share)
        labels, values = [], "pixels" if ends.ndim == 4 else "values"
        for first, last in pairs:
            names = [theme.short(classes[samples.y[i]]) if classes else str(i) for i in (first, last)]
            labels += [f"{names[0]} to {names[1]}, code", values]
        title = f"{run.name}: between two samples, in the code and in {values}"
        caption = f"{split} samples; above: what the decoder makes of the straight line between their codes; "
        caption += "below: the straight line between the samples themselves"
        above = [f"{value:.3g}" for value in share]
        figure = image_grid.page(images, ends, labels, title, caption, above, grouped=2)
        rows = {
            "first": np.repeat(pairs[:, 0], 2), "last": np.repeat(pairs[:, 1], 2),
            "line": ["code", values] * len(pairs),
        }  # fmt: skip
        yield Picture("interpolation", figure, image_grid.table(images, rows, {"share": share}))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _pairs(labels: np.ndarray) -> np.ndarray:
    """Indices (pairs, 2) of samples, each with the next unused one of another class; labels are (n,)."""
    free = list(range(len(labels)))
    pairs: list[tuple[int, int]] = []
    while free and len(pairs) < PAIRS:
        first = free.pop(0)
        other = next((i for i in free if labels[i] != labels[first]), None)
        if other is not None:
            free.remove(other)
            pairs.append((first, other))
    return np.array(pairs, int).reshape(-1, 2)


def _line(ends: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Linear interpolation (pairs, steps, ...) between ends (pairs, 2, ...)."""
    share = share.reshape(1, -1, *[1] * (ends.ndim - 2))
    return (1 - share) * ends[:, :1] + share * ends[:, 1:]
