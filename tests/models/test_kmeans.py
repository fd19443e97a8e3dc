"""The kind kmeans: its fixed point, its codes, its runs through the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from mlphys.errors import Refusal
from mlphys.models import kmeans
from mlphys.models.kmeans import clustered
from mlphys.runs.run import Run
from mlphys.schema.data import Description
from mlphys.schema.document import dump
from mlphys.schema.samples import Split
from mlphys.schema.training import Training
from tests.helpers.cli import mlphys
from tests.helpers.digits import load_digits

CONFIG = {
    "name": "km",
    "data": {"name": "digits", "train": 900, "validation": 300, "test": 300},
    "model": {"kind": "kmeans", "clusters": 12},
    "plots": ["centroids", "reconstructions", "latent"],
}
DIGITS = Description((8, 8, 1), tuple("0123456789"), 900, None)


def digits(n: int) -> np.ndarray:
    return (load_digits().data[:n] / 16).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Trained, drawn, and evaluated on test and training samples."""
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("km.yaml").write_text(dump(CONFIG))
        mlphys("train", "km.yaml", "--quiet", "--no-report", "--out", "run")
        mlphys("evaluate", "run", "--no-plots")
        mlphys("evaluate", "run", "--split", "train", "--no-plots")
    return Run(path / "run")


def squared_distances(x: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return ((x[:, None, :].astype(np.float64) - centroids) ** 2).sum(axis=2)


def test_blobs_far_apart_are_found():
    x, labels = make_blobs(300, centers=[[0, 0], [10, 0], [0, 10]], cluster_std=0.5, random_state=0)
    found = clustered(x.astype(np.float32), 3, 1, 100, seed=0)
    means = np.array([x[labels == k].mean(axis=0) for k in range(3)])
    nearest = squared_distances(means, found["centroids"]).argmin(axis=1)
    assert sorted(nearest) == [0, 1, 2]
    np.testing.assert_allclose(found["centroids"][nearest], means, atol=1e-6)
    np.testing.assert_allclose(found["shares"], 1 / 3)


def test_one_cluster_is_the_mean():
    found = clustered(digits(500), 1, 1, 10, seed=0)
    np.testing.assert_allclose(found["centroids"][0], digits(500).mean(axis=0, dtype=np.float64), atol=1e-7)
    assert found["shares"].tolist() == [1]


def test_each_centroid_is_the_mean_of_the_samples_nearest_to_it_and_the_largest_clusters_come_first():
    x = digits(900)
    found = clustered(x, 12, 1, 300, seed=1)
    nearest = squared_distances(x, found["centroids"]).argmin(axis=1)
    for k in range(12):
        np.testing.assert_allclose(found["centroids"][k], x[nearest == k].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found["shares"], np.bincount(nearest, minlength=12) / 900, rtol=1e-6)
    assert (np.diff(found["shares"]) <= 0).all()


def test_more_restarts_are_never_worse_and_another_seed_starts_elsewhere():
    def inertia(restarts: int, seed: int) -> float:
        return squared_distances(x, clustered(x, 12, restarts, 300, seed)["centroids"]).min(axis=1).sum()

    x = digits(400)
    once = [inertia(1, seed) for seed in range(4)]
    assert len(set(once)) > 1
    assert inertia(5, 0) <= once[0] * (1 + 1e-9)


def test_the_same_seed_gives_the_same_bytes():
    first, again = (clustered(digits(900), 12, 2, 300, seed=7) for _ in range(2))
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)


