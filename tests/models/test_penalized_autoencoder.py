"""Tied, contractive, sparse, variational and denoising autoencoders against NumPy, on real digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy import integrate, stats

from mlphys.errors import Refusal
from mlphys.models import autoencoder
from mlphys.networks import autodiff, xla
from mlphys.networks.autoencoder import contraction
from mlphys.networks.layers.k_sparse import KSparse
from mlphys.networks.penalties import contraction as contraction_penalty
from mlphys.networks.penalties import sparsity, variational
from mlphys.schema.data import Description
from mlphys.schema.training import Training
from tests.helpers.digits import load_digits

DIGITS = Description((8, 8, 1), tuple("0123456789"), 1797, None)


def digits(n: int) -> np.ndarray:
    return (load_digits().images[:n, ..., None] / 16).astype(np.float32)


def dense(units: int, activation: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Dense": {"units": units, "activation": activation, **more}}


def conv(kind: str, filters: int, **more: Any) -> dict[str, Any]:
    return {kind: {"filters": filters, "kernel_size": 3, **more}}


def spec(encoder: Any, decoder: Any = "mirror", **more: Any) -> autoencoder.Autoencoder:
    """Completed as by the config."""
    given = autoencoder.Autoencoder(kind="autoencoder", encoder=encoder, decoder=decoder, **more)
    return given.completed(Training(), DIGITS, lambda: digits(10))


def built(seed: int = 0, **keys: Any) -> tuple[autoencoder.Autoencoder, Any]:
    model = spec(**keys)
    return model, model.build(DIGITS, seed)


def refusal(training: dict[str, Any] | None = None, **keys: Any) -> tuple[str, str]:
    """Where and why a model is refused."""
    with pytest.raises(Refusal) as caught:
        spec(**keys).check(Training.model_validate(training or {}), DIGITS)
    return ".".join(map(str, caught.value.path)), caught.value.text


def cost_of(model: autoencoder.Autoencoder, network: Any, settings: Training | None = None) -> Any:
    """The cost of a batch, a scalar."""
    terms = model.cost(settings or Training(), DIGITS, network)

    def cost(x: Any, y: Any = None, training: bool = False) -> Any:
        values, penalty = terms(x, x if y is None else y, training)
        return ops.mean(values["loss"]) + penalty

    return cost


def slope(cost: Any, variable: Any, place: tuple[int, ...], step: float = 1e-2) -> float:
    """d cost / d variable[place] by central differences."""
    start = variable.numpy()
    found = []
    for sign in (1, -1):
        moved = start.copy()
        moved[place] += sign * step
        variable.assign(moved)
        found.append(float(cost()))
    variable.assign(start)
    return (found[0] - found[1]) / (2 * step)


def test_a_tied_dense_decoder_computes_with_the_transposed_kernel():
    model, network = built(encoder=[dense(12, "tanh"), dense(5)], tied=True)
    assert list(network.weights) == [
        "encoder.0.Dense.kernel", "encoder.0.Dense.bias", "encoder.1.Dense.kernel", "encoder.1.Dense.bias",
        "decoder.0.Dense.bias", "decoder.1.Dense.bias",
    ]  # fmt: skip
    assert list(model.weight_shapes(DIGITS)) == list(network.weights)
    rng = np.random.default_rng(0)
    for variable in network.weights.values():
        variable.assign(rng.normal(size=variable.shape).astype(np.float32))
    w = {name: variable.numpy().astype(np.float64) for name, variable in network.weights.items()}
    h = rng.normal(size=(4, 5))
    expected = np.tanh(h @ w["encoder.1.Dense.kernel"].T + w["decoder.0.Dense.bias"])
    expected = expected @ w["encoder.0.Dense.kernel"].T + w["decoder.1.Dense.bias"]
    np.testing.assert_allclose(network.decoder(h.astype(np.float32)).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("padding", "strides"), [("same", 1), ("valid", 1), ("same", 2)], ids=["same", "valid", "strides"]
)
def test_a_tied_convolutional_decoder_is_the_adjoint_of_its_encoder(padding, strides):
    """<W x, h> = <x, W^T h> for all x and h."""
    layer = conv("Conv2D", 5, padding=padding, strides=strides, use_bias=False)
    _, network = built(encoder=[layer], tied=True)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 8, 8, 1)).astype(np.float32)
    code = network.encoder(x).numpy()
    h = rng.normal(size=code.shape).astype(np.float32)
    back = network.decoder(h).numpy()
    assert list(network.weights) == ["encoder.0.Conv2D.kernel", "decoder.0.Conv2DTranspose.bias"]
    np.testing.assert_allclose((code * h).sum((1, 2, 3)), (x * back).sum((1, 2, 3)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_the_gradient_of_a_tied_kernel_is_the_sum_of_the_encoders_and_the_decoders(activation):
    model, network = built(encoder=[dense(7, activation)], tied=True)
    x = digits(20)
    cost = cost_of(model, network)
    kernel = network.weights["encoder.0.Dense.kernel"]
    with tf.GradientTape() as tape:
        value = cost(x)
    found = tape.gradient(value, kernel.value).numpy()
    flat, w = x.reshape(20, 64).astype(np.float64), kernel.numpy().astype(np.float64)
    s = flat @ w
    h, df = (s, np.ones_like(s)) if activation == "linear" else ((f := 1 / (1 + np.exp(-s))), f * (1 - f))
    delta = 2 * (h @ w.T - flat) / (20 * 64)
    of_the_decoder = delta.T @ h
    of_the_encoder = flat.T @ (delta @ w * df)
    np.testing.assert_allclose(found, of_the_decoder + of_the_encoder, rtol=1e-4, atol=1e-7)
    assert abs(of_the_encoder).max() > 0.01 * abs(of_the_decoder).max()


def test_relu_layers_and_noise_between_tied_layers_have_no_kernel_to_tie():
    noise, threshold = {"GaussianNoise": {"stddev": 0.1}}, {"ReLU": {"threshold": 1.0}}
    encoder = [dense(9, use_bias=False), threshold, noise]
    _, network = built(encoder=encoder, decoder=[dense(64, use_bias=False)], tied=True)
    assert list(network.weights) == ["encoder.0.Dense.kernel"]
    s = 3 * digits(5).reshape(5, 64) @ network.weights["encoder.0.Dense.kernel"].numpy()
    codes = network.encoder(3 * digits(5).reshape(5, 64), training=False).numpy()
    np.testing.assert_allclose(codes, np.where(s > 1, s, 0), rtol=1e-5)
    assert 0 < (codes > 0).mean() < 1


POOLED = [conv("Conv2D", 3, padding="same"), {"MaxPooling2D": {"pool_size": 2}}]


@pytest.mark.parametrize(
    ("keys", "where", "why"),
    [
        (
            {"encoder": POOLED},
            "model.encoder.1.MaxPooling2D",
            "tied weights have no transpose of MaxPooling2D; leave it or tied out",
        ),
        (
            {"encoder": [dense(9)], "decoder": [dense(9), dense(64)]},
            "model.tied",
            "2 decoder layers with weights for 1 of the encoder; they must be as many, or decoder: mirror",
        ),
        (
            {"encoder": [dense(9), dense(5)], "decoder": [dense(8), dense(64)]},
            "model.decoder.0.Dense",
            "its kernel 5 x 8 is not the transpose of encoder.1.Dense's 9 x 5",
        ),
        (
            {"encoder": [conv("Conv2D", 3, padding="same")], "decoder": [conv("Conv2D", 1, padding="same")]},
            "model.decoder.0.Conv2D",
            "does not undo encoder.0.Conv2D, to whose weights it would be tied; write Conv2DTranspose",
        ),
        (
            {"encoder": [dense(9)], "decoder": [dense(64, kernel_initializer="zeros")]},
            "model.decoder.0.Dense.kernel_initializer",
            "has no kernel of its own: its weights are those of encoder.0.Dense",
        ),
        (
            {"encoder": [dense(9)], "decoder": [dense(64, kernel_regularizer={"L2": {"l2": 0.1}})]},
            "model.decoder.0.Dense.kernel_regularizer",
            "has no kernel of its own: its weights are those of encoder.0.Dense",
        ),
        (
            {"encoder": [conv("Conv2D", 3, padding="same", dilation_rate=2)]},
            "model.decoder.0.Conv2DTranspose",
            "encoder.0.Conv2D is dilated, and a transposed convolution is not; leave dilation_rate out",
        ),
    ],
    ids=["pooling", "number", "shape", "convolution", "initializer", "regularizer", "dilation"],
)
def test_what_cannot_be_tied_is_refused_with_its_place(keys, where, why):
    assert refusal(**keys, tied=True) == (where, why)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear"])
def test_the_contraction_of_a_dense_layer_is_that_of_automatic_differentiation_and_of_finite_differences(activation):
    model, network = built(encoder=[dense(6, activation)], contraction=0.1)
    x = digits(5).reshape(5, 64)
    encoder = network.encoder
    found = contraction(model, network)(x).numpy()
    np.testing.assert_allclose(found, autodiff.contraction(encoder, tf.constant(x), 6).numpy(), rtol=1e-4)
    step = np.eye(64, dtype=np.float32) * 1e-2
    differences = (encoder(x[0] + step).numpy() - encoder(x[0] - step).numpy()) / 2e-2
    assert found[0] == pytest.approx((differences.astype(np.float64) ** 2).sum(), rel=2e-3)


DEEP = [dense(9, "tanh"), dense(4, "sigmoid")]
IMAGES = [conv("Conv2D", 2, strides=2, activation="tanh"), "Flatten", dense(3, "tanh")]


@pytest.mark.parametrize("encoder", [DEEP, IMAGES], ids=["deep", "convolutional"])
def test_the_contraction_of_other_encoders_is_the_numerical_jacobians(encoder):
    model, network = built(encoder=encoder, decoder=[dense(64)], contraction=0.1)
    shape = network.model.input_shape[1:]
    x = digits(3).reshape(3, *shape)
    found = contraction(model, network)(tf.constant(x)).numpy()
    step = (np.eye(64, dtype=np.float32) * 1e-2).reshape(64, *shape)
    for i in range(3):
        part = network.encoder
        jacobian = (part(x[i] + step).numpy() - part(x[i] - step).numpy()) / 2e-2
        assert found[i] == pytest.approx((jacobian.astype(np.float64) ** 2).sum(), rel=2e-3)


WIDE = [dense(5, "tanh"), dense(80, "sigmoid")]  # fewer values of x than of the code: forward mode


def test_the_contraction_in_forward_mode_and_its_gradient_are_those_of_the_explicit_jacobian():
    model, network = built(encoder=WIDE, decoder=[dense(64)], contraction=0.1)
    first, second = (network.weights[f"encoder.{i}.Dense.kernel"] for i in range(2))
    x = tf.constant(digits(4).reshape(4, 64))

    def explicit():
        h = tf.tanh(x @ first.value)
        code = tf.sigmoid(h @ second.value)
        jacobian = (1 - h**2)[:, :, None] * second.value * (code * (1 - code))[:, None, :]
        return tf.reduce_sum((first.value @ jacobian) ** 2, axis=[1, 2])

    with tf.GradientTape(persistent=True) as tape:
        found, expected = contraction(model, network)(x), explicit()
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4)
    ours, theirs = (tape.gradient(value, first.value).numpy() for value in (found, expected))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * abs(theirs).max())


def test_a_contraction_with_too_many_passes_is_estimated_without_bias_and_says_so(monkeypatch):
    monkeypatch.setattr(contraction_penalty, "MOST_PASSES", 8)
    model, network = built(encoder=[dense(9, "tanh"), dense(12, "sigmoid")], decoder=[dense(64)], contraction=0.1)
    x = digits(200).reshape(200, 64)
    estimate = contraction(model, network)(tf.constant(x)).numpy().astype(np.float64)
    assert "estimated from 32 random directions v" in model.cost_formula(Training(), DIGITS)
    monkeypatch.undo()
    assert "estimated" not in model.cost_formula(Training(), DIGITS)
    exact = contraction(model, network)(tf.constant(x)).numpy()
    error = (estimate - exact).std(ddof=1) / np.sqrt(200)
    assert 0 < abs((estimate - exact).mean()) < 4 * error < 0.1 * exact.mean()


def test_behind_k_sparseness_the_contraction_is_that_of_the_kept_units():
    model, network = built(encoder=[dense(6, "tanh")], contraction=0.1, sparsity={"k": 2})
    x = digits(4).reshape(4, 64)
    w = network.weights["encoder.0.Dense.kernel"].numpy().astype(np.float64)
    h = np.tanh(x @ w)
    kept = h >= np.sort(h, axis=1)[:, -2:-1]
    expected = (kept * (1 - h**2) ** 2) @ (w**2).sum(0)
    np.testing.assert_allclose(contraction(model, network)(tf.constant(x)).numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("encoder", [[dense(6, "sigmoid")], DEEP], ids=["formula", "automatic"])
def test_the_gradient_of_the_contraction_reaches_the_weights(encoder):
    model, network = built(encoder=encoder, decoder=[dense(64)], contraction=10.0)
    x = digits(10)
    cost = cost_of(model, network)
    plain = cost_of(model.model_copy(update={"contraction": 0.0}), network)
    kernel = network.weights["encoder.0.Dense.kernel"]
    with tf.GradientTape(persistent=True) as tape:
        whole, without = cost(x), plain(x)
    gradients, others = (tape.gradient(value, kernel.value).numpy() for value in (whole, without))
    place = np.unravel_index(abs(gradients - others).argmax(), gradients.shape)
    assert gradients[place] == pytest.approx(slope(lambda: cost(x), kernel, place), rel=1e-2)
    assert abs(gradients[place] - others[place]) > 0.1 * abs(gradients[place])


def test_the_penalties_of_codes_are_their_formulas():
    h = np.random.default_rng(2).uniform(size=(50, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(sparsity.l1(h - 0.5), abs(h - 0.5).sum((1, 2)), rtol=1e-5)
    q = h.reshape(50, 12).astype(np.float64).mean(0)
    divergence = 0.05 * np.log(0.05 / q) + 0.95 * np.log(0.95 / (1 - q))
    found = float(sparsity.kl_sparsity(h, sparsity.KL(target=0.05, weight=0.3)))
    assert found == pytest.approx(0.3 * divergence.sum(), rel=1e-5)


def test_penalties_are_added_to_the_loss_and_not_to_the_reconstruction_loss():
    sparsity = {"l1": 0.01, "kl": {"target": 0.1, "weight": 0.2}}
    model, network = built(encoder=[dense(6, "sigmoid")], sparsity=sparsity, contraction=0.5)
    x = digits(20)
    values, penalty = model.cost(Training(), DIGITS, network)(x, x, False)
    h = network.encoder(x.reshape(20, 64)).numpy().astype(np.float64)
    w, q = network.weights["encoder.0.Dense.kernel"].numpy().astype(np.float64), h.mean(0)
    kl = (0.1 * np.log(0.1 / q) + 0.9 * np.log(0.9 / (1 - q))).sum()
    contracted = ((h * (1 - h)) ** 2 @ (w**2).sum(0)).mean()
    assert float(penalty) == pytest.approx(0.01 * h.sum(1).mean() + 0.2 * kl + 0.5 * contracted, rel=1e-4)
    r = network.model(x.reshape(20, 64)).numpy()
    np.testing.assert_allclose(values["loss"], ((r - x.reshape(20, 64)) ** 2).mean(1), rtol=1e-4)


def test_the_divergence_from_a_normal_distribution_is_its_integral():
    m, s = 0.7, 1.6
    p, q = stats.norm(m, s), stats.norm(0, 1)
    expected, _ = integrate.quad(lambda z: p.pdf(z) * (p.logpdf(z) - q.logpdf(z)), -15, 15)
    means, logs = np.full((1, 1), m, np.float32), np.full((1, 1), 2 * np.log(s), np.float32)
    assert float(variational.normal_divergence(means, logs)[0]) == pytest.approx(expected, rel=1e-5)


def test_of_a_code_exactly_the_k_largest_values_stay():
    x = np.random.default_rng(3).normal(size=(40, 9)).astype(np.float32)
    kept = KSparse(4)(x).numpy()
    assert ((kept != 0).sum(1) == 4).all()
    for before, after in zip(x, kept, strict=True):
        assert sorted(after[after != 0]) == sorted(before)[-4:]
        assert (after[after != 0] == before[after != 0]).all()


def test_of_equal_values_no_more_than_k_stay():
    x = np.array([[1, 1, 1, 2, 0], [1, 1, 1, 1, 1]], np.float32)
    assert KSparse(3)(x).numpy().tolist() == [[1, 1, 0, 2, 0], [1, 1, 1, 0, 0]]


@pytest.mark.parametrize("compiled", [False, True])
def test_in_xla_the_same_values_stay(compiled: bool):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 9)).astype(np.float32) * 10.0 ** rng.integers(-40, 30, (60, 1))
    x[20:40] = rng.integers(-1, 2, (20, 9))  # many are equal
    x[40:50] = -np.abs(x[40:50])
    x[50] = [0.0, -0.0, 0.0, -0.0, 1.0, -1.0, 0.0, -0.0, -2.0]
    x = x.astype(np.float32)
    for k in (1, 4, 9):
        with xla.tracing(for_xla=True):
            kept = tf.function(KSparse(k), jit_compile=compiled)(x).numpy()
        np.testing.assert_array_equal(kept, KSparse(k)(x).numpy())


def test_k_sparseness_is_refused_for_more_than_there_are_and_for_maps():
    where = "model.encoder"
    assert refusal(encoder=[dense(6)], decoder=[dense(64)], sparsity={"k": 7}) == (
        where, "sparsity: k: 7 of 6 code values; lower k",
    )  # fmt: skip
    decoder = [conv("Conv2D", 1, padding="same")]
    assert refusal(encoder=[conv("Conv2D", 2, padding="same")], decoder=decoder, sparsity={"k": 2}) == (
        where, "sparsity: k needs a code in one row; received 8 x 8 x 2; end the encoder in Flatten",
    )  # fmt: skip


VARIATIONAL = {
    "encoder": [dense(12, "relu"), dense(6)],
    "decoder": [dense(12, "relu"), dense(64, "sigmoid")],
    "variational": {"beta": 0.5},
}


def test_the_cost_of_a_variational_autoencoder_is_reconstruction_and_divergence():
    model, network = built(**VARIATIONAL)
    assert model.loss_per() == "sample"
    x = digits(20)
    flat = x.reshape(20, 64)
    statistics = network.statistics(flat).numpy()
    means, logs = statistics[:, :3], statistics[:, 3:]
    np.testing.assert_array_equal(network.encoder(flat).numpy(), means)
    settings = Training.model_validate({"loss": "binary_crossentropy", "loss_per": "sample"})
    values, penalty = model.further_costs(settings, DIGITS, network)["mean_code_loss"](x, x, False)
    r = network.decoder(means).numpy().astype(np.float64)
    np.testing.assert_allclose(values["loss"], -(flat * np.log(r) + (1 - flat) * np.log(1 - r)).sum(1), rtol=1e-4)
    divergence = 0.5 * (means**2 + np.exp(logs) - 1 - logs).sum(1)
    assert float(penalty) == pytest.approx(0.5 * divergence.mean(), rel=1e-4)


def test_the_code_is_drawn_in_training_and_in_evaluation_as_the_seed_says():
    model, network = built(**VARIATIONAL)
    terms = model.cost(Training(), DIGITS, network)
    x = digits(50)

    def losses(training: bool, seed: int) -> bytes:
        network.seeds["code"].assign(np.array([seed, 0], np.uint32))
        return terms(x, x, training)[0]["loss"].numpy().tobytes()

    assert losses(True, 1) == losses(True, 1)
    assert losses(True, 1) != losses(True, 2)
    assert losses(True, 1) == losses(False, 1) != losses(False, 2)


def test_codes_are_drawn_with_the_mean_and_the_spread_of_the_statistics():
    decoder = [dense(64, kernel_initializer={"Constant": {"value": 1.0}})]  # r is the sum of the code's values
    model, network = built(encoder=[dense(2, kernel_initializer="zeros")], decoder=decoder, variational={})
    network.weights["encoder.0.Dense.bias"].assign(np.array([0.3, 2 * np.log(0.2)], np.float32))
    x = np.zeros((4000, 8, 8, 1), np.float32)
    network.seeds["code"].assign(np.array([5, 0], np.uint32))
    values, _ = model.cost(Training(), DIGITS, network)(x, x, True)
    expected = 0.3**2 + 0.2**2  # the mean of h^2, its error .0022
    assert float(ops.mean(values["mse"])) == pytest.approx(expected, abs=0.009)


@pytest.mark.parametrize(
    ("keys", "where", "why"),
    [
        (
            {**VARIATIONAL, "contraction": 0.1},
            "model.contraction",
            "does not go with a variational autoencoder: its code is drawn at random, and its spread is learned, "
            "not penalized; leave one of them out",
        ),
        (
            {**VARIATIONAL, "sparsity": {"l1": 0.1}},
            "model.sparsity",
            "does not go with a variational autoencoder: its divergence already says how the code is distributed; "
            "leave one of them out",
        ),
        (
            {**VARIATIONAL, "tied": True},
            "model.tied",
            "does not go with a variational autoencoder: its encoder gives two numbers for each that the decoder "
            "takes; leave one of them out",
        ),
        (
            {**VARIATIONAL, "encoder": [dense(5)]},
            "model.encoder",
            "a variational encoder ends in means and as many log variances, an even number of outputs in a row; "
            "received 5",
        ),
        (
            {**VARIATIONAL, "decoder": "mirror"},
            "model.decoder",
            "a variational encoder ends in two numbers for each of the code's; write the decoder's layers instead "
            "of mirror",
        ),
        (
            {"encoder": [dense(6, "relu")], "sparsity": {"kl": {"target": 0.1, "weight": 1}}},
            "model.sparsity.kl",
            "compares activities between 0 and 1 with a target; end the encoder in a layer with activation: sigmoid",
        ),
    ],
    ids=["contraction", "sparsity", "tied", "odd", "mirror", "kl"],
)
def test_parts_of_a_cost_that_do_not_go_together_are_refused_with_the_reason(keys, where, why):
    assert refusal(**keys) == (where, why)


def test_errors_of_corrupted_values_have_a_weight_of_their_own():
    corruption = {"masking": 0.3, "emphasis": {"corrupted": 2.0, "untouched": 0.5}}
    model, network = built(encoder=[dense(6, "relu")], corruption=corruption)
    clean = digits(20)
    noisy = clean * (np.random.default_rng(4).uniform(size=clean.shape) > 0.3)
    values, _ = model.cost(Training(), DIGITS, network)(noisy, clean, True)
    flat, seen = clean.reshape(20, 64), noisy.reshape(20, 64)
    squared = (network.model(seen).numpy() - flat) ** 2
    weights = np.where(seen != flat, 2.0, 0.5)
    np.testing.assert_allclose(values["loss"], (weights * squared).mean(1), rtol=1e-4)
    np.testing.assert_allclose(values["mse"], squared.mean(1), rtol=1e-4)
    labels = np.zeros(20, np.int32)
    plain, _ = model.cost(Training(), DIGITS, network)(clean, labels, False)
    np.testing.assert_allclose(plain["loss"], plain["mse"], rtol=1e-6)


def test_a_net_with_k_sparse_tied_codes_compiles_and_is_the_same_there():
    model, network = built(encoder=[dense(9, "relu")], tied=True, sparsity={"k": 3}, contraction=0.1)
    x = digits(10)
    cost = cost_of(model, network)
    assert float(tf.function(cost, jit_compile=network.compiles_in_xla)(x)) == pytest.approx(float(cost(x)), rel=1e-5)
