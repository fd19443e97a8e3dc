import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.datasets.blobs import Blobs


def test_clusters_have_their_number_dimension_and_spread():
    spec = Blobs(name="blobs", samples=8000, centers=4, features=3, cluster_std=0.5)
    samples = spec.load()
    assert spec.describe().classes == ("0", "1", "2", "3")
    clusters = [samples.x[samples.y == k] for k in range(4)]
    np.testing.assert_allclose([cluster.std(axis=0) for cluster in clusters], 0.5, rtol=0.05)
    assert all(abs(cluster.mean(axis=0)).max() < 10.1 for cluster in clusters)


def test_fewer_samples_than_clusters_are_refused():
    with pytest.raises(ValidationError, match="2 samples leave some of 3 centers empty; raise samples"):
        Blobs(name="blobs", samples=2)
