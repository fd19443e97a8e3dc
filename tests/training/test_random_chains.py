"""Steps of random chains of dense layers by machine code, beside TensorFlow's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.config.experiment import MODELS
from mlphys.schema.data import Description
from mlphys.schema.samples import Split
from mlphys.schema.training import Training
from mlphys.training.backend import choose
from mlphys.training.native_backend import NativeBackend
from mlphys.training.native_chain import LEAST_TIED_BATCH
from mlphys.training.tensorflow_backend import TensorFlowBackend
from tests.helpers.random_layers import draw_as_machine_code

SAMPLE, ALL = range(12), range(12, 512)
ACTIVATIONS = (
    None, "relu", "sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "gelu", "silu", "swish", "mish",
    "leaky_relu", "relu6", "exponential", "hard_sigmoid", "hard_tanh", "celu", "log_sigmoid",
)  # fmt: skip
LAYERS_OF_ACTIVATIONS = (
    "ReLU",
    {"ReLU": {"max_value": 0.7, "negative_slope": 0.1, "threshold": 0.1}},
    {"LeakyReLU": {"negative_slope": 0.2}},
    {"ELU": {"alpha": 0.5}},
    {"Activation": {"activation": "tanh"}},
)
NOISES = {"Dropout": {"rate": 0.3}}, {"GaussianDropout": {"rate": 0.2}}, {"GaussianNoise": {"stddev": 0.2}}
# no root or quotient of a gradient close to zero: it would enlarge roundings
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"learning_rate": 0.1},
    "Adam": {"epsilon": 0.01},
    "AdamW": {"epsilon": 0.01},
    "Adamax": {"epsilon": 0.01},
    "Nadam": {"epsilon": 0.01},
    "RMSprop": {"epsilon": 0.01},
    "Adagrad": {"epsilon": 0.01},
    "Adadelta": {"learning_rate": 0.5, "epsilon": 0.01},
}
MOMENTA: dict[str, list[dict[str, Any]]] = {
    "SGD": [{"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}],
    "Adam": [{"amsgrad": True}],
    "RMSprop": [{"momentum": 0.5, "centered": True}],
}
CLIPS: list[dict[str, Any]] = [{}, {}, {}, {"clipvalue": 0.01}, {"clipnorm": 0.05}, {"global_clipnorm": 0.1}]
OF_VALUES = (
    "mean_squared_error", "mean_absolute_error", {"Huber": {"delta": 0.3}}, "log_cosh",
)  # fmt: skip


class Drawn:
    """Choices from one generator."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def size(self, most: int = 40) -> int:
        return int(self.rng.integers(1, most))

    def maybe(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def dense(self, units: int, activation: str | None, penalized: bool = True) -> dict[str, Any]:
        more: dict[str, Any] = {"use_bias": self.maybe(0.8)}
        if self.maybe(0.2):
            more["kernel_regularizer"] = self.one({"L1": {"l1": 0.01}}, {"L2": {"l2": 0.1}}, {"L1L2": {"l2": 0.05}})
        if self.maybe(0.1):
            more["bias_regularizer"] = {"L2": {"l2": 0.1}}
        if penalized and self.maybe(0.15):
            more["activity_regularizer"] = self.one({"L1": {"l1": 0.05}}, {"L2": {"l2": 0.02}})
        return {"Dense": {"units": units, "activation": activation, **more}}

    def hidden(self) -> list[Any]:
        """Up to two Dense layers, with noise or with an activation of its own behind them."""
        layers: list[Any] = [self.one(*NOISES)] if self.maybe(0.15) else []
        for _ in range(int(self.rng.integers(3))):
            if self.maybe(0.3):
                layers += [self.dense(self.size(), None, False), self.one(*LAYERS_OF_ACTIVATIONS)]
            elif self.maybe(0.3):
                layers += [self.dense(self.size(), self.one(*ACTIVATIONS), False), self.one(*NOISES)]
            else:
                layers += [self.dense(self.size(), self.one(*ACTIVATIONS))]
        return layers

    def optimizer(self) -> dict[str, Any]:
        name = self.one(*OPTIMIZERS)
        given = {**OPTIMIZERS[name], **self.one({}, *MOMENTA.get(name, [])), **self.one(*CLIPS)}
        if self.maybe(0.2):
            given["weight_decay"] = 0.05
        if self.maybe(0.2):
            given["learning_rate"] = {"ExponentialDecay": {"initial_learning_rate": 0.05, "decay_steps": 2,
                                                           "decay_rate": 0.5}}  # fmt: skip
        return {name: given}

    def classifier(self, classes: int) -> tuple[dict[str, Any], Any]:
        last, loss = self.one(
            ("softmax", "categorical_crossentropy"),
            ("softmax", {"CategoricalCrossentropy": {"label_smoothing": 0.2}}),
            ("sigmoid", {"BinaryCrossentropy": {"label_smoothing": self.one(0.0, 0.2)}}),
            ("softmax", self.one("mean_squared_error", "mean_absolute_error")),
            (self.one(*ACTIVATIONS), self.one("mean_squared_error", "mean_absolute_error")),
        )
        one = classes == 2 and self.maybe(0.5)
        if one:
            last, loss = "sigmoid", {"BinaryCrossentropy": {"label_smoothing": self.one(0.0, 0.2)}}
        layers = [*self.hidden(), self.dense(1 if one else classes, last, False)]
        return {"kind": "classifier", "layers": layers}, loss

    def autoencoder(self, size: int) -> tuple[dict[str, Any], Any]:
        code, kind = self.size(12), self.one("plain", "l1", "kl", "k", "contraction", "variational", "tied")
        model: dict[str, Any] = {"kind": "autoencoder", "encoder": self.hidden()}
        if kind in ("contraction", "tied"):
            model["encoder"] = []
        last, loss = self.one(
            ("sigmoid", {"BinaryCrossentropy": {"label_smoothing": self.one(0.0, 0.1)}}),
            (self.one(*ACTIVATIONS), self.one(*OF_VALUES)),
        )
        activation = self.one("relu", "sigmoid", "tanh", None) if kind == "contraction" else self.one(*ACTIVATIONS)
        match kind:
            case "l1":
                model["sparsity"] = {"l1": 0.03}
            case "kl":
                model["sparsity"], activation = {"kl": {"target": 0.1, "weight": 0.2}}, "sigmoid"
            case "k":
                model["sparsity"] = {"k": int(self.rng.integers(1, code + 1))}
            case "contraction":
                model["contraction"] = 0.1
            case "variational":
                model["variational"], activation = {"beta": self.one(0.0, 0.5)}, None
            case "tied":
                model["tied"] = True
        units = 2 * code if kind == "variational" else code
        penalized = kind not in ("variational", "k")
        model["encoder"] += [self.dense(units, activation, penalized)]
        decoder = [] if kind == "tied" or self.maybe(0.5) else [self.dense(self.size(), self.one(*ACTIVATIONS))]
        outputs = self.dense(size, last, False)
        if kind == "tied":  # it has no kernel of its own
            outputs["Dense"].pop("kernel_regularizer", None)
        model["decoder"] = [*decoder, outputs]
        return model, loss

    def experiment(self) -> tuple[dict[str, Any], dict[str, Any], Description, Split]:
        """A model, its training, and samples for it."""
        inputs, samples, kind = (
            self.size(),
            self.size(60),
            self.one("classifier", "classifier", "autoencoder", "regressor"),
        )
        classes, outputs = int(self.rng.integers(2, 12)), self.size(6)
        x = self.rng.random((samples, inputs), np.float32)
        y = self.rng.integers(classes, size=samples, dtype=np.int32)
        description = Description((inputs,), tuple(f"c{i}" for i in range(classes)), samples, None)
        if kind == "classifier":
            model, loss = self.classifier(classes)
        elif kind == "autoencoder":
            model, loss = self.autoencoder(inputs)
            if "tied" in model:  # TensorFlow trains these in smaller batches
                samples = LEAST_TIED_BATCH + self.size(20)
                x, y = self.rng.random((samples, inputs), np.float32), np.zeros(samples, np.int32)
                description = Description((inputs,), description.classes, samples, None)
        else:
            model = {
                "kind": "regressor",
                "layers": [*self.hidden(), self.dense(outputs, self.one(*ACTIVATIONS), False)],
            }
            loss, description = self.one(*OF_VALUES), Description((inputs,), (), samples, None, target_shape=(outputs,))
            y = self.rng.random((samples, outputs), np.float32)
        weights = None
        if kind != "autoencoder" and self.maybe(0.25):
            weights = self.rng.uniform(0.3, 2, samples).astype(np.float32)
            description = Description(description.shape, description.classes, samples, None,
                                      target_shape=description.target_shape, weighted=True)  # fmt: skip
        tied = model.get("tied", False)
        training: dict[str, Any] = {
            "optimizer": self.optimizer(),
            "loss": loss,
            "batch_size": "all" if tied or self.maybe(0.1) else self.size(),
            "loss_per": self.one("output", "sample"),
        }
        if kind == "classifier" and self.maybe(0.15):
            training["class_weight"] = "balanced"
        return model, training, description, Split(x, y, weights)


def steps_of(backend: Any, phase: Any, data: Split, batch: int, seeds: dict[str, np.ndarray]) -> tuple[Any, np.ndarray]:
    """The state after an epoch, and the sums of the metrics."""
    phase.optimizer.build(list(phase.trained))
    weights = {f"weights/{name}": variable for name, variable in phase.network.weights.items()}
    slots = {f"optimizer/{i}": variable for i, variable in enumerate(phase.optimizer.variables)}
    steps = backend(phase, batch, len(data), {**weights, **slots})
    steps.set_samples(data)
    steps.begin(np.random.default_rng(0).permutation(len(data)).astype(np.int32), seeds)
    sums = steps.train(0, -(-len(data) // batch))
    return steps.state(), sums


def compared(seed: int) -> None:
    """Train an epoch of a random net by both backends, and compare all that they changed."""
    model, settings, description, data = Drawn(seed).experiment()
    settings = {
        key: value for key, value in settings.items() if not (key == "loss_per" and model["kind"] == "classifier")
    }
    kind, training = MODELS[model["kind"]], Training.model_validate(settings)
    spec = kind.model_validate(model).completed(training, description, None)
    spec.check(training, description)
    network = spec.build(description, seed)
    [phase] = spec.phases(training, description, network, data)
    batch = len(data) if training.batch_size == "all" else min(training.batch_size, len(data))
    seeds = {name: np.array([seed, 3], np.uint32) + i for i, name in enumerate(network.seeds)}
    refusal = NativeBackend.refusal(phase.plan, batch, ())
    assert refusal is None, (refusal, model)
    assert choose(phase.plan, len(data)).backend is NativeBackend
    ours, our_sums = steps_of(NativeBackend, phase, data, batch, seeds)
    theirs, their_sums = steps_of(TensorFlowBackend, phase, data, batch, seeds)
    np.testing.assert_allclose(our_sums, their_sums, rtol=2e-4, err_msg=str((model, settings)))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-3, atol=3e-5, err_msg=f"{name} of {model}, {settings}")


@pytest.fixture
def step_by_step(monkeypatch):
    """TensorFlow computes operation by operation: compiling would take longer than everything else; and the same
    random numbers."""
    import tensorflow as tf

    draw_as_machine_code(monkeypatch)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.usefixtures("step_by_step")
@pytest.mark.parametrize("seed", SAMPLE)
def test_the_steps_of_a_random_chain_are_tensorflows(seed):
    compared(seed)


@pytest.mark.property
@pytest.mark.usefixtures("step_by_step")
@pytest.mark.parametrize("seed", ALL)
def test_the_steps_of_five_hundred_random_chains_are_tensorflows(seed):
    compared(seed)
