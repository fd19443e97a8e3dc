"""Restricted Boltzmann machine (Smolensky 1986), trained by contrastive divergence (Hinton 2002)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal, UserError
from mlphys.models._boltzmann_machine import Bernoulli, Gaussian, MachineNetwork, flat, initial_kernel
from mlphys.networks import builder, tensorflow
from mlphys.networks.cost import Batch, Cost, Term, formula
from mlphys.networks.energies import EnergyForm, Output
from mlphys.networks.forward_pass import ForwardPass, tied_pair
from mlphys.networks.model_kind import ModelKind, refuse_class_weights
from mlphys.networks.phases import Gradient, Plan
from mlphys.numerics import chunked, pca
from mlphys.numerics.chunked import Array
from mlphys.numerics.metrics import reconstruction
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_stderr
from mlphys.schema.data import Description
from mlphys.schema.fields import Count, Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.losses import FreeEnergyDifference, Loss
from mlphys.schema.samples import Split
from mlphys.schema.shapes import LARGEST_NETWORK
from mlphys.schema.spec import Choice
from mlphys.schema.spec import Spec as Block
from mlphys.schema.training import Training

OUTSIDE = 1e-3  # by how much values may leave [0, 1] as rounding does

Steps = Annotated[int, Field(ge=1, le=10_000)]


class CD(Block):
    """Contrastive divergence (Hinton 2002): chains of so many Gibbs steps that start at the samples."""

    shorthand: ClassVar[str] = "steps"

    steps: Steps = 1
    """Gibbs steps of a chain."""


class PCD(Block):
    """Persistent contrastive divergence (Tieleman 2008): chains that continue from batch to batch."""

    shorthand: ClassVar[str] = "steps"

    steps: Steps = 1
    """Gibbs steps for each batch."""
    chains: Count | None = None  # null: as many as a batch has samples
    """The number of chains; null is the batch size. Example: 100"""


class RBM(ModelKind[MachineNetwork]):
    """A restricted Boltzmann machine, p(v, h) ~ exp(b v + c h + v W h): hidden units are 0 or 1, visible ones the data.

    `visible: bernoulli` takes values from 0 to 1 as probabilities, `gaussian` values of variance 1
    (`data.preprocess: [standardize]`). The loss is F(v) - F(v_k), v_k at the end of chains of
    Gibbs steps, `sampling: {CD: 1}` or `{PCD: 15}`: its gradient is that of -log p(v), as far as the
    chains have forgotten where they began. Energies are per sample, whatever `training.loss_per`.
    """

    DEFAULT_LOSS: ClassVar[Loss] = FreeEnergyDifference()
    LOSSES: ClassVar[Collection[str]] = ("FreeEnergyDifference",)
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "pseudo_log_likelihood", "mse")
    PICTURES: ClassVar[tuple[str, ...]] = ("learning_curves", "filters", "reconstructions")
    MEASURED: ClassVar[tuple[str, ...]] = (
        "mse", "mae", "psnr", "squared_error", "pseudo_log_likelihood", "free_energy", "loss",
        "mean_image_mse", "pca_mse", "pixel_mse", "pixel_pca_mse", "mse_gap",
    )  # fmt: skip

    DRAWS_SAMPLES: ClassVar[bool] = True

    kind: Literal["rbm"]
    hidden: Count
    """The number of hidden units. Example: 100"""
    visible: Literal["bernoulli", "gaussian"] = "bernoulli"
    """The distribution of the visible units: values from 0 to 1, or standardized ones."""
    sampling: Annotated[CD | PCD, Choice("sampling", {"CD": CD, "PCD": PCD})] = CD()
    """How the model's samples are drawn in training. Example: {CD: 1}"""

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "rbm", "hidden": 6, "sampling": {"PCD": 1}}

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> RBM:
        """As many persistent chains as a batch has samples, where the config leaves it open."""
        if not isinstance(self.sampling, PCD) or self.sampling.chains is not None:
            return self
        size = (
            description.samples if training.batch_size == "all" else min(int(training.batch_size), description.samples)
        )
        return self.model_copy(update={"sampling": PCD(steps=self.sampling.steps, chains=size)})

    def weight_shapes(self, description: Description) -> dict[str, Shape]:
        """Shapes by name."""
        values = math.prod(description.shape)
        return {"rbm.kernel": (values, self.hidden), "rbm.visible_bias": (values,), "rbm.hidden_bias": (self.hidden,)}

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal for machines and chains too large, and for what a Gaussian machine cannot be stopped by."""
        refuse_class_weights(training)
        values = math.prod(description.shape)
        if values * self.hidden > LARGEST_NETWORK:
            text = f"{values} x {self.hidden} weights are more than {LARGEST_NETWORK}; use fewer hidden units"
            raise Refusal(("model", "hidden"), text)
        if isinstance(self.sampling, PCD) and values * (self.sampling.chains or 1) > LARGEST_NETWORK:
            text = f"{self.sampling.chains} chains of {values} values are more than {LARGEST_NETWORK}; use fewer"
            raise Refusal(("model", "sampling", "PCD", "chains"), text)
        for key, monitor in training.monitors().items():
            if self.visible == "gaussian" and "pseudo_log_likelihood" in monitor:
                text = "a gaussian machine has no pseudo-likelihood in closed form; monitor validation_mse"
                raise Refusal(("training", key, "monitor"), text)

    def cost_terms(self, training: Training, description: Description) -> tuple[Term, ...]:
        """The difference of free energies."""
        return (Divergence(self, math.prod(description.shape)),)

    def cost_formula(self, training: Training, description: Description) -> str:
        """The loss and the free energy as formulas with their numbers."""
        return formula(self.cost_terms(training, description))

    def build(self, description: Description, seed: int) -> MachineNetwork:
        """The machine with its initial weights, and its persistent chains, which start at zeros."""
        tensorflow.start()
        import keras

        shapes = self.weight_shapes(description)
        kernel = initial_kernel(self.visible, shapes["rbm.kernel"], rng(seed, "initial weights/rbm.kernel"))
        arrays = [kernel, *(np.zeros(shapes[f"rbm.{name}"], np.float32) for name in ("visible_bias", "hidden_bias"))]
        variables = dict(zip(shapes, (keras.Variable(array) for array in arrays), strict=True))
        sampling, values = self.sampling, math.prod(description.shape)
        chains = None
        if isinstance(sampling, PCD):
            chains = keras.Variable(np.zeros((sampling.chains or 1, values), np.float32), trainable=False)
        generator = keras.random.SeedGenerator(0)
        machine = (Gaussian if self.visible == "gaussian" else Bernoulli)(
            kernel=variables["rbm.kernel"],
            visible_bias=variables["rbm.visible_bias"],
            hidden_bias=variables["rbm.hidden_bias"],
            seed=generator,
            steps=sampling.steps,
            chains=chains,
        )
        return MachineNetwork(
            machine=machine,
            weights=variables,
            seeds={"rbm": generator.state},
            state={} if chains is None else {"rbm.chains": chains},
            compiles_in_xla=False,  # ten times slower there: its random numbers
            evaluated_at_once=min(1000, max(1, builder.LARGEST_OUTPUT // max(values, self.hidden))),
        )

    def unit_kernel(self) -> str:
        return "rbm.kernel"

    def energy_form(self) -> EnergyForm:
        output: Output = "sigmoid" if self.visible == "bernoulli" else "linear"
        return EnergyForm("rbm.kernel", "rbm.hidden_bias", "rbm.visible_bias", "sigmoid", output)

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """One phase: the gradient of F(v) - F(v_k)."""
        names = tuple(self.weight_shapes(description))
        return [Plan("train", training, self.cost_terms(training, description), names)]

    def check_samples(self, train: Split) -> None:
        if self.visible != "bernoulli":
            return
        lowest, highest = chunked.extremes(train.x)
        low, high = float(lowest.min()), float(highest.max())
        if low >= -OUTSIDE and high <= 1 + OUTSIDE:
            return
        spins = "save spins as (x + 1) / 2" if (low, high) == (-1, 1) else "bring them there (data.scale divides them)"
        raise UserError(
            f"model.visible: bernoulli takes values from 0 to 1, the training samples have {low:.3g} to {high:.3g}; "
            f"{spins}, or write visible: gaussian and preprocess: [standardize]"
        )

    def phases(
        self, training: Training, description: Description, network: MachineNetwork, train: Split
    ) -> list[Gradient]:
        """The phase of `plans`. Raises UserError for samples that are no probabilities."""
        self.check_samples(train)
        metrics = self.RECORDED if self.visible == "bernoulli" else ("loss", "mse")
        [plan] = self.plans(training, description)
        return [builder.gradient_phase(network, plan, _sampling(network), _measured, metrics)]

    def cost(self, training: Training, description: Description, network: MachineNetwork) -> Cost:
        """What is measured of a batch: F(v) - F(v_k) and the other recorded values of each sample."""
        return Cost(self.cost_terms(training, description), _sampling(network), _measured)

    def predictions(self, network: MachineNetwork, x: Any) -> dict[str, Any]:
        """Of each sample of a batch: p(h|v), the errors of its mean-field reconstruction, and its free energy.

        With visible units of 0 and 1 also its pseudo-log-likelihood.
        """
        from keras import ops

        machine = network.machine
        v = flat(x)
        difference = machine.mean_field(v) - v
        predicted = {
            "codes": machine.hidden(v),
            "squared_errors": ops.mean(difference**2, axis=1),
            "absolute_errors": ops.mean(ops.abs(difference), axis=1),
            "free_energies": machine.free_energy(v),
        }
        if isinstance(machine, Bernoulli):
            predicted["pseudo_log_likelihoods"] = machine.pseudo_log_likelihood(v)
        return predicted

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        shapes: dict[str, Shape] = {
            "codes": (self.hidden,),
            "squared_errors": (),
            "absolute_errors": (),
            "free_energies": (),
        }
        return shapes | ({"pseudo_log_likelihoods": ()} if self.visible == "bernoulli" else {})

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split.

        A free energy has no zero of its own; its difference between two splits shows overfitting (Hinton 2012).
        """
        measured = reconstruction(arrays, split.x, train.x)
        del (
            measured["reconstruction_loss"],
            measured["reconstruction_loss_stderr"],
        )  # the loss is no error of a reconstruction
        for name, array in (
            ("pseudo_log_likelihood", "pseudo_log_likelihoods"),
            ("free_energy", "free_energies"),
        ):
            if array in arrays:
                values = arrays[array].astype(np.float64)
                measured |= {name: float(values.mean()), f"{name}_stderr": mean_stderr(values)}
        return {**measured, "pca_mse": pca.error(train.x, split.x, self.hidden)}

    def image_outputs(self, network: MachineNetwork, x: Any) -> dict[str, Any]:
        """Reconstructions of the shown samples."""
        from keras import ops

        return {"reconstructions": ops.reshape(network.machine.mean_field(flat(x)), ops.shape(x))}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per shown sample of each array in `image_outputs`."""
        return {"reconstructions": description.shape}

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        """The mean-field reconstructions and the free energies."""
        v = graph.reshaped(x, weights["rbm.visible_bias"].shape)
        field = graph.dense(v, weights["rbm.kernel"], weights["rbm.hidden_bias"])
        mean = graph.dense(graph.activation(field, "sigmoid"), weights["rbm.kernel"].T, weights["rbm.visible_bias"])
        bias = weights["rbm.visible_bias"]
        if self.visible == "bernoulli":
            mean, below = graph.activation(mean, "sigmoid"), graph.dense(v, -bias[:, None])
        else:
            centred = graph.standardized(v, bias, np.ones_like(bias))
            below = graph.scaled(graph.sum(centred * centred), 0.5, 0.0)
        free = graph.reshaped(below - graph.sum(graph.softplus(field)), ())
        return {"reconstructions": graph.reshaped(mean, description.shape), "free_energies": free}

    def write_encoder(self, graph: Graph, description: Description, weights: Weights, x: Any) -> Any:
        """p(h = 1 | v)."""
        v = graph.reshaped(x, weights["rbm.visible_bias"].shape)
        return graph.activation(graph.dense(v, weights["rbm.kernel"], weights["rbm.hidden_bias"]), "sigmoid")

    def forward_pass(self, description: Description, weights: Weights) -> ForwardPass:
        form = self.energy_form()
        hidden = "hidden units", form.activation, weights[form.hidden_bias]
        visible = "visible units", form.output, weights[form.visible_bias]
        return tied_pair(weights[form.kernel], hidden, visible)

    def sampled(self, network: MachineNetwork, x: Any, lines: int, every: int) -> Any:
        return network.machine.sampled(x, lines, every)


@dataclass(frozen=True)
class Divergence(Term):
    """F(v) - F(v_k), v_k at the end of chains that start at the samples or, in training, of persistent ones."""

    spec: RBM
    values: int

    def formulas(self) -> list[str]:
        visible = "|v - b|^2 / 2" if self.spec.visible == "gaussian" else "-b v"
        sampling = self.spec.sampling
        chains = f"{sampling.chains} persistent chains" if isinstance(sampling, PCD) else "chains that start at v"
        hidden = f"sum_j log(1 + exp(c_j + v W_j)), j = 1 ... {self.spec.hidden}"
        return [
            f"F(v) - F(v_k), v_k after k = {sampling.steps} Gibbs steps of {chains}\n"
            f"    F(v) = {visible} - {hidden}, v of {self.values} values"
        ]

    def each(self, batch: Batch) -> Any:
        return batch.prediction - batch.target


def _sampling(network: MachineNetwork) -> Callable[[Any, Any, bool], Batch]:
    """The way of a batch: free energies as predictions, those at the ends of chains as what they are compared with.

    Chains start at the samples when measuring, where there are no persistent ones; y is not looked at.
    """
    from keras import ops

    machine = network.machine

    def forward(x: Any, y: Any, training: bool) -> Batch:
        v = flat(x)
        measured = {"mse": ops.mean((machine.mean_field(v) - v) ** 2, axis=1)}
        if isinstance(machine, Bernoulli):
            measured["pseudo_log_likelihood"] = machine.drawn_pseudo_log_likelihood(v)
        if training and machine.chains is not None:
            end = machine.gibbs(machine.chains.value, machine.steps)
            machine.chains.assign(end)
            opposed = ops.mean(machine.free_energy(ops.stop_gradient(end)))
        else:
            opposed = machine.free_energy(ops.stop_gradient(machine.gibbs(v, machine.steps)))
        return Batch(x, y, training, opposed, machine.free_energy(v), measured=measured)

    return forward


def _measured(batch: Batch, each: Any, losses: Any) -> Mapping[str, Any]:
    return batch.measured