def test_fewer_different_samples_than_clusters_leave_copies_without_samples():
    x = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    found = clustered(x, 4, 1, 50, seed=0)
    np.testing.assert_allclose(found["shares"], [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-6)


SIX = kmeans.KMeans(kind="kmeans", clusters=6)


def network_of(centroids: np.ndarray, features: str):
    spec = kmeans.KMeans(kind="kmeans", clusters=len(centroids), features=features)
    description = Description(centroids.shape[1:], (), 100, None)
    network = spec.build(description, seed=0)
    network.weights["centroids"].assign(centroids)
    return network


def test_triangle_features_are_the_mean_distance_minus_the_distance_or_zero():
    centroids, x = digits(30)[:6], digits(30)[6:]
    spec = SIX.model_copy(update={"features": "triangle"})
    codes = spec.predictions(network_of(centroids, "triangle"), x)["codes"].numpy()
    z = np.sqrt(squared_distances(x, centroids))
    np.testing.assert_allclose(codes, np.maximum(0, z.mean(axis=1, keepdims=True) - z), atol=1e-5)
    assert (codes.argmax(axis=1) == z.argmin(axis=1)).all()


def test_hard_features_are_one_for_the_nearest_centroid_and_the_reconstruction_is_that_centroid():
    centroids, x = digits(30)[:6], digits(30)[6:]
    network = network_of(centroids, "hard")
    nearest = squared_distances(x, centroids).argmin(axis=1)
    said = SIX.predictions(network, x)
    np.testing.assert_array_equal(said["codes"].numpy(), np.eye(6)[nearest])
    np.testing.assert_array_equal(SIX.image_outputs(network, x)["reconstructions"].numpy(), centroids[nearest])
    np.testing.assert_allclose(said["squared_errors"].numpy(), ((x - centroids[nearest]) ** 2).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(said["absolute_errors"].numpy(), abs(x - centroids[nearest]).mean(axis=1), rtol=1e-5)


def test_the_nearest_centroid_is_found_far_from_zero_too():
    centroids, x = digits(30)[:6] + 1000, digits(30)[6:] + 1000
    codes = SIX.predictions(network_of(centroids, "hard"), x)["codes"].numpy()
    assert (codes.argmax(axis=1) == squared_distances(x, centroids).argmin(axis=1)).all()


def test_inertia_is_the_sum_of_the_squared_distances_and_principal_components_are_better_on_training_samples(run):
    x = run.dataset().train.x.reshape(900, 64)
    inertia = squared_distances(x, run.weights["centroids"]).min(axis=1).sum()
    measured = run.metrics["train"]
    assert measured["inertia"] == pytest.approx(inertia, rel=1e-5)
    assert measured["mse"] == measured["loss"] == pytest.approx(inertia / 900 / 64, rel=1e-5)
    assert measured["pca_mse"] < measured["mse"] < measured["mean_image_mse"]
    assert run.history[0]["mse"] == pytest.approx(measured["mse"], rel=1e-6)


def test_a_run_holds_codes_and_reconstructions_and_its_pictures(run):
    arrays = run.predictions("test")
    assert (arrays["codes"].sum(axis=1) == 1).all()
    images = run.weights["centroids"].reshape(12, 8, 8, 1)
    np.testing.assert_array_equal(arrays["reconstructions"], images[arrays["codes"][:100].argmax(axis=1)])
    for picture in CONFIG["plots"]:
        assert (run.path / "figures" / f"{picture}.png").exists()


def test_two_runs_of_one_seed_have_the_same_bytes_and_another_seed_has_others(run, tmp_path):
    config = run.path.parent / "km.yaml"
    mlphys("train", config, "--quiet", "--no-report", "--out", tmp_path / "again", "--set", "plots=[]")
    mlphys("train", config, "--quiet", "--no-report", "--out", tmp_path / "other", "--set", "plots=[]", "--seed", "1")
    first, again, other = (
        (path / "weights.safetensors").read_bytes() for path in (run.path, tmp_path / "again", tmp_path / "other")
    )
    assert first == again != other


def test_more_clusters_than_training_samples_are_refused():
    spec = kmeans.KMeans(kind="kmeans", clusters=901)
    with pytest.raises(Refusal, match=r"^901 clusters for 900 training samples; lower it, or raise data\.train$"):
        spec.check(Training(), DIGITS)


def test_a_training_that_would_do_nothing_is_refused():
    reason = r"^centroids are found at once, by model\.restarts and model\.iterations: leave training out$"
    with pytest.raises(Refusal, match=reason):
        kmeans.KMeans(kind="kmeans", clusters=5).check(Training(epochs=7), DIGITS)


def test_a_single_sample_has_an_inertia_without_an_error():
    one = Split(digits(1).reshape(1, 8, 8, 1), np.zeros(1, np.int32))
    arrays = dict.fromkeys(("squared_errors", "absolute_errors", "losses"), np.array([0.5])) | {"penalties": 0.0}
    found = kmeans.KMeans(kind="kmeans", clusters=1).metrics(DIGITS, arrays, one, one)
    assert found["inertia"] == 32
    assert found["inertia_stderr"] is None
