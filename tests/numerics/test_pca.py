"""Principal components against scikit-learn's, and the numbers known of MNIST."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.decomposition import PCA

from mlphys.numerics import pca
from tests.helpers.digits import load_digits

MNIST = Path(os.environ.get("MLPHYS_DATA", "")) / "mnist.npz"


SAMPLES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32),
)


def digits() -> np.ndarray:
    return (load_digits().data / 16).astype(np.float32)


@given(SAMPLES)
def test_the_components_are_orthonormal_with_variances_that_fall_and_add_up_to_all(x):
    features = x.shape[1]
    found = pca.fit(x, features)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(features), atol=1e-10)
    assert (np.diff(found.variances) <= 0).all()
    assert (found.variances >= 0).all()
    assert found.variances.sum() == pytest.approx(found.total)
    assert found.total == pytest.approx(x.astype(np.float64).var(axis=0).sum(), rel=1e-3, abs=1e-3)


@given(SAMPLES)
def test_the_error_falls_with_every_component_from_the_variance_to_nothing(x):
    features = x.shape[1]
    errors = np.array(pca.errors(pca.fit(x, features), x, range(1, features + 1)))
    variance = x.astype(np.float64).var(axis=0).mean()
    assert errors[0] <= variance + 1e-9 * (1 + variance)
    assert (np.diff(errors) <= 1e-9 * (1 + variance)).all()
    assert errors[-1] == pytest.approx(0, abs=1e-9 * (1 + variance))


def test_the_components_are_those_of_scikit_learn():
    x = digits()
    found, known = pca.fit(x, 10), PCA(10, svd_solver="full").fit(x.astype(np.float64))
    np.testing.assert_allclose(found.mean, known.mean_, atol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * known.components_, axis=1)), 1, atol=1e-4)
    # scikit-learn divides by n - 1
    n = len(x)
    np.testing.assert_allclose(found.variances, known.explained_variance_ * (n - 1) / n, rtol=1e-4)
    assert found.total == pytest.approx(x.var(axis=0).sum(), rel=1e-4)


def test_a_mean_far_from_zero_leaves_the_variances_as_they_are():
    near = pca.fit(digits(), 10)
    far = pca.fit(digits() + np.float32(100), 10)
    np.testing.assert_allclose(far.variances, near.variances, rtol=1e-4)
    np.testing.assert_allclose(far.vectors, near.vectors, atol=1e-3)


def test_the_largest_entry_of_a_component_is_positive_as_scikit_learns_is():
    known = PCA(10, svd_solver="full").fit(digits().astype(np.float64)).components_
    np.testing.assert_allclose(pca.fit(digits(), 10).vectors, known, atol=1e-3)


@pytest.mark.parametrize("samples", [20, 1797])
def test_a_fraction_is_a_count_of_at_least_one_and_at_most_the_directions(samples):
    x = digits()[:samples]
    assert pca.count(x, 3) == 3
    assert pca.count(x, 1e-9) == 1
    assert pca.count(x, 0.9) < pca.count(x, 0.9999999999999999) <= min(samples - 1, 64)


@pytest.mark.parametrize("components", [1, 9, 32])
def test_the_error_is_that_of_the_projection(components):
    train, x = digits()[:1200], digits()[1200:]
    known = PCA(components, svd_solver="full").fit(train.astype(np.float64))
    projected = known.inverse_transform(known.transform(x.astype(np.float64)))
    assert pca.error(train, x, components) == pytest.approx(((projected - x) ** 2).mean(), rel=1e-4)


def test_above_the_limit_the_randomized_components_agree(monkeypatch):
    exact = pca.fit(digits(), 5)
    monkeypatch.setattr(pca, "MOST_FEATURES", 10)
    found = pca.fit(digits(), 5)
    np.testing.assert_allclose(found.variances, exact.variances, rtol=1e-3)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * exact.vectors, axis=1)), 1, atol=1e-3)


def test_of_many_features_the_leading_components_alone_are_the_same(monkeypatch):
    whole = pca.fit(digits(), 5)
    monkeypatch.setattr(pca, "MANY_FEATURES", 10)
    leading = pca.fit(digits(), 5)
    for name in ("mean", "vectors", "variances", "total"):
        assert np.allclose(getattr(whole, name), getattr(leading, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("components", [64, 100])
def test_a_code_as_large_as_the_samples_has_no_pca_to_compare_with(components):
    assert pca.error(digits(), digits(), components) is None


@pytest.mark.skipif(not MNIST.is_file(), reason="MLPHYS_DATA names no folder with mnist.npz")
@pytest.mark.slow
def test_mnist_has_the_known_components():
    with np.load(MNIST) as data:
        train, test = (data[f"x_{name}"].reshape(-1, 784).astype(np.float32) / 255 for name in ("train", "test"))
    found = pca.fit(train[:50_000], 784)
    share = np.cumsum(found.variances) / found.total
    assert [int(np.searchsorted(share, part) + 1) for part in (0.80, 0.90, 0.95, 0.99)] == [44, 87, 154, 331]
    of_30, of_32 = pca.errors(pca.fit(train, 32), test, [30, 32])
    assert of_30 * 784 == pytest.approx(13.87, abs=0.005)
    assert of_32 == pytest.approx(0.01683, abs=5e-6)
