"""The steps of data.preprocess against NumPy, on real digits."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from mlphys.errors import Refusal, UserError
from mlphys.numerics import pca
from mlphys.schema.preprocess import (
    ContrastNormalize,
    Project,
    Scale,
    Standardize,
    StepField,
    SubtractMean,
    Whiten,
)
from tests.helpers.digits import load_digits


def digits() -> np.ndarray:
    """(1797, 8, 8, 1) from 0 to 16; three of the pixels are 0 in all of them."""
    return load_digits().images[..., None].astype(np.float32)


def varying() -> np.ndarray:
    """The pixels that vary, (1797, 61)."""
    x = digits().reshape(1797, 64)
    return x[:, x.std(axis=0) > 0]


def step(value):
    return TypeAdapter(StepField).validate_python(value)


INVERTIBLE = [
    SubtractMean(), Standardize(), Scale(by=16), Project(components=64),
    Whiten(kind="pca"), Whiten(kind="zca"), Whiten(kind="zca", epsilon=1.0),
]  # fmt: skip


@pytest.mark.parametrize("step", INVERTIBLE, ids=repr)
def test_what_is_applied_can_be_inverted(step):
    x = digits()
    fitted = step.fit(x)
    z = step.apply(x, fitted)
    assert z.shape[1:] == step.output_shape(x.shape[1:])
    np.testing.assert_allclose(step.invert(z, fitted, x.shape[1:]), x, atol=2e-3)


@pytest.mark.parametrize("step", [*INVERTIBLE, ContrastNormalize(), Project(components=5)], ids=repr)
def test_what_is_fitted_has_the_names_and_shapes_that_are_announced(step):
    x = digits()
    fitted = step.fit(x)
    assert {name: array.shape for name, array in fitted.items()} == step.arrays(x.shape[1:])
    assert {array.dtype for array in fitted.values()} <= {np.dtype(np.float32)}


@pytest.mark.parametrize("step", [*INVERTIBLE, ContrastNormalize()], ids=repr)
def test_a_split_without_samples_stays_one(step):
    x = digits()
    none = step.apply(x[:0], step.fit(x))
    assert none.shape == (0, *step.output_shape(x.shape[1:]))


def test_subtracting_the_mean_leaves_a_mean_of_zero():
    x = digits()
    z = SubtractMean().apply(x, SubtractMean().fit(x))
    np.testing.assert_allclose(z.mean(axis=0, dtype=np.float64), 0, atol=1e-6)


def test_standardized_features_have_mean_zero_and_deviation_one_and_constant_ones_are_zero():
    x = digits()
    z = Standardize().apply(x, Standardize().fit(x))
    constant = x.std(axis=0) == 0
    assert constant.sum() == 3
    assert (z[:, constant] == 0).all()
    np.testing.assert_allclose(z.mean(axis=0, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(axis=0, dtype=np.float64)[~constant], 1, rtol=1e-5)


def test_a_constant_feature_of_any_size_is_only_shifted():
    x = np.full((100, 1), 0.1, np.float32)  # its sum is rounded
    np.testing.assert_allclose(Standardize().apply(x, Standardize().fit(x)), 0, atol=1e-7)


@pytest.mark.parametrize("kind", ["pca", "zca"])
@pytest.mark.parametrize("offset", [0, 1000], ids=["around 0", "around 1000"])
def test_whitened_samples_have_the_identity_as_covariance(kind, offset):
    x = varying() + np.float32(offset)
    whiten = Whiten(kind=kind, epsilon=0.0)
    z = whiten.apply(x, whiten.fit(x))
    np.testing.assert_allclose(np.cov(z.T, bias=True), np.eye(61), atol=2e-3)


def test_epsilon_damps_a_direction_by_its_variance():
    x = varying()
    whiten = Whiten(kind="pca", epsilon=2.0)
    z = whiten.apply(x, whiten.fit(x)).astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(x.T.astype(np.float64), bias=True))[::-1]
    np.testing.assert_allclose(z.var(axis=0), variances / (variances + 2), atol=1e-4)


def test_zca_is_symmetric_and_of_all_whitening_the_nearest_to_the_samples():
    x = varying()
    whiten = Whiten(kind="zca", epsilon=0.0)
    fitted = whiten.fit(x)
    unit = np.eye(61, dtype=np.float32) + fitted["mean"]
    matrix = whiten.apply(unit, fitted)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    assert np.linalg.eigvalsh(matrix.astype(np.float64)).min() > 0
    centred = x - fitted["mean"]
    turned = Whiten(kind="pca", epsilon=0.0).apply(x, fitted)
    assert ((whiten.apply(x, fitted) - centred) ** 2).sum() < ((turned - centred) ** 2).sum()


def test_whitening_drops_the_smaller_components():
    x = varying()
    whiten = Whiten(kind="pca", components=7)
    fitted = whiten.fit(x)
    assert whiten.apply(x, fitted).shape == (1797, 7)
    project = Project(components=7)
    nearest = project.invert(project.apply(x, project.fit(x)), project.fit(x), (61,))
    np.testing.assert_allclose(whiten.invert(whiten.apply(x, fitted), fitted, (61,)), nearest, atol=1e-3)


def test_a_direction_that_does_not_vary_cannot_be_whitened_without_epsilon():
    message = (
        "data.preprocess: whiten: some directions are constant and cannot get variance 1; "
        "lower components, or raise epsilon"
    )
    with pytest.raises(UserError) as raised:
        Whiten(kind="zca", epsilon=0.0).fit(digits())
    assert str(raised.value) == message


def test_the_projection_is_numpys_eigh():
    x = digits()
    flat = x.reshape(1797, 64).astype(np.float64)
    _, vectors = np.linalg.eigh(np.cov(flat.T))
    known = (flat - flat.mean(axis=0)) @ vectors[:, ::-1][:, :6]
    project = Project(components=6)
    z = project.apply(x, project.fit(x))
    np.testing.assert_allclose(np.abs(z), np.abs(known), atol=1e-3)


@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.99])
def test_a_fraction_becomes_the_smallest_count_that_holds_it(fraction):
    x = digits()
    flat = x.reshape(1797, 64).astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(flat.T))[::-1]
    resolved = Project(components=fraction).resolved(x)
    assert variances[: resolved.components].sum() >= fraction * variances.sum()
    assert variances[: resolved.components - 1].sum() < fraction * variances.sum()
    assert Whiten(kind="zca", components=fraction).resolved(x).components == resolved.components
    assert not Project(components=fraction).is_resolved()
    assert resolved.is_resolved()


def test_contrast_is_normalized_sample_by_sample():
    x = digits()[:50] / 16
    epsilon = 0.01
    z = ContrastNormalize(epsilon=epsilon).apply(x, {})
    for sample, known in zip(z, x, strict=True):
        expected = (known - known.mean()) / np.sqrt(known.var() + epsilon)
        np.testing.assert_allclose(sample, expected, atol=1e-6)
    assert not ContrastNormalize().invertible


@pytest.mark.parametrize(
    ("step", "shape", "samples", "message"),
    [
        (
            Project(components=65), (8, 8, 1), 1000,
            "65 components, but 1000 training samples of 64 values vary in 64 directions at most; lower it",
        ),
        (
            Project(components=20), (8, 8, 1), 20,
            "20 components, but 20 training samples of 64 values vary in 19 directions at most; lower it",
        ),
        (
            Whiten(kind="pca", components=0.5), (64, 65), 1000,
            "a fraction needs all components, for which 4160 values are too many; write their number",
        ),
        (
            Whiten(kind="zca"), (64, 65), 1000,
            "4160 values have too many components to compute all; write components",
        ),
    ],
)  # fmt: skip
def test_more_components_than_directions_and_too_many_to_compute_are_refused(step, shape, samples, message):
    with pytest.raises(Refusal) as raised:
        step.check(shape, samples)
    assert str(raised.value) == message


def test_the_largest_counts_are_taken():
    Project(components=64).check((8, 8, 1), 65)
    Project(components=19).check((8, 8, 1), 20)
    Whiten(kind="zca").check((pca.MOST_FEATURES,), 10)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"scale": 255}, {"scale": {"by": 255}}),
        ({"project": 9}, {"project": {"components": 9}}),
        ({"project": 0.9}, {"Project": {"components": 0.9}}),
        ({"whiten": "zca"}, {"whiten": {"kind": "zca", "components": None, "epsilon": 1e-5}}),
        ("subtract_mean", {"subtract_mean": {}}),
        ("contrast_normalize", {"contrast_normalize": {"epsilon": 1.5e-4}}),
    ],
)
def test_the_one_key_of_a_step_may_stand_alone(short, long):
    assert step(short) == step(long)
    assert step(TypeAdapter(StepField).dump_python(step(short))) == step(short)
