"""Autoencoders stacked on each other's codes, trained one after the other, then together, then with labels
(Bengio et al. 2007; Vincent et al. 2010)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks import autoencoder, builder
from mlphys.networks.autoencoder import chain
from mlphys.networks.cost import Batch, Cost, DataTerm, LayerPenalties, Term, formula, right_or_wrong
from mlphys.networks.model_kind import ModelKind, refuse_class_weights
from mlphys.networks.phases import Gradient, Network, Plan
from mlphys.numerics import chunked, pca
from mlphys.numerics.chunked import Array
from mlphys.numerics.metrics import classification, code_statistics, reconstruction, surest_mistakes
from mlphys.schema.autoencoding import Stage
from mlphys.schema.data import Description, Split, Wanted
from mlphys.schema.fields import ActivationName, Shape
from mlphys.schema.layers import LayerField, begins_with_sequence, text
from mlphys.schema.losses import REGRESSION_LOSSES, BinaryCrossentropy, CategoricalCrossentropy, Loss, MeanSquaredError
from mlphys.schema.mirror import mirror
from mlphys.schema.shapes import Row, trace, trained
from mlphys.schema.training import PhaseTraining, Training


class StackedAutoencoder(ModelKind):
    """Autoencoders on the codes of those before them, then fine-tuned together, then a head with labels.

    Each of the `stages` has encoder, decoder (left out: the mirror), corruption, sparsity, contraction and tied of
    its own. `training.phases` says which phases there are: `pretrain` each stage, `fine_tune` all of them
    against the samples, `head` trains the layers of `head` on the code by cross-entropy and, unless
    `frozen`, the encoders with it. With a head it is measured as a classifier.
    """

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = REGRESSION_LOSSES
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "reconstruction_loss", "mse", "accuracy")
    PICTURES: ClassVar[tuple[str, ...]] = ("learning_curves", "stages")
    MEASURED: ClassVar[tuple[str, ...]] = (
        "accuracy", "error_rate", "balanced_accuracy", "majority_accuracy",
        "mse", "mae", "psnr", "squared_error", "reconstruction_loss", "loss", "mean_image_mse", "pca_mse",
        "pixel_mse", "pixel_pca_mse",
        "mean_code", "active_fraction", "population_sparsity", "lifetime_sparsity", "saturated_fraction",
    )  # fmt: skip

    kind: Literal["stacked_autoencoder"]
    stages: Annotated[list[Stage], Field(min_length=1)]
    """The autoencoders, each on the code of the one before. Example: [{encoder: [{Dense: {units: 32, activation:
    sigmoid}}]}]
    """
    head: list[LayerField] = Field([])
    """The layers behind the last code, trained with labels; empty: there are none. Example: [{Dense: {units: 10,
    activation: softmax}}]
    """
    frozen: bool = False
    """true trains the head alone and keeps the encoders."""

    @classmethod
    def example(cls) -> dict[str, Any]:
        stage = {"encoder": [{"Dense": {"units": 6, "activation": "sigmoid"}}]}
        head = [{"Dense": {"units": 10, "activation": "softmax"}}]
        return {"kind": "stacked_autoencoder", "stages": [stage, stage], "head": head}

    def wanted(self) -> Wanted:
        signals = begins_with_sequence(self.stages[0].encoder)
        return Wanted("classes" if self.head else None, signals)

    def phase_names(self) -> tuple[str, ...]:
        return ("pretrain", "fine_tune", "head")

    def encoder_rows(self, description: Description) -> list[Row]:
        return [row for encoder, _ in self.staged(description) for row in encoder]

    def why_no_decoder(self) -> str | None:
        if self.head and not self.frozen:
            return (
                "the decoders do not fit encoders that a head has trained on; "
                "set model.frozen: true, or leave model.head out"
            )
        return None

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> StackedAutoencoder:
        """The mirrored decoders written out."""
        shape, stages = description.shape, []
        for i, stage in enumerate(self.stages):
            path = ("model", "stages", i)
            encoder = trace(stage.encoder, autoencoder.first_shape(stage.encoder, shape), (*path, "encoder"))
            if not stage.decoder:
                binary = isinstance(training.loss, BinaryCrossentropy)
                last: ActivationName = "sigmoid" if binary else "linear"
                if i:  # it gives back a code, with the activation that made it
                    last = autoencoder.last_activation(self.stages[i - 1].encoder) or "linear"  # type: ignore[assignment]
                layers = mirror(encoder, last, (*path, "encoder"), transposed=stage.tied)
                stage = stage.model_copy(update={"decoder": layers})
            stages.append(stage)
            shape = encoder[-1].output_shape
        return self.model_copy(update={"stages": stages})

    def staged(self, description: Description) -> list[tuple[list[Row], list[Row]]]:
        """The rows of each stage's encoder, k-sparseness included, and of its decoder. Raises Refusal."""
        shape, rows = description.shape, []
        for i, stage in enumerate(self.stages):
            path = ("model", "stages", i)
            there, code, back = chain(stage.encoder, stage.decoder, shape, path, stage.sparsity, None, stage.tied)
            rows.append((there + code, back))
            shape = back[0].input_shape
        return rows

    def rows(self, description: Description) -> list[Row]:
        """All encoders, all decoders in the reverse order, and the head."""
        stages = self.staged(description)
        there = [row for encoder, _ in stages for row in encoder]
        back = [row for _, decoder in reversed(stages) for row in decoder]
        return there + back + self._head(there[-1].output_shape)

    def _head(self, code: Shape) -> list[Row]:
        return trace(self.head, code, ("model", "head")) if self.head else []

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where shapes, phases and data do not go together."""
        chained = self.rows(description)
        refuse_class_weights(training)
        phases = self._wanted(training)
        if "head" in phases and not self.head:
            raise Refusal(("training", "phases", "head"), "there is no head to train; add model.head")
        if self.head and "head" not in phases:
            raise Refusal(("training", "phases"), "none of them trains the head; add head, or leave model.head out")
        if self.frozen and not self.head:
            raise Refusal(("model", "frozen"), "keeps the encoders as they are while a head is trained; add model.head")
        for name, settings in phases.items():
            if settings is not None and settings.labels is not None:
                _check_labels(name, settings.labels, description)
            stopping = training.of_phase(name).early_stopping
            measured = ("loss", "accuracy") if name == "head" else ("loss", "reconstruction_loss", "mse")
            if stopping and stopping.monitor.removeprefix("validation_") not in measured:
                monitor = ("training", "phases", name, "early_stopping", "monitor")
                raise Refusal(
                    monitor, f"{stopping.monitor} is not recorded in this phase; it has {', '.join(measured)}"
                )
        if self.head:
            classes = len(description.classes)
            where = ("model", "head", len(self.head) - 1)
            if classes < 2:
                raise Refusal(("model", "head"), "tells classes apart, and this data has none; leave it out")
            if chained[-1].output_shape != (classes,):
                raise Refusal(where, f"the output is {text(chained[-1].output_shape)}, and there are {classes} classes")
            if autoencoder.last_activation(self.head) != "softmax":
                raise Refusal(where, "a head is trained by cross-entropy; add activation: softmax to its last layer")
        self._check_losses(training)
        shape = description.shape
        for i, (stage, (_, decoder)) in enumerate(zip(self.stages, self.staged(description), strict=True)):
            autoencoder.check_penalties(stage, ("model", "stages", i), replace(description, shape=shape))
            shape = decoder[0].input_shape

    def _wanted(self, training: Training) -> dict[str, PhaseTraining | None]:
        """The phases there are, each with what it has of its own."""
        if training.phases:
            return dict(training.phases)
        return {"pretrain": None, "head": None} if self.head else {"pretrain": None}

    def _check_losses(self, training: Training) -> None:
        if not isinstance(training.loss, BinaryCrossentropy):
            return
        for i, stage in enumerate(self.stages[:-1]):
            if not autoencoder.between_0_and_1(stage.encoder):
                where = ("model", "stages", i, "encoder", len(stage.encoder) - 1)
                text = (
                    f"the codes that stage {i + 1} gives back need not lie between 0 and 1, as its binary_crossentropy "
                    "takes them; end this encoder in a layer with activation: sigmoid, or choose another loss"
                )
                raise Refusal(where, text)

    def cost_formula(self, training: Training, description: Description) -> str:
        """The cost of each stage, and of the head, as a formula with its numbers."""
        lines = []
        for i, (stage, layers, shape) in enumerate(self._stages(description)):
            terms = autoencoder.cost_terms(stage, training, shape, layers)
            lines.append(f"stage {i}: {autoencoder.cost_formula(stage, terms)}")
        return "\n".join(lines + ([f"head: {formula(self._head_terms(description))}"] if self.head else []))

    def _stages(self, description: Description) -> list[tuple[Stage, list[Row], Shape]]:
        """Each stage with the layers of its encoder and decoder, and the shape of the samples that it gives back."""
        shape, found = description.shape, []
        for stage, (encoder, decoder) in zip(self.stages, self.staged(description), strict=True):
            found.append((stage, encoder + decoder, shape))
            shape = decoder[0].input_shape
        return found

    def _whole(self, description: Description) -> tuple[Stage, list[Row]]:
        """All stages as one autoencoder, fine-tuned without corruption or penalties on its code, and its layers."""
        stages = self.staged(description)
        layers = [row for there, _ in stages for row in there] + [row for _, back in stages[::-1] for row in back]
        return Stage(encoder=[layer for stage in self.stages for layer in stage.encoder], decoder=[]), layers

    def _classifier(self, description: Description) -> list[Row]:
        """The layers from a sample to its class."""
        encoders = self.encoder_rows(description)
        return encoders + self._head(encoders[-1].output_shape)

    def _head_terms(self, description: Description) -> tuple[Term, ...]:
        data = DataTerm(CategoricalCrossentropy(), "classes", (len(description.classes),), "output")
        return data, LayerPenalties(tuple(self._classifier(description)))

    def build(self, description: Description, seed: int) -> Network:
        """The Keras models with their initial weights: all of it, each stage, and the classifier."""
        stages = self.staged(description)
        there = [row for encoder, _ in stages for row in encoder]
        back = [row for _, decoder in reversed(stages) for row in decoder]
        head = self._head(there[-1].output_shape)
        parts = {"encoder": there, "decoder": back}
        for i, (encoder, decoder) in enumerate(stages):
            parts |= {f"encoder {i}": encoder, f"decoder {i}": decoder, f"stage {i}": encoder + decoder}
            parts |= {f"below {i}": [row for before, _ in stages[:i] for row in before]} if i else {}
        parts |= {"head": head, "classifier": there + head} if head else {}
        network = builder.build(there + back, seed, parts, beside=head)
        return _with_head_layers(network, there[-1].name, head) if head else network

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """A phase for each stage, one for all of them, one for the head: those that `training.phases` names."""
        wanted = self._wanted(training)
        found = []
        if "pretrain" in wanted:
            settings = training.of_phase("pretrain")
            for i, (stage, layers, shape) in enumerate(self._stages(description)):
                terms = autoencoder.cost_terms(stage, settings, shape, layers)
                found.append(Plan(f"pretrain_{i}", settings, terms, trained(layers), tuple(layers)))
        if "fine_tune" in wanted:
            settings, (whole, layers) = training.of_phase("fine_tune"), self._whole(description)
            terms = autoencoder.cost_terms(whole, settings, description.shape, layers)
            found.append(Plan("fine_tune", settings, terms, trained(layers), tuple(layers)))
        if "head" in wanted:
            layers = self._classifier(description)
            moved = layers[-len(self.head) :] if self.frozen else layers
            terms, labels = self._head_terms(description), _labels(wanted["head"])
            found.append(Plan("head", training.of_phase("head"), terms, trained(moved), tuple(layers), labels))
        return found

    def phases(self, training: Training, description: Description, network: Network, train: Split) -> list[Gradient]:
        """The phases of `plans`."""
        return [self._phase(training, description, network, plan) for plan in self.plans(training, description)]

    def _phase(self, training: Training, description: Description, network: Network, plan: Plan) -> Gradient:
        if plan.name == "head":
            forward = _classifying(network, self.frozen, len(description.classes))
            phase = builder.gradient_phase(network, plan, forward, right_or_wrong, ("loss", "accuracy"))
            labels = plan.most_samples
            if labels is None:
                return phase
            return replace(phase, prepare=lambda split: Split(split.x[:labels], split.y[:labels]), only_train=True)
        recorded = autoencoder.recorded(plan.terms)
        if plan.name == "fine_tune":
            whole, _ = self._whole(description)
            forward = autoencoder.passing(whole, network, description.shape)
            return builder.gradient_phase(network, plan, forward, recorded, autoencoder.RECORDED)
        i = int(plan.name.removeprefix("pretrain_"))
        stage, _, shape = self._stages(description)[i]
        own = replace(network, model=network.parts[f"stage {i}"], parts=_parts(network, i))
        forward = autoencoder.passing(stage, own, shape)
        phase = builder.gradient_phase(network, plan, forward, recorded, autoencoder.RECORDED, stage.corruption)
        below = network.parts.get(f"below {i}")
        return replace(phase, prepare=_codes_below(below)) if below else phase

    def cost(self, training: Training, description: Description, network: Network) -> Cost:
        """What is measured of a batch: the cost of the head, or of the reconstruction."""
        if self.head:
            forward = _classifying(network, self.frozen, len(description.classes))
            return Cost(self._head_terms(description), forward, right_or_wrong)
        whole, layers = self._whole(description)
        terms = autoencoder.cost_terms(whole, training, description.shape, layers)
        return autoencoder.cost(whole, terms, network, description.shape)

    def predictions(self, network: Network, x: Any) -> dict[str, Any]:
        """Of each sample of a batch: its code, its errors, and with a head its probabilities."""
        from keras import ops

        flat = ops.reshape(x, (-1, math.prod(x.shape[1:])))
        codes, r = autoencoder.reconstructed(network, x)
        difference = ops.reshape(r, ops.shape(flat)) - flat
        said = {
            "codes": codes,
            "squared_errors": ops.mean(difference**2, axis=1),
            "absolute_errors": ops.mean(ops.abs(difference), axis=1),
        }
        return said | (
            {"probabilities": network.parts["head"](codes, training=False)} if "head" in network.parts else {}
        )

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape, for each sample, of what `predictions` gives."""
        shapes: dict[str, Shape] = {
            "codes": self.staged(description)[-1][1][0].input_shape, "squared_errors": (), "absolute_errors": (),
        }  # fmt: skip
        return shapes | ({"probabilities": (len(description.classes),)} if self.head else {})

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split: of a classifier with a head, else of reconstructions."""
        if self.head:
            losses = arrays["losses"].astype(np.float64) + arrays["penalties"]
            return classification(split.y, arrays["probabilities"], losses, description.classes)
        found = reconstruction(arrays, split.x, train.x)
        found["pca_mse"] = pca.error(train.x, split.x, math.prod(arrays["codes"].shape[1:]))
        return {**found, **code_statistics(arrays, autoencoder.last_activation(self.stages[-1].encoder))}

    def shown_samples(self, split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
        """Which samples' images are kept: the surest mistakes of a classifier, else the first."""
        if "probabilities" in arrays:
            return surest_mistakes(split.y, arrays["probabilities"], most)
        return np.arange(min(most, len(split)))

    def image_outputs(self, network: Network, x: Any) -> dict[str, Any]:
        """What is kept of the shown samples beside their images."""
        from keras import ops

        return {"reconstructions": ops.reshape(autoencoder.reconstructed(network, x)[1], ops.shape(x))}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape, for each shown sample, of what `image_outputs` gives."""
        return {"reconstructions": description.shape}


def _labels(phase: PhaseTraining | None) -> int | None:
    """How many labelled samples a phase sees, None: all."""
    return phase.labels if phase else None


def _check_labels(name: str, labels: int, description: Description) -> None:
    where = ("training", "phases", name, "labels")
    if name != "head":
        raise Refusal(where, "only the head is trained with labels; leave it out")
    if labels > description.samples:
        raise Refusal(where, f"there are {description.samples} training samples; lower labels, or raise data.train")


def _with_head_layers(network: Network, code: str, head: list[Row]) -> Network:
    """The network with a model that ends at each layer of the head as well; it follows the layer `code`."""
    import keras

    layers, out = dict(network.layers), network.layers[code].output
    for row, layer in zip(head, network.parts["head"].layers[1:], strict=True):
        out = layer(out)
        layers[row.name] = keras.Model(network.model.inputs, out)
    return replace(network, layers=layers)


def _parts(network: Network, i: int) -> dict[str, Any]:
    return {part: network.parts[f"{part} {i}"] for part in ("encoder", "decoder")}


def _codes_below(below: Any) -> Callable[[Split], Split]:
    """The function that gives the codes of samples, with the weights as they are when it is called."""

    def codes(split: Split) -> Split:
        x = chunked.read(split.x).reshape(-1, *below.input_shape[1:])
        return Split(np.asarray(below.predict(x, batch_size=1000, verbose=0)), split.y)

    return codes


def _classifying(network: Network, frozen: bool, classes: int) -> Callable[[Any, Any, bool], Batch]:
    """The way of a batch to its classes; frozen encoders have no noise, and no statistics that move."""
    from keras import ops

    model, encoder, head = (network.parts[part] for part in ("classifier", "encoder", "head"))

    def forward(x: Any, y: Any, training: bool) -> Batch:
        codes = encoder(ops.reshape(x, (-1, *model.input_shape[1:])), training=training and not frozen)
        p = head(codes, training=training)
        return Batch(x, y, training, ops.one_hot(y, classes), p, penalties=model.losses)

    return forward
