"""Gaussian clusters of points, by scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated
from mlphys.schema.fields import LARGEST, Count
from mlphys.schema.samples import Samples

LARGEST_POINTS = 125_000_000  # coordinates of all samples together: 1 GB while they are computed in float64


class Blobs(Generated):
    """Gaussian clusters of points, one per class.

    As scikit-learn's make_blobs: `centers` clusters of equal size around points drawn uniformly from
    -10 to 10 in each of the `features` coordinates; `cluster_std` is their standard deviation.
    """

    name: Literal["blobs"]
    centers: Annotated[int, Field(ge=1, le=1000)] = 3
    """The number of clusters, which are the classes."""
    features: Count = 2
    """The number of coordinates of a point."""
    cluster_std: Annotated[float, Field(ge=0, le=LARGEST)] = 1.0
    """The standard deviation of a cluster in each coordinate."""

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Blobs:
        if self.fresh:
            raise ValueError("fresh samples would have other cluster centers in every epoch; leave fresh out")
        if self.samples < self.centers:
            raise ValueError(f"{self.samples} samples leave some of {self.centers} centers empty; raise samples")
        values = self.samples * self.features
        if values > LARGEST_POINTS:
            raise ValueError(
                f"{self.samples} samples of {self.features} features are {values} values, "
                f"more than {LARGEST_POINTS}; lower samples or features"
            )
        return self

    def describe(self) -> Description:
        classes = tuple(str(k) for k in range(self.centers))
        return Description((self.features,), classes, samples=self.samples, test_samples=None)

    def load(self) -> Samples:
        from sklearn.datasets import make_blobs  # takes a second

        random = np.random.RandomState(rng(self.sample_seed, "blobs").bit_generator)
        x, y = make_blobs(
            self.samples, self.features, centers=self.centers, cluster_std=self.cluster_std, random_state=random
        )
        return Samples(x.astype(np.float32), y.astype(np.int32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "blobs", "samples": 30}
