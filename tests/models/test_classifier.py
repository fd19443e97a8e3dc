"""The classifier's gradient, cost and phases, on real digits."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.errors import Refusal
from mlphys.models import classifier
from mlphys.networks.autodiff import gradient, jacobian
from mlphys.schema.data import Description
from mlphys.schema.samples import Split
from mlphys.schema.training import Training
from tests.helpers.digits import load_digits

DIGITS = Description((8, 8, 1), tuple("0123456789"), 1797, None)
HIDDEN = ["Flatten", {"Dense": {"units": 12, "activation": "tanh"}}]
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}


def digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return (data.images[:n, ..., None] / 16).astype(np.float32), data.target[:n].astype(np.int32)


def terms_of(layers, loss="categorical_crossentropy", **training):
    spec = classifier.Classifier(kind="classifier", layers=layers)
    settings = Training.model_validate({"loss": loss, **training})
    network = spec.build(DIGITS, seed=0)
    return spec.cost(settings, DIGITS, network), network


def test_the_gradient_of_the_cross_entropy_before_the_softmax_is_p_minus_y():
    from keras import losses, ops

    z = np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32)
    labels = np.array([0, 3, 9, 3, 1])
    y = np.eye(10, dtype=np.float32)[labels]
    measured = gradient(lambda t: losses.CategoricalCrossentropy(reduction=None)(y, ops.softmax(t)), z)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(measured, p - y, atol=1e-6)


def test_the_jacobian_of_the_softmax_is_diag_p_minus_p_p():
    from keras import ops

    z = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = p[:, :, None] * (np.eye(4) - p[:, None, :])
    np.testing.assert_allclose(jacobian(ops.softmax, z), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "loss_per", "expected"),
    [
        ("categorical_crossentropy", "output", lambda p, t: -(t * np.log(p)).sum(1)),
        ("categorical_crossentropy", "sample", lambda p, t: -(t * np.log(p)).sum(1)),
        ("mean_squared_error", "output", lambda p, t: ((p - t) ** 2).mean(1)),
        ("mean_squared_error", "sample", lambda p, t: ((p - t) ** 2).sum(1)),
        ("mean_absolute_error", "output", lambda p, t: abs(p - t).mean(1)),
        ("kl_divergence", "output", lambda p, t: -(t * np.log(p)).sum(1)),
    ],
)
def test_the_loss_of_a_sample_is_its_formula(loss, loss_per, expected):
    x, y = digits(20)
    terms, network = terms_of([*HIDDEN, SOFTMAX], loss, loss_per=loss_per)
    values, penalty = terms(x, y, False)
    p = network.model(x).numpy().astype(np.float64)
    np.testing.assert_allclose(values["loss"].numpy(), expected(p, np.eye(10)[y]), rtol=1e-5)
    np.testing.assert_array_equal(values["accuracy"].numpy(), p.argmax(1) == y)
    assert penalty == 0


def test_penalties_are_added_as_they_are():
    x, y = digits(8)
    hidden = {"units": 6, "activation": "relu", "kernel_regularizer": {"L2": {"l2": 0.5}},
              "activity_regularizer": {"L1": {"l1": 0.25}}}  # fmt: skip
    terms, network = terms_of(["Flatten", {"Dense": hidden}, SOFTMAX])
    kernel = network.weights["layers.1.Dense.kernel"].numpy()
    bias = network.weights["layers.1.Dense.bias"].numpy()
    code = np.maximum(x.reshape(8, 64) @ kernel + bias, 0)
    _, penalty = terms(x, y, True)
    expected = 0.5 * (kernel**2).sum() + 0.25 * np.abs(code).sum(axis=1).mean()
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


def test_the_seed_decides_the_initial_weights_and_each_weight_has_a_stream_of_its_own():
    layers = ["Flatten", {"Dense": {"units": 10, "activation": "relu"}}, SOFTMAX]
    spec = classifier.Classifier(kind="classifier", layers=layers)
    first, again, other = (spec.build(DIGITS, seed).weights for seed in (0, 0, 1))
    for name in first:
        np.testing.assert_array_equal(first[name].numpy(), again[name].numpy())
    assert not np.array_equal(first["layers.1.Dense.kernel"], other["layers.1.Dense.kernel"])
    assert not np.array_equal(first["layers.1.Dense.kernel"].numpy()[:10], first["layers.2.Dense.kernel"].numpy())


def test_the_cost_is_a_formula_with_its_numbers():
    layers = ["Flatten", {"Dense": {"units": 6, "kernel_regularizer": {"L2": {"l2": 0.5}}}}, SOFTMAX]
    spec = classifier.Classifier(kind="classifier", layers=layers)
    assert spec.cost_formula(Training(), DIGITS) == (
        "mean over the samples of  -sum_k t_k log p_k\n    + 0.5 sum layers.1.Dense.kernel^2"
    )


def test_beside_the_surest_mistakes_the_first_right_sample_of_each_class_is_kept():
    labels = np.repeat(np.arange(10), 30)
    guesses = np.where(np.arange(300) % 30 < 20, (labels + 1) % 10, labels)
    split = Split(np.zeros((300, 8, 8, 1), np.float32), labels.astype(np.int32))
    kept = classifier.Classifier(kind="classifier", layers=[SOFTMAX]).shown_samples(
        split, {"probabilities": np.eye(10)[guesses]}, most=100
    )
    assert (guesses[kept[:90]] != labels[kept[:90]]).all()
    assert kept[90:].tolist() == list(range(20, 300, 30))


def test_balanced_weights_are_n_over_K_n_k_and_a_class_without_samples_has_none():
    labels = np.array([0] * 6 + [1] * 3 + [3])
    train = Split(np.zeros((10, 2)), labels)
    small = Description((2,), ("a", "b", "c", "d"), 10, None)
    balanced = Training.model_validate({"class_weight": "balanced"})
    found = classifier.class_weights(balanced, small, train)
    np.testing.assert_allclose(found, [10 / (4 * 6), 10 / (4 * 3), 0, 10 / 4])
    named = Training.model_validate({"class_weight": {"d": 2, "a": 1, "c": 0.5, "b": 0}})
    np.testing.assert_array_equal(classifier.class_weights(named, small, train), [1, 0, 0.5, 2])
    assert classifier.class_weights(Training(), small, train) is None


def test_weights_of_the_classes_count_in_training_only():
    x, y = digits(20)
    spec = classifier.Classifier(kind="classifier", layers=[*HIDDEN, SOFTMAX])
    network = spec.build(DIGITS, seed=0)
    weights = np.arange(10) / 3
    plain = spec.cost(Training(), DIGITS, network)(x, y, True)[0]
    settings = Training(class_weight=dict(zip(DIGITS.classes, weights.tolist(), strict=True)))
    [phase] = spec.phases(settings, DIGITS, network, Split(x, y))
    weighted = phase.cost
    np.testing.assert_allclose(weighted(x, y, True)[0]["loss"].numpy(), weights[y] * plain["loss"].numpy(), rtol=1e-6)
    np.testing.assert_array_equal(weighted(x, y, False)[0]["loss"].numpy(), plain["loss"].numpy())
    np.testing.assert_array_equal(weighted(x, y, True)[0]["accuracy"].numpy(), plain["accuracy"].numpy())


ONE_UNIT = [*HIDDEN, {"Dense": {"units": 1, "activation": "sigmoid"}}]
TWO = Description((8, 8, 1), ("0", "1"), 100, None)


def test_one_sigmoid_unit_of_two_classes_has_the_loss_of_keras_and_an_accuracy():
    import keras

    spec = classifier.Classifier(kind="classifier", layers=ONE_UNIT)
    settings = Training.model_validate({"loss": "binary_crossentropy"})
    spec.check(settings, TWO)
    network = spec.build(TWO, seed=0)
    x, y = digits(40)
    y = y % 2
    for loss_per in ("output", "sample"):
        cost = spec.cost(settings.model_copy(update={"loss_per": loss_per}), TWO, network)
        values, _ = cost(x, y, False)
        p = np.asarray(network.model(x))
        expected = keras.losses.BinaryCrossentropy(reduction=None)(y[:, None].astype(np.float32), p)
        np.testing.assert_allclose(values["loss"], expected, rtol=1e-5)
        np.testing.assert_array_equal(values["accuracy"], (p[:, 0] > 0.5) == y)
    probabilities = np.asarray(spec.predictions(network, x)["probabilities"])
    np.testing.assert_allclose(probabilities, np.concatenate([1 - p, p], axis=1))
    assert spec.prediction_shapes(TWO) == {"probabilities": (2,)}
    weights = settings.model_copy(update={"class_weight": {"0": 1.0, "1": 3.0}})
    [phase] = spec.phases(weights, TWO, network, Split(x, y))
    batch = phase.forward(x, y, True)
    weighted = phase.plan.terms[0].weighted(phase.plan.terms[0].each(batch), batch)
    np.testing.assert_allclose(weighted, np.where(y, 3, 1) * np.asarray(expected), rtol=1e-5)


def test_machine_code_takes_the_cross_entropy_of_one_sigmoid_unit_and_no_other_loss_of_it():
    from mlphys.training.native_backend import NativeBackend

    spec = classifier.Classifier(kind="classifier", layers=ONE_UNIT)
    [plan] = spec.plans(Training.model_validate({"loss": "binary_crossentropy", "optimizer": "adam"}), TWO)
    assert NativeBackend.refusal(plan, 20, []) is None
    weighted = {"loss": "mean_squared_error", "optimizer": "adam", "class_weight": {"0": 1.0, "1": 3.0}}
    [of_weights] = spec.plans(Training.model_validate(weighted), TWO)
    assert NativeBackend.refusal(of_weights, 20, []) == (
        "MeanSquaredError behind sigmoid outputs has no machine code for whole steps"
    )
    assert str(plan.terms[0]) == "-[t log p + (1 - t) log(1 - p)], t being 1 for the second class"


@pytest.mark.parametrize(
    ("layer", "loss", "classes", "text"),
    [
        ({"units": 1, "activation": "sigmoid"}, "binary_crossentropy", "012", "1 outputs for 3 classes"),
        ({"units": 1, "activation": "softmax"}, "binary_crossentropy", "01", "1 outputs for 2 classes"),
        ({"units": 1}, "binary_crossentropy", "01", "1 outputs for 2 classes"),
        ({"units": 1, "activation": "sigmoid"}, "categorical_crossentropy", "01", "write binary_crossentropy"),
    ],
)
def test_one_unit_of_another_kind_is_refused(layer, loss, classes, text):
    spec = classifier.Classifier(kind="classifier", layers=[*HIDDEN, {"Dense": layer}])
    with pytest.raises(Refusal, match=text):
        spec.check(Training.model_validate({"loss": loss}), Description((8, 8, 1), tuple(classes), 100, None))


@pytest.mark.parametrize(
    ("target_shape", "text"), [((0,), "the data has no labels"), ((1,), "the targets are numbers"), ((3,), "classes")]
)
def test_data_without_classes_is_refused_with_what_it_has(target_shape, text):
    spec = classifier.Classifier(kind="classifier", layers=[*HIDDEN, SOFTMAX])
    with pytest.raises(Refusal, match=text):
        spec.check(Training(), Description((8, 8, 1), (), 100, None, target_shape))
