"""The latent space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlphys.figures import scatter
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.run_view import RunView
from mlphys.figures.scatter import Projection
from mlphys.numerics import pca

MOST = 5_000  # points


class Latent(Plot):
    """The codes of the samples, colored by class."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        kind = run.config.model.kind
        otherwise = f"kind: {kind} has no codes; train a model of kind: autoencoder for this picture"
        split, predictions = predicted(run, "codes", otherwise)
        codes = predictions["codes"]
        projection = _projection(codes.reshape(len(codes), -1))
        title = f"{run.name}: codes of {len(codes):,} {split} samples"
        notes = [f"the first {MOST:,} drawn"] if len(codes) > MOST else []
        yield scatter.picture("latent", title, notes, projection, predictions["labels"][:MOST], run.data["classes"])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _projection(codes: np.ndarray) -> Projection:
    if codes.shape[1] > 2:
        return _principal(codes)
    axes = ("code",) if codes.shape[1] == 1 else ("first number of the code", "second number")
    return Projection(codes[:MOST], axes)


def _principal(codes: np.ndarray) -> Projection:
    """Projection on the first two eigenvectors of the codes' covariance; their largest entry is positive."""
    components = pca.fit(codes.astype(np.float64), 2)
    largest = np.take_along_axis(components.vectors, abs(components.vectors).argmax(axis=1)[:, None], axis=1)
    points = (codes[:MOST] - components.mean) @ (components.vectors * np.sign(largest)).T
    first, second = (f"{100 * share:.2g} %" for share in components.variances / (components.total or 1.0))
    axes = f"first principal component ({first} of the variance)", f"second ({second})"
    return Projection(points, axes, f"codes of {codes.shape[1]:,} numbers on their first two principal components")
