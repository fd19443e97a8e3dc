"""The network of a stack: its stages share the layers of the whole, and each sees the codes of those below."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.models._stack_network import StackNetwork
from mlphys.models.stacked_autoencoder import StackedAutoencoder
from mlphys.schema.data import Description
from mlphys.schema.samples import Split

POINTS = Description((4,), classes=("a", "b"), samples=20, test_samples=None)


def stage(units: int, values: int) -> dict[str, Any]:
    return {"encoder": [{"Dense": {"units": units}}], "decoder": [{"Dense": {"units": values}}]}


def stack(**more: Any) -> StackedAutoencoder:
    return StackedAutoencoder(**{"kind": "stacked_autoencoder", "stages": [stage(3, 4), stage(2, 3)], **more})


@pytest.fixture(scope="module")
def built() -> tuple[StackNetwork, np.ndarray, dict[str, np.ndarray]]:
    """A stack of linear stages with a head and random weights, samples, and the weights by the end of their names."""
    network = stack(head=[{"Dense": {"units": 2, "activation": "softmax"}}]).build(POINTS, seed=0)
    random = np.random.default_rng(0)
    for variable in network.weights.values():
        variable.assign(random.normal(size=variable.shape).astype(np.float32))
    return network, random.normal(size=(5, 4)).astype(np.float32), network.weight_arrays()


def codes(x: np.ndarray, w: dict[str, np.ndarray], i: int) -> np.ndarray:
    return x @ w[f"stages.{i}.encoder.0.Dense.kernel"] + w[f"stages.{i}.encoder.0.Dense.bias"]


def back(h: np.ndarray, w: dict[str, np.ndarray], i: int) -> np.ndarray:
    return h @ w[f"stages.{i}.decoder.0.Dense.kernel"] + w[f"stages.{i}.decoder.0.Dense.bias"]


def test_reconstructions_through_the_stages_are_those_of_the_matrices(built):
    network, x, w = built
    first, both = network.through_stages(x)
    np.testing.assert_allclose(first, back(codes(x, w, 0), w, 0), rtol=1e-4, atol=1e-4)
    expected = back(back(codes(codes(x, w, 0), w, 1), w, 1), w, 0)
    np.testing.assert_allclose(both, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(network.reconstruct(x)[1], expected, rtol=1e-4, atol=1e-4)


def test_a_stage_is_trained_on_the_codes_of_those_below_as_their_weights_are_now(built):
    network, x, w = built
    first, second = network.stages
    split = Split(x, np.zeros(len(x), np.int32))
    assert first.inputs(split) is split
    np.testing.assert_allclose(second.inputs(split).x, codes(x, w, 0), rtol=1e-4, atol=1e-4)
    bias = network.weights["stages.0.encoder.0.Dense.bias"]
    bias.assign_add(np.ones(3, np.float32))
    np.testing.assert_allclose(second.inputs(split).x, codes(x, w, 0) + 1, rtol=1e-4, atol=1e-4)
    bias.assign_sub(np.ones(3, np.float32))


def test_the_head_gives_the_probabilities_of_the_code(built):
    network, x, w = built
    h = codes(codes(x, w, 0), w, 1)
    scores = np.exp(h @ w["head.0.Dense.kernel"] + w["head.0.Dense.bias"])
    expected = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.head.probabilities(h), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.head.classifier(x), expected, rtol=1e-4, atol=1e-5)


def test_without_a_head_the_network_has_none():
    assert stack().build(POINTS, seed=0).head is None


def test_a_stack_tells_the_shapes_of_its_codes_without_being_built():
    assert stack().stage_codes(POINTS) == [(3,), (2,)]


def test_without_its_output_activation_the_first_decoder_is_linear_be_it_of_dense_or_a_layer_of_its_own():
    def ends_in(*decoder: Any) -> StackedAutoencoder:
        return stack(stages=[{**stage(3, 4), "decoder": list(decoder)}, stage(2, 3)])

    linear = ends_in({"Dense": {"units": 4, "activation": "linear"}})
    assert ends_in({"Dense": {"units": 4, "activation": "tanh"}}).without_output_activation() == linear
    behind = ends_in({"Dense": {"units": 4}}, {"Activation": "linear"})
    for layer in ({"Activation": "sigmoid"}, "ReLU", "Softmax", {"LeakyReLU": 0.2}, "ELU"):
        assert ends_in({"Dense": {"units": 4}}, layer).without_output_activation() == behind
    images = ends_in({"Dense": {"units": 4, "activation": "tanh"}}, {"Reshape": [2, 2]})
    assert images.without_output_activation() == ends_in(
        {"Dense": {"units": 4, "activation": "linear"}}, {"Reshape": [2, 2]}
    )
    for unchanged in (linear, behind, ends_in({"Dense": {"units": 4}})):
        assert unchanged.without_output_activation() == unchanged
