"""Autoencoders (Rumelhart, Hinton & Williams 1986)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, WrapValidator

from mlphys.errors import NotApplicable, Refusal
from mlphys.networks import autoencoder, builder, penalized
from mlphys.networks.autoencoder import RECORDED
from mlphys.networks.autoencoder_network import AutoencoderNetwork, VariationalNetwork
from mlphys.networks.autoencoder_rows import chain, first_shape, last_activation, without_last_activation
from mlphys.networks.cost import Cost, Term
from mlphys.networks.energies import EnergyForm
from mlphys.networks.model_kind import ModelKind, refuse_class_weights
from mlphys.networks.phases import Gradient, Plan
from mlphys.numerics import pca
from mlphys.numerics.activations import ACTIVATIONS
from mlphys.numerics.chunked import Array
from mlphys.numerics.code_statistics import code_statistics
from mlphys.numerics.metrics import reconstruction
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.data import DataRequirements, Description
from mlphys.schema.fields import ActivationName, Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.layers import Dense, Layer, LayerField, begins_with_sequence
from mlphys.schema.losses import REGRESSION_LOSSES, BinaryCrossentropy, Loss, MeanSquaredError
from mlphys.schema.mirror import mirror
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row, trace, trained
from mlphys.schema.training import Training


def _layers(value: Any, handler: Any) -> Any:
    return MIRROR if value == "mirror" else handler(value)


def _or_mirror(schema: dict[str, Any]) -> None:
    layers = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"const": "mirror"}, layers]


MIRROR: list[Layer] = []  # placeholder until the encoder's shapes are known


class Autoencoder(ModelKind[AutoencoderNetwork]):
    """An encoder and a decoder of any layers; the code between them is compared with PCA's of the same size.

    Samples are flattened for an encoder that begins with Dense. `decoder: mirror` is the encoder
    in reverse, with a last activation sigmoid for binary cross-entropy and linear otherwise. The cost is
    |r(x + corruption) - x|^2 + penalties: `sparsity` of the code, `contraction` |dh/dx|_F^2 (Rifai et al.
    2011), or the divergence of a `variational` code. `tied: true` gives the decoder the encoder's kernels,
    transposed, and biases of its own.
    """

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = REGRESSION_LOSSES
    ONE_CHAIN_TO_COST: ClassVar[bool] = True
    COMPARES_WITH: ClassVar[Literal["x", "y"] | None] = "x"
    RECORDED: ClassVar[tuple[str, ...]] = RECORDED
    PICTURES: ClassVar[tuple[str, ...]] = ("learning_curves", "reconstructions")
    MEASURED: ClassVar[tuple[str, ...]] = (
        "mse", "mae", "psnr", "squared_error", "reconstruction_loss", "loss",
        "mean_image_mse", "pca_mse", "pixel_mse", "pixel_pca_mse",
        "corrupted_mse", "corruption_mse", "corrupted_pca_mse",
        "mean_code", "active_fraction", "population_sparsity", "lifetime_sparsity", "jacobian_norm",
        "saturated_fraction", "mse_gap", "mean_code_loss", "draws", "draw_error",
    )  # fmt: skip

    kind: Literal["autoencoder"]
    encoder: Annotated[list[LayerField], Field(min_length=1)]
    """The layers from the input to the code. Example: [{Dense: {units: 32, activation: sigmoid}}]"""
    decoder: Annotated[list[LayerField], Field(min_length=1, json_schema_extra=_or_mirror), WrapValidator(_layers)]
    """The layers from the code to the output, or mirror. Example: mirror"""
    corruption: Corruption | None = None
    """What is done to the inputs in training, while the targets stay clean; null leaves them as they are. Example:
    {masking: 0.3}
    """
    __annotations__ |= penalized.fields(deterministic=True)  # a key for each such file in networks/penalties/
    tied: bool = False
    """true gives the decoder the encoder's kernels, transposed."""
    __annotations__ |= penalized.fields(deterministic=False)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "autoencoder", "encoder": [{"Dense": {"units": 6, "activation": "relu"}}], "decoder": "mirror"}

    def data_requirements(self) -> DataRequirements:
        return DataRequirements(signals=begins_with_sequence(self.encoder))

    def loss_per(self) -> Literal["output", "sample"]:
        return "sample" if self.normal_code() else "output"

    def input_corruption(self) -> Corruption | None:
        return self.corruption

    def encoder_rows(self, description: Description) -> list[Row]:
        return self.rows(description)[: -len(self.decoder)]

    def why_no_decoder(self) -> None:
        return None

    def normal_code(self) -> bool:
        return penalized.draws_code(self)

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> Autoencoder:
        """The mirrored decoder written out."""
        if self.decoder:
            return self
        last: ActivationName = "sigmoid" if isinstance(training.loss, BinaryCrossentropy) else "linear"
        path = ("model", "encoder")
        if self.normal_code():
            raise Refusal(
                ("model", "decoder"),
                "a variational encoder ends in two numbers for each of the code's; "
                "write the decoder's layers instead of mirror",
            )
        encoder = trace(self.encoder, first_shape(self.encoder, description.shape), path)
        return self.model_copy(update={"decoder": mirror(encoder, last, path, transposed=self.tied)})

    def rows(self, description: Description) -> list[Row]:
        """The layers with their shapes. Raises Refusal where the decoder does not end in the input's shape."""
        path = ("model",)
        encoder, code, decoder = chain(
            self.encoder, self.decoder, description.shape, path, penalized.code_layers(self), self.tied
        )
        return encoder + code + decoder

    def code_shape(self, description: Description) -> Shape:
        return self.rows(description)[-len(self.decoder)].input_shape

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where shapes, or the parts of the cost, do not go together."""
        refuse_class_weights(training)
        autoencoder.check_penalties(self, ("model",), description)
        self.rows(description)
        if self.corruption and description.target_shape == description.shape:
            raise Refusal(("model", "corruption"), "the data has images as targets; train a regressor on them instead")

    def cost_terms(self, training: Training, description: Description) -> tuple[Term, ...]:
        """The reconstruction loss and the penalties."""
        return autoencoder.cost_terms(self, training, description.shape, self.rows(description))

    def cost_formula(self, training: Training, description: Description) -> str:
        """The cost as a formula with its numbers; p is the reconstruction, t the sample."""
        return autoencoder.cost_formula(self, self.cost_terms(training, description))

    def energy_form(self) -> EnergyForm:
        if not self.tied:
            raise NotApplicable("without tied: true r(x) - x is the gradient of nothing")
        layers = [*self.encoder, *self.decoder]
        hidden, output = (layers[0], layers[1]) if len(layers) == 2 else (None, None)
        if not (isinstance(hidden, Dense) and isinstance(output, Dense)):
            raise NotApplicable("the energy is a formula for an encoder of one Dense layer and a decoder of one")
        activation, last = hidden.activation or "linear", output.activation or "linear"
        if activation not in ACTIVATIONS:
            raise NotApplicable(f"no antiderivative of {activation} is known here; only of {', '.join(ACTIVATIONS)}")
        if last not in ("linear", "sigmoid"):
            raise NotApplicable(f"the energy is a formula for an output that is linear or sigmoid; this one is {last}")
        for penalty in penalized.given(self):
            if reason := penalty.why_no_energy():
                raise NotApplicable(f"{'.'.join(map(str, reason.path))}: {reason.text}")
        names = "encoder.0.Dense.kernel", "encoder.0.Dense.bias", "decoder.0.Dense.bias"
        return EnergyForm(*names, activation, last)

    def without_output_activation(self) -> Autoencoder:
        return self.model_copy(update={"decoder": without_last_activation(self.decoder)})

    def linear_planes(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        layers = [*self.encoder, *self.decoder]
        linear = all(isinstance(layer, Dense) and layer.activation in (None, "linear") for layer in layers)
        if penalized.code_layers(self) or not linear:
            return {}

        def product(part: str, count: int) -> np.ndarray:
            kernels = [weights[f"{part}.{i}.Dense.kernel"].astype(np.float64) for i in range(count)]
            return np.linalg.multi_dot(kernels) if count > 1 else kernels[0]

        encoder = product("encoder", len(self.encoder))
        decoder = encoder.T if self.tied else product("decoder", len(self.decoder))
        return {"decoder": decoder, "encoder": encoder.T}

    def build(self, description: Description, seed: int) -> AutoencoderNetwork:
        """The Keras model with its initial weights, and encoder and decoder, which share its layers."""
        rows = self.rows(description)
        whole, encoder, decoder = builder.build(rows, seed), rows[: -len(self.decoder)], rows[-len(self.decoder) :]
        if self.normal_code():
            return VariationalNetwork.drawing(whole, encoder, rows[: len(self.encoder)], decoder)
        return autoencoder.compiled_for(AutoencoderNetwork.of(whole, encoder, decoder), [self])

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """One phase: the gradient of the cost over all weights."""
        chain = tuple(self.rows(description))
        terms, code = self.cost_terms(training, description), len(chain) - len(self.decoder)
        return [Plan("train", training, terms, trained(chain), chain, code=code)]

    def phases(
        self, training: Training, description: Description, network: AutoencoderNetwork, train: Split
    ) -> list[Gradient]:
        """The phase of `plans`."""
        [plan] = self.plans(training, description)
        forward, recorded = autoencoder.passing(self, network, description.shape), autoencoder.recorded(plan.terms)
        return [builder.gradient_phase(network, plan, forward, recorded, self.RECORDED, self.corruption)]

    def cost(self, training: Training, description: Description, network: AutoencoderNetwork) -> Cost:
        """What is measured of a batch: losses and squared error of each sample, and the penalty.

        y is looked at where inputs are corrupted: there it is the clean samples.
        """
        return autoencoder.cost(self, self.cost_terms(training, description), network, description.shape)

    def further_costs(
        self, training: Training, description: Description, network: AutoencoderNetwork
    ) -> dict[str, Cost]:
        """Where the code is drawn, the cost with every code at its mean."""
        if not isinstance(network, VariationalNetwork):
            return {}
        terms, traverse = self.cost_terms(training, description), network.traverse_mean
        forward = autoencoder.passing(self, network, description.shape, traverse)
        return {"mean_code_loss": Cost(terms, forward, autoencoder.recorded(terms))}

    def predictions(self, network: AutoencoderNetwork, x: Any) -> dict[str, Any]:
        """Of each sample of a batch: its code, and its squared and absolute error, means over the values."""
        from keras import ops

        flat = ops.reshape(x, (-1, math.prod(x.shape[1:])))
        codes, r = network.reconstruct(x)
        difference = ops.reshape(r, ops.shape(flat)) - flat
        predicted = {
            "codes": codes,
            "squared_errors": ops.mean(difference**2, axis=1),
            "absolute_errors": ops.mean(ops.abs(difference), axis=1),
        }
        if penalized.records_jacobian(self):
            predicted["jacobian_norms"] = autoencoder.contraction(self, network)(x) ** 0.5
        return predicted

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        shapes: dict[str, Shape] = {"codes": self.code_shape(description), "squared_errors": (), "absolute_errors": ()}
        return {**shapes, "jacobian_norms": ()} if penalized.records_jacobian(self) else shapes

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split, from its per-sample arrays."""
        measured = reconstruction(arrays, split.x, train.x)
        measured["pca_mse"] = pca.error(train.x, split.x, math.prod(self.code_shape(description)))
        return {**measured, **code_statistics(arrays, last_activation(self.encoder))}

    def image_outputs(self, network: AutoencoderNetwork, x: Any) -> dict[str, Any]:
        """Reconstructions of the shown samples."""
        from keras import ops

        return {"reconstructions": ops.reshape(network.reconstruct(x)[1], ops.shape(x))}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per shown sample of each array in `image_outputs`."""
        return {"reconstructions": description.shape}

    def decoded(self, network: AutoencoderNetwork, codes: Any) -> Any:
        return network.decode(codes)

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        """The reconstructions; a drawn code is at its mean."""
        codes = self.write_encoder(graph, description, weights, x)
        return {"reconstructions": self.write_decoder(graph, description, weights, codes)}

    def write_encoder(self, graph: Graph, description: Description, weights: Weights, x: Any) -> Any:
        return graph.chain(self.encoder_rows(description), weights, x, description.shape)

    def write_decoder(self, graph: Graph, description: Description, weights: Weights, codes: Any) -> Any:
        rows = self.rows(description)[-len(self.decoder) :]
        out = graph.chain(rows, weights, codes, rows[0].input_shape)
        return out if rows[-1].output_shape == description.shape else graph.reshaped(out, description.shape)
