"""Autoencoders stacked on each other's codes, trained one after the other, then together, then with labels
(Bengio et al. 2007; Vincent et al. 2010)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import NotApplicable, Refusal
from mlphys.models import _stack_phases as stack_phases
from mlphys.models._stack_network import StackNetwork
from mlphys.networks import autoencoder, builder, penalized
from mlphys.networks.autoencoder_rows import (
    between_0_and_1,
    chain,
    first_shape,
    last_activation,
    without_last_activation,
)
from mlphys.networks.cost import Cost, DataTerm, LayerPenalties, Term, formula, right_or_wrong
from mlphys.networks.forward_pass import Branch, ForwardPass, of_rows
from mlphys.networks.model_kind import ModelKind, refuse_class_weights
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.stage import Stage
from mlphys.numerics import pca
from mlphys.numerics.chunked import Array
from mlphys.numerics.code_statistics import code_statistics
from mlphys.numerics.metrics import PER_CLASS, classification, reconstruction
from mlphys.numerics.shown_samples import surest_mistakes
from mlphys.schema.data import DataRequirements, Description
from mlphys.schema.fields import ActivationName, Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.layers import Layer, LayerField, begins_with_sequence, text
from mlphys.schema.losses import REGRESSION_LOSSES, BinaryCrossentropy, CategoricalCrossentropy, Loss, MeanSquaredError
from mlphys.schema.mirror import mirror
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row, trace, trained
from mlphys.schema.training import Training


class StackedAutoencoder(ModelKind[StackNetwork]):
    """Autoencoders on the codes of those before them, then fine-tuned together, then a head with labels.

    Each of the `stages` has encoder, decoder (left out: the mirror), corruption, sparsity, contraction and tied of
    its own. `training.phases` says which phases there are: `pretrain` each stage, `fine_tune` all of them
    against the samples, `head` trains the layers of `head` on the code by cross-entropy and, unless
    `frozen`, the encoders with it. With a head it is measured as a classifier.
    """

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = REGRESSION_LOSSES
    COMPARES_WITH: ClassVar[Literal["x", "y"] | None] = "x"
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "reconstruction_loss", "mse", "accuracy")
    PICTURES: ClassVar[tuple[str, ...]] = ("learning_curves", "stages")
    MEASURED_PER: ClassVar[Mapping[str, tuple[str, ...]]] = {"per_class": PER_CLASS}
    MEASURED: ClassVar[tuple[str, ...]] = (
        "accuracy", "error_rate", "balanced_accuracy", "majority_accuracy",
        "mse", "mae", "psnr", "squared_error", "reconstruction_loss", "loss", "mean_image_mse", "pca_mse",
        "pixel_mse", "pixel_pca_mse",
        "mean_code", "active_fraction", "population_sparsity", "lifetime_sparsity", "saturated_fraction",
        "accuracy_gap", "mse_gap",
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

    def data_requirements(self) -> DataRequirements:
        signals = begins_with_sequence(self.stages[0].encoder)
        return DataRequirements("classes" if self.head else None, signals)

    def phase_names(self) -> tuple[str, ...]:
        return ("pretrain", "fine_tune", "head")

    def measures_all_in(self, phase: str) -> bool:
        """A stage is measured on the codes of those before it, which are no samples."""
        if self.head:
            return phase == "head"
        return phase == "fine_tune" or len(self.stages) == 1

    def encoder_rows(self, description: Description) -> list[Row]:
        return [row for encoder, _ in self.stage_rows(description) for row in encoder]

    def why_no_decoder(self) -> str | None:
        if self.head and not self.frozen:
            return (
                "the decoders do not fit encoders that a head has trained on; "
                "set model.frozen: true, or leave model.head out"
            )
        return None

    def without_output_activation(self) -> StackedAutoencoder:
        if reason := self.why_no_decoder():
            raise NotApplicable(reason)
        first, *others = self.stages
        decoder = without_last_activation(first.decoder)
        return self.model_copy(update={"stages": [first.model_copy(update={"decoder": decoder}), *others]})

    def stage_codes(self, description: Description) -> list[Shape]:
        return [decoder[0].input_shape for _, decoder in self.stage_rows(description)]

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> StackedAutoencoder:
        """The mirrored decoders written out."""
        shape, stages = description.shape, []
        for i, stage in enumerate(self.stages):
            path = ("model", "stages", i)
            encoder = trace(stage.encoder, first_shape(stage.encoder, shape), (*path, "encoder"))
            if not stage.decoder:
                binary = isinstance(training.loss, BinaryCrossentropy)
                last: ActivationName = "sigmoid" if binary else "linear"
                if i:  # it gives back a code, with the activation that made it
                    last = last_activation(self.stages[i - 1].encoder) or "linear"  # type: ignore[assignment]
                layers = mirror(encoder, last, (*path, "encoder"), transposed=stage.tied)
                stage = stage.model_copy(update={"decoder": layers})
            stages.append(stage)
            shape = encoder[-1].output_shape
        return self.model_copy(update={"stages": stages})

    def stage_rows(self, description: Description) -> list[tuple[list[Row], list[Row]]]:
        """The rows of each stage's encoder, k-sparseness included, and of its decoder. Raises Refusal."""
        shape, rows = description.shape, []
        for i, stage in enumerate(self.stages):
            path = ("model", "stages", i)
            encoder_rows, code, decoder_rows = chain(
                stage.encoder, stage.decoder, shape, path, penalized.code_layers(stage), stage.tied
            )
            rows.append((encoder_rows + code, decoder_rows))
            shape = decoder_rows[0].input_shape
        return rows

    def rows(self, description: Description) -> list[Row]:
        """All encoders, all decoders in the reverse order, and the head."""
        stages = self.stage_rows(description)
        encoder_rows = [row for encoder, _ in stages for row in encoder]
        decoder_rows = [row for _, decoder in reversed(stages) for row in decoder]
        return encoder_rows + decoder_rows + self._head(encoder_rows[-1].output_shape)

    def _head(self, code: Shape) -> list[Row]:
        return trace(self.head, code, ("model", "head")) if self.head else []

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where shapes, phases and data do not go together."""
        chained = self.rows(description)
        refuse_class_weights(training)
        phases = stack_phases.named(training, bool(self.head))
        stack_phases.require_head(phases, self.head, self.frozen)
        stack_phases.require_recorded(phases, training, description)
        if self.head:
            _check_head(self.head, chained[-1].output_shape, len(description.classes))
        if isinstance(training.loss, BinaryCrossentropy):
            _require_codes_between_0_and_1(self.stages)
        shape = description.shape
        for i, (stage, (_, decoder)) in enumerate(zip(self.stages, self.stage_rows(description), strict=True)):
            autoencoder.check_penalties(stage, ("model", "stages", i), replace(description, shape=shape))
            shape = decoder[0].input_shape

    def cost_formula(self, training: Training, description: Description) -> str:
        """The cost of each stage, and of the head, as a formula with its numbers."""
        lines = []
        for i, (stage, layers, shape) in enumerate(self._stages(description)):
            terms = autoencoder.cost_terms(stage, training, shape, layers)
            lines.append(f"stage {i}: {autoencoder.cost_formula(stage, terms)}")
        return "\n".join(lines + ([f"head: {formula(self._head_terms(description))}"] if self.head else []))

    def _stages(self, description: Description) -> list[tuple[Stage, list[Row], Shape]]:
        """Each stage with the layers of its encoder and decoder, and the shape of the samples that it gives back."""
        shape, stages = description.shape, []
        for stage, (encoder, decoder) in zip(self.stages, self.stage_rows(description), strict=True):
            stages.append((stage, encoder + decoder, shape))
            shape = decoder[0].input_shape
        return stages

    def _whole(self, description: Description) -> tuple[Stage, list[Row]]:
        """All stages as one autoencoder, fine-tuned without corruption or penalties on its code, and its layers."""
        stages = self.stage_rows(description)
        layers = [row for encoder, _ in stages for row in encoder] + [
            row for _, decoder in stages[::-1] for row in decoder
        ]
        return Stage(encoder=[layer for stage in self.stages for layer in stage.encoder], decoder=[]), layers

    def _classifier(self, description: Description) -> list[Row]:
        """The layers from a sample to its class."""
        encoders = self.encoder_rows(description)
        return encoders + self._head(encoders[-1].output_shape)

    def _head_terms(self, description: Description) -> tuple[Term, ...]:
        data = DataTerm(CategoricalCrossentropy(), "classes", (len(description.classes),), "output")
        return data, LayerPenalties(tuple(self._classifier(description)))

    def build(self, description: Description, seed: int) -> StackNetwork:
        """The Keras models with their initial weights: all of it, each stage, and the head."""
        stages = self.stage_rows(description)
        network = StackNetwork.build(stages, self._head(stages[-1][0][-1].output_shape), seed)
        return autoencoder.compiled_for(network, self.stages)

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """A phase for each stage, one for all of them, one for the head: those that `training.phases` names."""
        phases = stack_phases.named(training, bool(self.head))
        plans = []
        if "pretrain" in phases:
            settings = training.of_phase("pretrain")
            for i, (stage, layers, shape) in enumerate(self._stages(description)):
                terms = autoencoder.cost_terms(stage, settings, shape, layers)
                code = len(stage.encoder) + len(penalized.code_layers(stage))
                plans.append(Plan(f"pretrain_{i}", settings, terms, trained(layers), tuple(layers), code=code))
        if "fine_tune" in phases:
            settings, (whole, layers) = training.of_phase("fine_tune"), self._whole(description)
            terms = autoencoder.cost_terms(whole, settings, description.shape, layers)
            plans.append(Plan("fine_tune", settings, terms, trained(layers), tuple(layers)))
        if "head" in phases:
            layers = self._classifier(description)
            moved = layers[-len(self.head) :] if self.frozen else layers
            terms, labels = self._head_terms(description), stack_phases.labels(phases["head"])
            plans.append(Plan("head", training.of_phase("head"), terms, trained(moved), tuple(layers), labels))
        return plans

    def phases(
        self, training: Training, description: Description, network: StackNetwork, train: Split
    ) -> list[Gradient]:
        """The phases of `plans`."""
        return [self._phase(training, description, network, plan) for plan in self.plans(training, description)]

    def _phase(self, training: Training, description: Description, network: StackNetwork, plan: Plan) -> Gradient:
        if plan.name == "head":
            forward = network.classifying(self.frozen, len(description.classes))
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
        own = network.stages[i]
        forward = autoencoder.passing(stage, own, shape)
        phase = builder.gradient_phase(network, plan, forward, recorded, autoencoder.RECORDED, stage.corruption)
        return replace(phase, prepare=own.inputs) if i else phase

    def cost(self, training: Training, description: Description, network: StackNetwork) -> Cost:
        """What is measured of a batch: the cost of the head, or of the reconstruction."""
        if self.head:
            forward = network.classifying(self.frozen, len(description.classes))
            return Cost(self._head_terms(description), forward, right_or_wrong)
        whole, layers = self._whole(description)
        terms = autoencoder.cost_terms(whole, training, description.shape, layers)
        return autoencoder.cost(whole, terms, network, description.shape)

    def predictions(self, network: StackNetwork, x: Any) -> dict[str, Any]:
        """Of each sample of a batch: its code, its errors, and with a head its probabilities."""
        from keras import ops

        flat = ops.reshape(x, (-1, math.prod(x.shape[1:])))
        codes, r = network.reconstruct(x)
        difference = ops.reshape(r, ops.shape(flat)) - flat
        predicted = {
            "codes": codes,
            "squared_errors": ops.mean(difference**2, axis=1),
            "absolute_errors": ops.mean(ops.abs(difference), axis=1),
        }
        return predicted | ({"probabilities": network.head.probabilities(codes)} if network.head else {})

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        shapes: dict[str, Shape] = {
            "codes": self.stage_codes(description)[-1], "squared_errors": (), "absolute_errors": (),
        }  # fmt: skip
        return shapes | ({"probabilities": (len(description.classes),)} if self.head else {})

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split: of a classifier with a head, else of reconstructions."""
        if self.head:
            losses = arrays["losses"].astype(np.float64) + arrays["penalties"]
            return classification(split.y, arrays["probabilities"], losses, description.classes)
        measured = reconstruction(arrays, split.x, train.x)
        measured["pca_mse"] = pca.error(train.x, split.x, math.prod(arrays["codes"].shape[1:]))
        return {**measured, **code_statistics(arrays, last_activation(self.stages[-1].encoder))}

    def shown_samples(self, split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
        """Which samples' images are kept: the surest mistakes of a classifier, else the first."""
        if "probabilities" in arrays:
            return surest_mistakes(split.y, arrays["probabilities"], most)
        return np.arange(min(most, len(split)))

    def image_outputs(self, network: StackNetwork, x: Any) -> dict[str, Any]:
        """Reconstructions of the shown samples."""
        from keras import ops

        return {"reconstructions": ops.reshape(network.reconstruct(x)[1], ops.shape(x))}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per shown sample of each array in `image_outputs`."""
        return {"reconstructions": description.shape}

    def decoded(self, network: StackNetwork, codes: Any) -> Any:
        if reason := self.why_no_decoder():
            raise NotApplicable(reason)
        return network.decode(codes)

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        """With a head the probabilities, else the reconstructions."""
        if self.head:
            return {"probabilities": graph.chain(self._classifier(description), weights, x, description.shape)}
        codes = self.write_encoder(graph, description, weights, x)
        return {"reconstructions": self.write_decoder(graph, description, weights, codes)}

    def forward_pass(self, description: Description, weights: Weights) -> ForwardPass:
        """With a head to the probabilities, else to the reconstruction; beside it those through the first stages."""
        stages = self.stage_rows(description)
        branches, start = [], 0
        for i, (encoder, _) in enumerate(stages):
            start += len(encoder)
            decoder_rows = [row for _, decoder in stages[i::-1] for row in decoder]
            name = "through stage 1" if i == 0 else f"through stages 1 to {i + 1}"
            branches.append(Branch(name, start, of_rows(decoder_rows, weights)))
        if not self.head:
            return ForwardPass(of_rows(self.rows(description), weights), start, branches[:-1])
        beside = branches if self.why_no_decoder() is None else []
        return ForwardPass(of_rows(self._classifier(description), weights), branches=beside)

    def write_encoder(self, graph: Graph, description: Description, weights: Weights, x: Any) -> Any:
        return graph.chain(self.encoder_rows(description), weights, x, description.shape)

    def write_decoder(self, graph: Graph, description: Description, weights: Weights, codes: Any) -> Any:
        if reason := self.why_no_decoder():
            raise NotApplicable(reason)
        rows = [row for _, decoder in reversed(self.stage_rows(description)) for row in decoder]
        out = graph.chain(rows, weights, codes, rows[0].input_shape)
        return out if rows[-1].output_shape == description.shape else graph.reshaped(out, description.shape)

    def through_stages(self, network: StackNetwork, x: Any) -> list[Any]:
        return network.through_stages(x)


def _check_head(head: Sequence[Layer], output: Shape, classes: int) -> None:
    """Raise Refusal unless its output is a probability of each class."""
    where = ("model", "head", len(head) - 1)
    if classes < 2:
        raise Refusal(("model", "head"), "tells classes apart, and this data has none; leave it out")
    if output != (classes,):
        raise Refusal(where, f"the output is {text(output)}, and there are {classes} classes")
    if last_activation(head) != "softmax":
        raise Refusal(where, "a head is trained by cross-entropy; add activation: softmax to its last layer")


def _require_codes_between_0_and_1(stages: Sequence[Stage]) -> None:
    """Raise Refusal where binary cross-entropy would be that of a code that may lie elsewhere."""
    for i, stage in enumerate(stages[:-1]):
        if not between_0_and_1(stage.encoder):
            where = ("model", "stages", i, "encoder", len(stage.encoder) - 1)
            reason = (
                f"the codes that stage {i + 1} gives back need not lie between 0 and 1, as its binary_crossentropy "
                "takes them; end this encoder in a layer with activation: sigmoid, or choose another loss"
            )
            raise Refusal(where, reason)
