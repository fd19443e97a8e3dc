"""What all autoencoders share: the chain of layers, the code, the cost |r(x + noise) - x|^2 + penalties."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mlphys.errors import Refusal
from mlphys.networks import penalized
from mlphys.networks.cost import Batch, Cost, DataTerm, LayerPenalties, Term, formula, keras_loss
from mlphys.networks.penalties.contraction import DERIVATIVES, Contraction, dense_contraction
from mlphys.networks.penalty import Penalty
from mlphys.networks.phases import Network
from mlphys.schema.autoencoding import Corruption, Emphasis
from mlphys.schema.data import Description
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import Shape
from mlphys.schema.layers import (
    ELU,
    Activation,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Weighted,
    text,
)
from mlphys.schema.losses import MeanSquaredError
from mlphys.schema.shapes import Row, last_activation, trace
from mlphys.schema.training import Training


class CostKeys(Protocol):
    """The keys of an autoencoder that decide its cost, beside those of its penalties."""

    @property
    def encoder(self) -> Sequence[Layer]: ...

    @property
    def corruption(self) -> Corruption | None: ...


def first_shape(encoder: Sequence[Layer], shape: Shape) -> Shape:
    """A sample's shape as the encoder takes it: in one row if it begins with Dense."""
    return (math.prod(shape),) if isinstance(encoder[0], Dense) else shape


