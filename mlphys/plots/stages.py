"""Reconstructions stage by stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import image_grid, theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.requirements import need_decoder, need_images_or_signals
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import chunked, pca
from mlphys.numerics.chunked import Array

MOST = 10  # samples


class Stages(Plot):
    """Reconstructions by a stacked autoencoder through the first stage, the first two, ..., all stages."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable without stages whose decoders give images or signals."""
        model = resolved.experiment.model
        if not model.stage_codes(resolved.net_input):
            text = f"{model.kind} is no stack; train a model of kind: stacked_autoencoder for this picture"
            raise NotApplicable(text)
        need_decoder(resolved)
        need_images_or_signals(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        self.check(run.loaded)
        dataset, split = run.dataset(), run.shown_split()
        x = getattr(dataset, split).x
        shown = chunked.read(x[:MOST])
        images = np.concatenate([shown[None], run.trained.staged(shown)])
        errors, codes = _errors(run, x), run.config.model.stage_codes(run.loaded.net_input)
        names = ["through stage 1", *(f"through 1 to {i}" for i in range(2, len(errors) + 1))]
        labels = ["input"]
        for name, error, shape in zip(names, errors, codes, strict=True):
            linear = pca.error(dataset.train.x, x, math.prod(shape))
            beside = "" if linear is None else f"\nPCA-{math.prod(shape)} {theme.measured(linear)}"
            labels.append(f"{name}\nmse {theme.measured(error)}{beside}")
        title = f"{run.name}: reconstructions through the stages"
        caption = (
            f"mse over {len(x):,} {split} samples, below it that of PCA with as many components as the code has numbers"
        )
        figure = image_grid.page(images, shown, labels, title, caption)
        rows = {"stages": list(range(len(images))), "mse": [None, *errors]}
        yield Picture("stages", figure, image_grid.table(images, rows, {"sample": np.arange(len(shown))}))

    @classmethod
    def example(cls) -> dict[str, Any]:
        stages = [{"encoder": [{"Dense": {"units": 3}}]}, {"encoder": [{"Dense": {"units": 2}}]}]
        return {
            "data": {"name": "circles", "size": 3, "samples": 50},
            "model": {"kind": "stacked_autoencoder", "stages": stages},
            "training": {"epochs": 2},
        }


def _errors(run: RunView, x: Array) -> list[float]:
    """Mean squared error over all samples through the first 1, 2, ... stages."""
    sums: Any = 0.0  # (stages,)
    for piece in chunked.pieces(x):
        staged = run.trained.staged(piece)
        sums += np.array([((one - piece) ** 2).sum(dtype=np.float64) for one in staged])
    return list(sums / math.prod(x.shape))
