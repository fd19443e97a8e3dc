"""Reconstructions by PCA at several code sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlphys.figures import image_grid, theme
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.requirements import need_decoder, need_images_or_signals
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import chunked, pca

MOST = 10  # samples


class ReconstructionsByCodeSize(Plot):
    """Reconstructions by 1, 2, 4, ... principal components, compared with an autoencoder of the same code size."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable unless reconstructions are images or signals."""
        if not resolved.experiment.model.PROJECTS_LINEARLY:
            need_decoder(resolved)
        need_images_or_signals(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        self.check(run.loaded)
        split, predictions = predicted(run, "codes", "")
        size = math.prod(predictions["codes"].shape[1:])
        mse = float(predictions["squared_errors"].mean(dtype=np.float64))
        dataset, fitted = run.dataset(), run.preprocessing
        train, x = fitted.apply(dataset.train.x), fitted.apply(getattr(dataset, split).x)
        counts = _sizes(min(size, pca.most(train)))
        components = pca.fit(train, counts[-1])
        shown = chunked.read(x[:MOST])
        codes = (shown.reshape(len(shown), -1) - components.mean) @ components.vectors.T
        linear = [(codes[:, :k] @ components.vectors[:k] + components.mean).reshape(shown.shape) for k in counts]
        images = [fitted.inverse(one.astype(np.float32)) for one in (shown, *linear)]
        lost = pca.errors(components, x, counts)
        sizes, errors = [None, *counts], [None, *lost]
        labels = ["input", *(_label(f"PCA-{k}", error) for k, error in zip(counts, lost, strict=True))]
        if not run.config.model.PROJECTS_LINEARLY:
            images.append(run.trained.image_outputs(chunked.read(getattr(dataset, split).x[:MOST]))["reconstructions"])
            sizes, errors = [*sizes, size], [*errors, mse]
            labels.append(_label(f"the net, code {size}", mse))
        drawn = np.array(images)
        title = f"{run.name}: reconstructions by code size"
        caption = f"mse over {len(x):,} {split} samples{'; of values behind data.preprocess' if fitted.steps else ''}"
        figure = image_grid.page(drawn, drawn[0], labels, title, caption)
        kinds = ["input", *["pca"] * len(counts), "net"][: len(drawn)]
        rows = {"by": kinds, "code_size": sizes, "mse": errors}
        yield Picture(
            "reconstructions_by_code_size", figure, image_grid.table(drawn, rows, {"sample": np.arange(len(shown))})
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _sizes(most: int) -> list[int]:
    """Code sizes 1, 2, 4, ... and `most`."""
    return [*(2**i for i in range(max(most, 1).bit_length()) if 2**i < most), max(most, 1)]


def _label(name: str, error: float) -> str:
    return f"{name}\nmse {theme.measured(error)}"
