"""The cost of all autoencoders: |r(x + noise) - x|^2 + penalties."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from mlphys.errors import Refusal
from mlphys.networks import penalized
from mlphys.networks.autoencoder_network import AutoencoderNetwork
from mlphys.networks.autoencoder_rows import last_activation
from mlphys.networks.cost import Batch, Cost, DataTerm, LayerPenalties, Term, formula, keras_loss
from mlphys.networks.network import Network
from mlphys.networks.penalties.contraction import DIRECTIONS, dense_contraction, estimates_contraction
from mlphys.numerics.activations import ACTIVATIONS
from mlphys.schema.autoencoding import Corruption, Emphasis
from mlphys.schema.data import Description
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import Shape
from mlphys.schema.layers import Dense, Layer
from mlphys.schema.losses import MeanSquaredError
from mlphys.schema.shapes import Row
from mlphys.schema.training import Training

N = TypeVar("N", bound=Network)


class CostKeys(Protocol):
    """The keys of an autoencoder that decide its cost, beside those of its penalties."""

    @property
    def encoder(self) -> Sequence[Layer]: ...

    @property
    def corruption(self) -> Corruption | None: ...


def check_penalties(spec: CostKeys, path: KeyPath, description: Description) -> None:
    """Raise Refusal for a penalty or a corruption that means nothing for this code or these samples."""
    for penalty in penalized.given(spec):
        penalty.check(spec, path, description)
    if spec.corruption and spec.corruption.occlude and len(description.shape) != 3:
        raise Refusal((*path, "corruption", "occlude"), "cuts squares out of images; these samples are none")


def has_formula(spec: CostKeys) -> bool:
    """Whether |dh/dx|_F^2 is a formula; else it takes automatic differentiation."""
    one_layer = len(spec.encoder) == 1 and isinstance(spec.encoder[0], Dense)
    return not penalized.code_layers(spec) and one_layer and last_activation(spec.encoder) in ACTIVATIONS


def compiled_for(network: N, specs: Iterable[CostKeys]) -> N:
    """The network of these autoencoders, without XLA where a contraction is differentiated automatically: compiling
    that takes minutes."""
    slow = any(penalized.records_jacobian(spec) and not has_formula(spec) for spec in specs)
    return replace(network, compiles_in_xla=network.compiles_in_xla and not slow)


def contraction(spec: CostKeys, network: AutoencoderNetwork) -> Callable[[Any], Any]:
    """The function x -> |dh/dx|_F^2 of each sample: a formula for one Dense layer, else by automatic
    differentiation."""
    if has_formula(spec):
        kernel, activation = network.encoder.layers[-1].kernel, last_activation(spec.encoder)
        return lambda x: dense_contraction(network.encode(x), kernel, activation)
    outputs = math.prod(network.encoder.output_shape[1:])
    from mlphys.networks import autodiff
    from mlphys.networks.layers import simd_conv

    def of_samples(x: Any) -> Any:
        with simd_conv.enabled(0.0):  # the Jacobian is differentiated once more
            return autodiff.contraction(network.encode, network.arranged(x), outputs)

    return of_samples


def cost_terms(spec: CostKeys, training: Training, shape: Shape, rows: Sequence[Row]) -> tuple[Term, ...]:
    """The cost of samples of `shape` that go through the chain `rows`: the loss, and what is added to it."""
    loss, corruption = training.loss or MeanSquaredError(), spec.corruption
    data = DataTerm(loss, "y" if corruption else "x", shape, training.loss_per)
    if corruption and corruption.emphasis:
        data = EmphasizedTerm(data.loss, data.target, shape, training.loss_per, corruption.emphasis)
    penalties = [term for penalty in penalized.given(spec) for term in penalty.terms()]
    return (data, LayerPenalties(tuple(rows)), *penalties)


@dataclass(frozen=True)
class EmphasizedTerm(DataTerm):
    """The loss with weights of the values that the corruption changed, and of the others (Vincent et al. 2010)."""

    emphasis: Emphasis

    def formulas(self) -> list[str]:
        weights = f"times {self.emphasis.corrupted:g} where x was changed, else {self.emphasis.untouched:g}"
        return [f"{text}, {weights}" for text in super().formulas()]

    def each(self, batch: Batch) -> Any:
        from keras import ops

        if not batch.corrupted:
            return super().each(batch)
        losses = keras_loss(self.loss)(batch.target[..., None], batch.prediction[..., None])
        touched = ops.cast(ops.reshape(batch.x, ops.shape(batch.target)) != batch.target, losses.dtype)
        return ops.mean(losses * (self.emphasis.corrupted * touched + self.emphasis.untouched * (1 - touched)), axis=1)


Traverse = Callable[[Any, bool], tuple[Any, Any, Any]]  # x, training -> codes, reconstructions, log variances


def passing(
    spec: CostKeys, network: AutoencoderNetwork, shape: Shape, traverse: Traverse | None = None
) -> Callable[[Any, Any, bool], Batch]:
    """The forward pass of an autoencoder's cost, by the network's own `traverse` or another.

    With corruption, y of the shape of x is the clean samples; else x itself is what r(x) is compared with.
    """
    from keras import ops

    size = math.prod(shape)
    traverse = traverse or network.traverse

    def forward(x: Any, y: Any, training: bool) -> Batch:
        corrupted = spec.corruption is not None and tuple(y.shape[1:]) == tuple(x.shape[1:])
        target = ops.reshape(y if corrupted else x, (-1, size))
        code, r, log_variance = traverse(x, training)
        return Batch(
            x=x,
            y=y,
            training=training,
            target=target,
            prediction=ops.reshape(r, ops.shape(target)),
            code=code,
            log_variance=log_variance,
            penalties=network.model.losses,
            contraction=lambda: contraction(spec, network)(x),
            corrupted=corrupted,
        )

    return forward


def recorded(terms: Sequence[Term]) -> Callable[[Batch, Any, Any], dict[str, Any]]:
    """What is recorded beside the loss: the reconstruction's part of it, and the squared error."""
    from keras import ops

    data = terms[0]
    is_mse = type(data) is DataTerm and isinstance(data.loss, MeanSquaredError)

    def values(batch: Batch, each: Any, losses: Any) -> dict[str, Any]:
        squares = each if is_mse else ops.mean((batch.prediction - batch.target) ** 2, axis=1)
        return {"reconstruction_loss": losses, "mse": squares}

    return values


RECORDED = ("loss", "reconstruction_loss", "mse")


def cost(spec: CostKeys, terms: tuple[Term, ...], network: AutoencoderNetwork, shape: Shape) -> Cost:
    """What an autoencoder of samples of `shape` minimizes."""
    return Cost(terms, passing(spec, network, shape), recorded(terms))


def cost_formula(spec: CostKeys, terms: Sequence[Term]) -> str:
    """The cost with its numbers; p is the reconstruction, t the sample, h the code."""
    notes = [note for penalty in penalized.given(spec) for note in penalty.notes()]
    [shape] = [term.shape for term in terms if isinstance(term, DataTerm)]
    [rows] = [term.rows for term in terms if isinstance(term, LayerPenalties)]
    if penalized.records_jacobian(spec) and not has_formula(spec):
        size = math.prod(rows[len(spec.encoder) - 1].output_shape)
        if estimates_contraction(math.prod(shape), size):
            notes.append(f"sum_ij (dh_j/dx_i)^2: estimated from {DIRECTIONS} random directions v, mean of |v dh/dx|^2")
    if spec.corruption:
        notes.append("p: of the corrupted sample, t: the clean one")
    return "\n    ".join([formula(terms), *notes])