def chain(
    encoder: Sequence[Layer],
    decoder: Sequence[Layer],
    shape: Shape,
    path: KeyPath,
    penalties: Sequence[Penalty],
    tied: bool,
) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows of the encoder, of what makes its output the code, and of the decoder, for samples of `shape`.

    Raises Refusal where they do not fit, or the decoder does not end in the input's shape.
    """
    there = trace(encoder, first_shape(encoder, shape), (*path, "encoder"))
    try:
        code = trace(penalized.layers(penalties), there[-1].output_shape, (*path, "code"))
    except Refusal as refusal:
        raise Refusal((*path, "encoder"), refusal.text) from None
    back = trace(decoder, (code or there)[-1].output_shape, (*path, "decoder"))
    out = back[-1].output_shape
    if out not in (shape, (math.prod(shape),)):
        last = (*path, "decoder", len(back) - 1, type(back[-1].layer).__name__)
        ends = f"the decoder ends in {text(out)}; it must end in the input's {text(shape)}, or in {math.prod(shape)}"
        raise Refusal(last, ends)
    return there, code, _tied(there, back, path) if tied else back


WITHOUT_KERNEL = (Flatten, Reshape, Activation, ReLU, LeakyReLU, ELU)  # beside layers that act in training only


def _tied(encoder: Sequence[Row], decoder: Sequence[Row], path: KeyPath) -> list[Row]:
    """The decoder's rows, each with a kernel tied to the encoder's that it undoes, in reverse order."""
    plain = (Dense, Conv2D, Conv2DTranspose, *WITHOUT_KERNEL)
    for part, rows in (("encoder", encoder), ("decoder", decoder)):
        for i, row in enumerate(rows):
            if not (isinstance(row.layer, plain) or row.layer.only_in_training):
                name = type(row.layer).__name__
                raise Refusal((*path, part, i, name), f"tied weights have no transpose of {name}; leave it or tied out")
    sources = [row for row in reversed(encoder) if isinstance(row.layer, Weighted)]
    taken = [row for row in decoder if isinstance(row.layer, Weighted)]
    if len(sources) != len(taken):
        raise Refusal(
            (*path, "tied"), f"{len(taken)} decoder layers with weights for {len(sources)} of the encoder; "
            "they must be as many, or decoder: mirror"
        )  # fmt: skip
    tied = {row.name: source for row, source in zip(taken, sources, strict=True)}
    return [_tied_row(row, tied[row.name], path) if row.name in tied else row for row in decoder]


def _tied_row(row: Row, source: Row, path: KeyPath) -> Row:
    where = (*path, "decoder", int(row.name.split(".")[-2]), type(row.layer).__name__)
    wanted = {Dense: Dense, Conv2D: Conv2DTranspose}.get(type(source.layer))
    if wanted is None or not isinstance(row.layer, wanted):
        instead = f"; write {wanted.__name__}" if wanted else ""
        raise Refusal(where, f"does not undo {source.name}, to whose weights it would be tied{instead}")
    assert isinstance(row.layer, Weighted)
    assert isinstance(source.layer, Weighted)
    if isinstance(source.layer, Conv2D) and max(source.layer.dilation_rate) > 1:
        raise Refusal(where, f"{source.name} is dilated, and a transposed convolution is not; leave dilation_rate out")
    own, other = row.layer.kernel(row.input_shape), source.layer.kernel(source.input_shape)
    if own != (other[::-1] if len(other) == 2 else other):
        raise Refusal(where, f"its kernel {text(own)} is not the transpose of {source.name}'s {text(other)}")
    for key in ("kernel_initializer", "kernel_regularizer"):
        if getattr(row.layer, key) != type(row.layer).model_fields[key].default:
            raise Refusal((*where, key), f"has no kernel of its own: its weights are those of {source.name}")
    return replace(row, tied_to=source.name)


def check_penalties(spec: CostKeys, path: KeyPath, description: Description) -> None:
    """Raise Refusal for a penalty or a corruption that means nothing for this code or these samples."""
    for each in penalized.given(spec):
        each.check(spec, path, description)
    if spec.corruption and spec.corruption.occlude and len(description.shape) != 3:
        raise Refusal((*path, "corruption", "occlude"), "cuts squares out of images; these samples are none")


def with_noise(network: Network) -> Network:
    """The network with a source of random numbers for its code."""
    import keras

    generator = keras.random.SeedGenerator(0)
    return replace(network, noise=generator, seeds={**network.seeds, "code": generator.state})


def contraction(spec: CostKeys, network: Network) -> Callable[[Any], Any]:
    """The function x -> |dh/dx|_F^2 of each sample: a formula for one Dense layer, else by automatic
    differentiation."""
    encoder, activation = spec.encoder, last_activation(spec.encoder)
    whole = not penalized.layers(penalized.given(spec))
    if whole and len(encoder) == 1 and isinstance(encoder[0], Dense) and activation in DERIVATIVES:
        kernel = network.parts["encoder"].layers[-1].kernel
        return lambda x: dense_contraction(network.parts["encoder"](x), kernel, activation)
    from mlphys.networks import autodiff
    from mlphys.networks.layers import simd_conv

    def of_samples(x: Any) -> Any:
        with simd_conv.enabled(0.0):  # the Jacobian is differentiated once more
            return autodiff.contraction(lambda points: network.parts["encoder"](points, training=False), x)

    return of_samples


def reconstructed(network: Network, x: Any, training: bool = False) -> tuple[Any, Any]:
    """The codes of samples x, and r(x) of the shape in which the decoder ends; without noise."""
    codes = network.parts["encoder"](_as_seen(network, x), training=training)
    return codes, network.parts["decoder"](codes, training=training)


def _as_seen(network: Network, x: Any) -> Any:
    """Samples x in the shape that the network takes; x itself where it has it."""
    from keras import ops

    shape = network.model.input_shape[1:]
    return x if tuple(x.shape[1:]) == shape else ops.reshape(x, (-1, *shape))


def cost_terms(spec: CostKeys, training: Training, shape: Shape, rows: Sequence[Row]) -> tuple[Term, ...]:
    """The cost of samples of `shape` that go through the chain `rows`: the loss, and what is added to it."""
    loss, corruption = training.loss or MeanSquaredError(), spec.corruption
    data = DataTerm(loss, "y" if corruption else "x", shape, training.loss_per)
    if corruption and corruption.emphasis:
        data = EmphasizedTerm(data.loss, data.target, shape, training.loss_per, corruption.emphasis)
    terms: list[Term] = [data, LayerPenalties(tuple(rows))]
    return (*terms, *(term for each in penalized.given(spec) for term in each.terms()))


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


def passing(spec: CostKeys, network: Network, shape: Shape) -> Callable[[Any, Any, bool], Batch]:
    """The way of a batch through an autoencoder; `forward` of its cost.

    With corruption, y of the shape of x is the clean samples; else x itself is what r(x) is compared with.
    """
    from keras import ops

    size, drawn = math.prod(shape), not all(each.deterministic for each in penalized.given(spec))
    contracted = contraction(spec, network) if Contraction.of(spec) else None

    def forward(x: Any, y: Any, training: bool) -> Batch:
        corrupted = spec.corruption is not None and tuple(y.shape[1:]) == tuple(x.shape[1:])
        target = ops.reshape(y if corrupted else x, (-1, size))
        log_variance = None
        if drawn:
            code, r, log_variance = _drawn(network, x, training)
        else:
            code, r = reconstructed(network, x, training)
        return Batch(
            x=x,
            y=y,
            training=training,
            target=target,
            prediction=ops.reshape(r, ops.shape(target)),
            code=code,
            log_variance=log_variance,
            penalties=network.model.losses,
            contraction=(lambda: contracted(_as_seen(network, x))) if contracted else None,
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


def cost(spec: CostKeys, terms: tuple[Term, ...], network: Network, shape: Shape) -> Cost:
    """What an autoencoder of samples of `shape` minimizes."""
    return Cost(terms, passing(spec, network, shape), recorded(terms))


def _drawn(network: Network, x: Any, training: bool) -> tuple[Any, Any, Any]:
    """Means of the codes of x, reconstructions of codes drawn around them in training, and log variances."""
    import keras
    from keras import ops

    statistics = network.parts["statistics"](_as_seen(network, x), training=training)
    means, log_variances = ops.split(statistics, 2, axis=1)
    codes = means
    if training:
        codes = means + ops.exp(0.5 * log_variances) * keras.random.normal(ops.shape(means), seed=network.noise)
    return means, network.parts["decoder"](codes, training=training), log_variances


def cost_formula(spec: CostKeys, terms: Iterable[Term]) -> str:
    """The cost with its numbers; p is the reconstruction, t the sample, h the code."""
    notes = [note for each in penalized.given(spec) for note in each.notes()]
    if spec.corruption:
        notes.append("p: of the corrupted sample, t: the clean one")
    return "\n    ".join([formula(terms), *notes])
