"""The latent space by t-SNE (van der Maaten & Hinton 2008)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import scatter
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.run_view import RunView
from mlphys.figures.scatter import Projection

MOST = 4_000  # codes: 20 seconds on one core
FEWEST = 4
PERPLEXITY = 20


class LatentTSNE(Plot):
    """The codes by t-SNE, which preserves neighbourhoods (van der Maaten & Hinton 2008), colored by class."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        kind = run.config.model.kind
        otherwise = f"kind: {kind} has no codes; train a model of kind: autoencoder for this picture"
        split, predictions = predicted(run, "codes", otherwise)
        codes = predictions["codes"].reshape(len(predictions["codes"]), -1)
        if codes.shape[1] <= 2:
            raise NotApplicable("codes of one or two numbers need no projection; `latent` shows them as they are")
        if len(codes) < FEWEST:
            raise NotApplicable(f"needs at least {FEWEST} codes; {split} has {len(codes)}")
        if (codes == codes[0]).all():
            raise NotApplicable(f"all {split} samples have the same code")
        title = f"{run.name}: codes of {min(len(codes), MOST):,} {split} samples by t-SNE"
        notes = [f"the first {MOST:,} of {len(codes):,}"] if len(codes) > MOST else []
        projection = _embedded(codes[:MOST])
        yield scatter.picture(
            "latent_tsne", title, notes, projection, predictions["labels"][:MOST], run.data["classes"]
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _embedded(codes: np.ndarray) -> Projection:
    """The t-SNE projection; the perplexity is reduced for a small number of codes."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
    with threadpool_limits(1):  # the order of sums over threads would change the points
        embedding = TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=1)
        points = embedding.fit_transform(codes.astype(np.float64))
    method = (
        f"codes of {codes.shape[1]:,} numbers, perplexity {perplexity:.3g}; "
        "near points are near codes, far distances say nothing"
    )
    return Projection(points, ("first t-SNE coordinate", "second"), method)
