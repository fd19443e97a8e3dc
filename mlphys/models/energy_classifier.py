"""One tied autoencoder, or PCA, a class, whose energies are compared (Kamyshanska & Memisevic 2013, 2015)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mlphys.errors import Refusal, UserError
from mlphys.models._class_components import own_class_error
from mlphys.models._class_model import PCA, Autoencoder
from mlphys.models._energy_network import CALIBRATION, RIDGE, CalibratedCrossentropy, EnergyNetwork
from mlphys.models._samples_by_class import calibration_fit, components_by_class, of_class, require_all
from mlphys.networks import autoencoder, builder, energies
from mlphys.networks.autoencoder_rows import chain, last_activation
from mlphys.networks.cost import Batch, Cost, Term, right_or_wrong
from mlphys.networks.forward_pass import Branch, ForwardPass, Step, of_rows
from mlphys.networks.model_kind import ModelKind, refuse_class_weights
from mlphys.networks.phases import Fit, Phase, Plan
from mlphys.networks.stage import Stage
from mlphys.numerics import calibration
from mlphys.numerics.chunked import Array
from mlphys.numerics.class_probabilities import probability_metrics
from mlphys.numerics.metrics import PER_CLASS, classification
from mlphys.numerics.shown_samples import worth_seeing
from mlphys.numerics.uncertainty import fraction_stderr, mean_and_stderr
from mlphys.schema.data import DataRequirements, Dataset, Description, Generated
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.losses import Loss, MeanSquaredError
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row, trained, weight_shapes
from mlphys.schema.spec import Choice
from mlphys.schema.training import Training


class EnergyClassifier(ModelKind[EnergyNetwork]):
    """A tied autoencoder, or a PCA, for each class; their calibrated energies are compared.

    Each is trained on its class's samples alone. Its energy E_k(x) has the gradient r_k(x) - x and is high where x is
    plausible (the lecture's sign; the energy of physics is -E_k), but is known up to a constant:
    p(k|x) = softmax_k(a_k E_k(x) + b_k), with scales a and biases b fitted to the validation split, so that what is
    measured there is a little too good. With PCA E_k is minus half the squared distance from the plane of the class's
    components.
    """

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = ("MeanSquaredError", "BinaryCrossentropy")
    COMPARES_WITH: ClassVar[Literal["x", "y"] | None] = "x"
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "reconstruction_loss", "mse", "accuracy")
    PICTURES: ClassVar[tuple[str, ...]] = ("learning_curves", "confusion_matrix", "misclassified")
    MEASURED_PER: ClassVar[Mapping[str, tuple[str, ...]]] = {"per_class": PER_CLASS}
    MEASURED: ClassVar[tuple[str, ...]] = (
        "accuracy", "error_rate", "balanced_accuracy", "loss", "majority_accuracy", "uncalibrated_accuracy",
        "nll", "uncalibrated_nll", "ece", "uncalibrated_ece",
        "mse", "pca_mse", "accuracy_gap",
    )  # fmt: skip

    kind: Literal["energy_classifier"]
    of: Annotated[Autoencoder | PCA, Choice("model of a class", {"autoencoder": Autoencoder, "pca": PCA})]
    """The model that is trained for each class. Example: {autoencoder: {units: 30}}"""

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "energy_classifier", "of": {"autoencoder": {"units": 4}}}

    def data_requirements(self) -> DataRequirements:
        return DataRequirements("classes")

    def phase_names(self) -> tuple[str, ...]:
        return ("train",)

    def measures_all_in(self, phase: str) -> bool:
        """The autoencoder of a class is measured on the samples of that class."""
        return not phase.startswith("train_")

    def check_data(self, data: Dataset) -> None:
        super().check_data(data)
        if data.validation == 0:
            text = "energies are compared after a calibration on validation samples; give it some, such as 0.1"
            raise Refusal(("data", "validation"), text)
        if isinstance(data, Generated) and data.fresh:
            text = "each class is trained on its samples one after the other, and fresh ones are of all; leave it out"
            raise Refusal(("data", "fresh"), text)

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> EnergyClassifier:
        """The output that belongs to the loss, where the config leaves it open."""
        return self.model_copy(update={"of": self.of.completed(training.loss)})

    def stage(self, description: Description) -> Stage:
        """The autoencoder of each class; the PCA of a class is a linear one."""
        return self.of.stage(math.prod(description.shape))

    def by_class(self, description: Description) -> list[list[Row]]:
        """The two rows of each class's autoencoder. Raises Refusal for classes and sizes that do not go."""
        values, classes = math.prod(description.shape), len(description.classes)
        if classes < 2:
            raise Refusal(("data",), f"there are {classes or 'no'} classes, and nothing to tell apart")
        self.of.require_size(values, classes)
        whole = self.stage(description)
        rows = []
        for k in range(classes):
            encoder_rows, _, decoder_rows = chain(
                whole.encoder, whole.decoder, description.shape, ("model", f"class_{k}"), (), True
            )
            rows.append(encoder_rows + decoder_rows)
        return rows

    def rows(self, description: Description) -> list[Row]:
        """Encoder and decoder of each class."""
        return [row for pair in self.by_class(description) for row in pair]

    def weight_shapes(self, description: Description) -> dict[str, Shape]:
        """Shapes by name."""
        return weight_shapes(self.rows(description)) | {name: (len(description.classes),) for name in CALIBRATION}

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where sizes, loss and phases do not go together, and for a training that would do nothing."""
        self.rows(description)
        refuse_class_weights(training)
        self.of.check(training, description)

    def cost_formula(self, training: Training, description: Description) -> str:
        """The cost of each class's autoencoder, its energy, and what the calibration minimizes."""
        classes = f"k = 1 ... {len(description.classes)}"
        [calibrated] = CalibratedCrossentropy().formulas()
        ridges = f"{calibration.RIDGES[0]:g} ... {calibration.RIDGES[-1]:g}"
        calibrated = (
            f"then: mean over the validation samples of  {calibrated} of the class, {classes}\n"
            "    + ridge / 2 sum_k A_k^2 + B_k^2, a_k E_k + b_k = A_k z_k + B_k, z_k the standardized E_k\n"
            f"    ridge: the best of {ridges} in {calibration.FOLDS} folds of the validation samples"
        )
        terms = self._class_terms(training, description, 0)
        own = self.of.cost_formula(self.stage(description), terms, math.prod(description.shape))
        return f"each class: {own}\n{calibrated}\n    {self.of.energy_formula()}"

    def _class_terms(self, training: Training, description: Description, k: int) -> tuple[Term, ...]:
        """The cost of the autoencoder of class k."""
        return autoencoder.cost_terms(
            self.stage(description), training, description.shape, self.by_class(description)[k]
        )

    def build(self, description: Description, seed: int) -> EnergyNetwork:
        """An autoencoder for each class, and the calibration of their energies."""
        own = self.stage(description)
        return EnergyNetwork.build(
            self.by_class(description), seed, last_activation(own.encoder), last_activation(own.decoder)
        )

    def class_units(self) -> str:
        return self.of.noun

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """A phase for the autoencoder of each class; PCAs, and the calibration, are computed at once."""
        if not self.of.trains():
            return []
        settings = training.of_phase("train")
        return [
            Plan(f"train_{k}", settings, self._class_terms(settings, description, k), trained(pair), tuple(pair))
            for k, pair in enumerate(self.by_class(description))
        ]

    def phases(self, training: Training, description: Description, network: EnergyNetwork, train: Split) -> list[Phase]:
        """One phase a class, or one for all PCAs; then the calibration.

        Raises UserError for a class without samples.
        """
        classes = description.classes
        require_all(train, classes, "training samples", "raise data.train")
        phases: list[Phase] = []
        if isinstance(self.of, PCA):
            few = np.bincount(train.y, minlength=len(classes)).min()
            if self.of.components > few - 1:
                raise UserError(
                    f"model.of.pca.components: {self.of.components} components need {self.of.components + 1} training "
                    f"samples of each class, and one has {few}; lower it, or raise data.train"
                )
            components, own_error = self.of.components, network.own_error(math.prod(description.shape))
            phases.append(Fit("fit", components_by_class(components, classes), own_error, ("loss", "mse"), network))
        own = self.stage(description)
        for k, plan in enumerate(self.plans(training, description)):
            forward = autoencoder.passing(own, network.by_class[k], description.shape)
            recorded, metrics = autoencoder.recorded(plan.terms), autoencoder.RECORDED
            phase = builder.gradient_phase(network, plan, forward, recorded, metrics, own.corruption)
            phases.append(replace(phase, prepare=of_class(k, classes)))
        cost = self.cost(training, description, network)
        return [*phases, Fit("calibrate", calibration_fit(network), cost, ("loss", "accuracy"), network, (RIDGE,))]

    def cost(self, training: Training, description: Description, network: EnergyNetwork) -> Cost:
        """What is measured of a batch: -log p of the class and accuracy of each sample."""
        from keras import ops

        def forward(x: Any, y: Any, training: bool) -> Batch:
            scores = network.scores(x)
            return Batch(x, y, training, ops.one_hot(y, scores.shape[1]), scores)

        return Cost((CalibratedCrossentropy(),), forward, right_or_wrong)

    def predictions(self, network: EnergyNetwork, x: Any) -> dict[str, Any]:
        """Of each sample of a batch, for each class: probability, energy, and squared error of its autoencoder."""
        from keras import ops

        return {
            "probabilities": ops.softmax(network.scores(x), axis=1),
            "energies": network.energies(x),
            "class_errors": network.errors(x),
        }

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        """Probabilities and energies."""
        flat = graph.reshaped(x, (math.prod(description.shape),))
        pairs = self.by_class(description)
        encoder, decoder = pairs[0]
        form = encoder.layer.activation_name() or "linear", decoder.layer.activation_name() or "linear"
        each = [[weights[name] for name in weight_shapes(pair)] for pair in pairs]
        by_class = graph.concatenated([energies.write_energy(graph, flat, arrays, *form) for arrays in each])
        scales, biases = (weights[name] for name in CALIBRATION)
        probabilities = graph.activation(graph.scaled(by_class, scales, biases), "softmax")
        return {"probabilities": probabilities, "energies": by_class}

    def forward_pass(self, description: Description, weights: Weights) -> ForwardPass:
        """Energies, calibrated, to probabilities; beside them what the autoencoder of each class reconstructs."""
        pairs, classes = self.by_class(description), len(description.classes)
        by_class = [of_rows(pair, weights) for pair in pairs]
        parts = {
            f"{part}_{k}": steps[i].weights[name]
            for k, steps in enumerate(by_class)
            for part, i, name in (("kernel", 0, "kernel"), ("hidden_bias", 0, "bias"), ("visible_bias", 1, "bias"))
        }
        encoder, decoder = (row.layer.activation_name() or "linear" for row in pairs[0])
        form = {"classes": classes, "activation": encoder, "output": decoder}
        scales, biases = (weights[name] for name in CALIBRATION)
        steps = [
            Step("energies", "ClassEnergies", pairs[0][0].input_shape, form, parts),
            Step("calibrated energies", "Scaled", (classes,), {}, {"scales": scales, "biases": biases}),
            Step("probabilities", "Softmax", (classes,), {}, {}),
        ]
        names = [f"by the model of {name}" for name in description.classes]
        return ForwardPass(steps, branches=[Branch(name, 0, each) for name, each in zip(names, by_class, strict=True)])

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        return dict.fromkeys(("probabilities", "energies", "class_errors"), (len(description.classes),))

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split: of a classifier, and the error of each sample in its own class.

        `pca_mse` is that of principal components of the samples of each class, as many as there are hidden units.
        """
        losses = arrays["losses"].astype(np.float64) + arrays["penalties"]
        measured = classification(split.y, arrays["probabilities"], losses, description.classes)
        right = int((arrays["energies"].argmax(axis=1) == split.y).sum())
        own = arrays["class_errors"][np.arange(len(split)), split.y].astype(np.float64)
        measured |= {
            "uncalibrated_accuracy": right / len(split),
            "uncalibrated_accuracy_stderr": fraction_stderr(right, len(split)),
            **mean_and_stderr("mse", own),
        }
        raw = calibration.log_probabilities(arrays["energies"].astype(np.float64))
        normal = probability_metrics(split.y, np.exp(raw), split.weights)
        measured |= {f"uncalibrated_{key}": value for key, value in normal.items()}
        if split.weights is None:  # not bounded by the smallest probability, below which many of these are
            measured |= mean_and_stderr("uncalibrated_nll", -raw[np.arange(len(split)), split.y])
        if isinstance(self.of, Autoencoder):
            measured["pca_mse"] = own_class_error(self.of.units, split, train)
        return measured

    def shown_samples(self, split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
        """Indices of samples whose images are saved: the most confident mistakes, and one correct sample per class."""
        return worth_seeing(split.y, arrays["probabilities"], most)
