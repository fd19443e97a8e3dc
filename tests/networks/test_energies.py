"""Energies of tied autoencoders: their gradients, and the Boltzmann machines and components that they are equal to."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.models import rbm
from mlphys.networks.autodiff import gradient
from mlphys.networks.energies import antiderivative, energy
from mlphys.numerics import pca
from mlphys.numerics.activations import ACTIVATIONS
from mlphys.schema.data import Description

D, M = 7, 5
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(20, D))
W, C, B = RANDOM.normal(0, 0.7, (D, M)), RANDOM.normal(size=M), RANDOM.normal(size=D)
FUNCTIONS = {
    "linear": lambda s: s,
    "relu": lambda s: np.maximum(s, 0),
    "sigmoid": lambda s: 1 / (1 + np.exp(-s)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_of_the_energy_is_the_reconstruction_minus_the_sample(activation):
    found = gradient(lambda x: energy(x, W, C, B, activation, "linear"), X)
    expected = FUNCTIONS[activation](X @ W + C) @ W.T + B - X
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_with_a_sigmoid_output_the_gradient_is_the_logit_of_the_reconstruction(activation):
    found = gradient(lambda x: energy(x, W, C, B, activation, "sigmoid"), X)
    r = FUNCTIONS["sigmoid"](FUNCTIONS[activation](X @ W + C) @ W.T + B)
    np.testing.assert_allclose(found, np.log(r / (1 - r)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("visible", "output"), [("bernoulli", "sigmoid"), ("gaussian", "linear")])
def test_with_sigmoid_units_it_is_minus_the_free_energy_of_the_boltzmann_machine(visible, output):
    machine = rbm.RBM(kind="rbm", hidden=M, visible=visible).build(Description((D,), (), 100, None), seed=0)
    for variable, value in zip(machine.weights.values(), (W, B, C), strict=True):
        variable.assign(value)
    x = X.astype(np.float32)
    kernel, visible_bias, hidden_bias = (variable.numpy() for variable in machine.weights.values())
    found = energy(x, kernel, hidden_bias, visible_bias, "sigmoid", output).numpy()
    np.testing.assert_allclose(found, -machine.machine.free_energy(x).numpy(), rtol=1e-5, atol=1e-5)


def test_with_principal_components_it_is_minus_half_the_squared_error_of_the_projection():
    x = X @ RANDOM.normal(size=(D, D))
    found = pca.fit(x, 3)
    projected = (x - found.mean) @ found.vectors.T @ found.vectors + found.mean
    energies = energy(x, found.vectors.T, -found.vectors @ found.mean, found.mean, "linear", "linear").numpy()
    np.testing.assert_allclose(energies, -((x - projected) ** 2).sum(axis=1) / 2, rtol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_antiderivatives_stay_finite_far_from_zero(activation):
    far = np.asarray(antiderivative(np.array([-200.0, 200.0], np.float32), activation))
    size = {"linear": [2e4, 2e4], "relu": [0, 2e4], "sigmoid": [0, 200], "tanh": [200 - np.log(2)] * 2}[activation]
    np.testing.assert_allclose(far, size, rtol=1e-6)


def test_an_activation_without_a_formula_is_refused():
    with pytest.raises(ValueError, match=r"^activation gelu: expected one of linear, relu, sigmoid, tanh$"):
        antiderivative(np.zeros(2), "gelu")
