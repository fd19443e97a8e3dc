"""What all autoencoders share: the chain of layers, the code, the cost |r(x + noise) - x|^2 + penalties."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from mlphys.networks import builder, penalties
from mlphys.networks import formulas as costs
from mlphys.networks.phases import Network, Plain
from mlphys.schema.autoencoding import CodeMean, Corruption, KSparse, Sparsity, Variational
from mlphys.schema.data import Description
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import Shape
from mlphys.schema.layers import (
    ELU,
    Activation,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Weighted,
    text,
)
from mlphys.schema.losses import MeanSquaredError
from mlphys.schema.messages import Misfit
from mlphys.schema.shapes import Row, trace
from mlphys.schema.training import Training


class Autoencoder(Protocol):
    """The keys that decide the cost."""

    encoder: Sequence[Layer]
    corruption: Corruption | None
    sparsity: Sparsity | None
    contraction: float
    variational: Variational | None


def first_shape(encoder: Sequence[Layer], shape: Shape) -> Shape:
    """A sample's shape as the encoder takes it: in one row if it begins with Dense."""
    return (math.prod(shape),) if isinstance(encoder[0], Dense) else shape


def chain(
    encoder: Sequence[Layer],
    decoder: Sequence[Layer],
    shape: Shape,
    path: KeyPath,
    sparsity: Sparsity | None,
    variational: Variational | None,
    tied: bool,
) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows of the encoder, of what makes its output the code, and of the decoder, for samples of `shape`.

    Raises Misfit where they do not fit, or the decoder does not end in the input's shape.
    """
    there = trace(encoder, first_shape(encoder, shape), (*path, "encoder"))
    between: list[Layer] = [CodeMean()] if variational else []
    if sparsity and sparsity.k:
        between.append(KSparse(k=sparsity.k))
    try:
        code = trace(between, there[-1].output_shape, (*path, "code"))
    except Misfit as misfit:
        raise Misfit((*path, "encoder"), misfit.text) from None
    back = trace(decoder, (code or there)[-1].output_shape, (*path, "decoder"))
    out = back[-1].output_shape
    if out not in (shape, (math.prod(shape),)):
        last = (*path, "decoder", len(back) - 1, type(back[-1].layer).__name__)
        ends = f"the decoder ends in {text(out)}; it must end in the input's {text(shape)}, or in {math.prod(shape)}"
        raise Misfit(last, ends)
    return there, code, _tied(there, back, path) if tied else back


WITHOUT_KERNEL = (Flatten, Reshape, Activation, ReLU, LeakyReLU, ELU, Dropout, GaussianDropout, GaussianNoise)


def _tied(encoder: Sequence[Row], decoder: Sequence[Row], path: KeyPath) -> list[Row]:
    """The decoder's rows, each with a kernel tied to the encoder's that it undoes, in reverse order."""
    plain = (Dense, Conv2D, Conv2DTranspose, *WITHOUT_KERNEL)
    for part, rows in (("encoder", encoder), ("decoder", decoder)):
        for i, row in enumerate(rows):
            if not isinstance(row.layer, plain):
                name = type(row.layer).__name__
                raise Misfit((*path, part, i, name), f"tied weights have no transpose of {name}; leave it or tied out")
    sources = [row for row in reversed(encoder) if isinstance(row.layer, Weighted)]
    taken = [row for row in decoder if isinstance(row.layer, Weighted)]
    if len(sources) != len(taken):
        raise Misfit(
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
        raise Misfit(where, f"does not undo {source.name}, to whose weights it would be tied{instead}")
    assert isinstance(row.layer, Weighted)
    assert isinstance(source.layer, Weighted)
    if isinstance(source.layer, Conv2D) and max(source.layer.dilation_rate) > 1:
        raise Misfit(where, f"{source.name} is dilated, and a transposed convolution is not; leave dilation_rate out")
    own, other = row.layer.kernel(row.input_shape), source.layer.kernel(source.input_shape)
    if own != (other[::-1] if len(other) == 2 else other):
        raise Misfit(where, f"its kernel {text(own)} is not the transpose of {source.name}'s {text(other)}")
    for key in ("kernel_initializer", "kernel_regularizer"):
        if getattr(row.layer, key) != type(row.layer).model_fields[key].default:
            raise Misfit((*where, key), f"has no kernel of its own: its weights are those of {source.name}")
    return replace(row, tied_to=source.name)


def last_activation(encoder: Sequence[Layer]) -> str:
    """The activation in which an encoder ends; "" where its last layer has none to name."""
    last = encoder[-1]
    if isinstance(last, Activation | Weighted):
        return last.activation or "linear"
    return ""


def between_0_and_1(encoder: Sequence[Layer]) -> bool:
    return last_activation(encoder) in ("sigmoid", "hard_sigmoid", "softmax")


def check_penalties(spec: Autoencoder, path: KeyPath, description: Description) -> None:
    """Raise Misfit for a penalty or a corruption that means nothing for this code or these samples."""
    if spec.sparsity and spec.sparsity.kl and not between_0_and_1(spec.encoder):
        raise Misfit(
            (*path, "sparsity", "kl"),
            "compares activities between 0 and 1 with a target; end the encoder in a layer with activation: sigmoid",
        )
    if spec.corruption and spec.corruption.occlude and len(description.shape) != 3:
        raise Misfit((*path, "corruption", "occlude"), "cuts squares out of images; these samples are none")


def with_noise(network: Network) -> Network:
    """The network with a source of random numbers for its code."""
    import keras

    generator = keras.random.SeedGenerator(0)
    return replace(network, noise=generator, seeds={**network.seeds, "code": generator.state})


def contraction(spec: Autoencoder, network: Network) -> Callable[[Any], Any]:
    """The function x -> |dh/dx|_F^2 of each sample: a formula for one Dense layer, else by automatic
    differentiation."""
    encoder, activation = spec.encoder, last_activation(spec.encoder)
    whole = spec.sparsity is None or spec.sparsity.k is None
    if whole and len(encoder) == 1 and isinstance(encoder[0], Dense) and activation in penalties.DERIVATIVES:
        kernel = network.parts["encoder"].layers[-1].kernel
        return lambda x: penalties.dense_contraction(network.parts["encoder"](x), kernel, activation)
    from mlphys.networks import autodiff
    from mlphys.networks.layers import simd_conv

    def of_samples(x: Any) -> Any:
        with simd_conv.used(0.0):  # the Jacobian is differentiated once more
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


def cost_terms(spec: Autoencoder, training: Training, description: Description, network: Network) -> Any:
    """The function (x, y, training) -> (losses and squared error of each sample, penalty).

    With corruption, y of the shape of x is the clean samples; else x itself is what r(x) is held against.
    """
    from keras import ops

    loss = builder.loss(training.loss or MeanSquaredError())
    size = math.prod(description.shape)
    weight = size if training.loss_per == "sample" else 1
    emphasis = spec.corruption.emphasis if spec.corruption else None
    is_mse = isinstance(training.loss or MeanSquaredError(), MeanSquaredError) and not emphasis
    contracted = contraction(spec, network) if spec.contraction else None

    def batch_terms(x: Any, y: Any, training: bool) -> tuple[dict[str, Any], Any]:
        corrupted = spec.corruption is not None and tuple(y.shape[1:]) == tuple(x.shape[1:])
        clean = y if corrupted else x
        flat = ops.reshape(clean, (-1, size))
        penalty = 0.0
        if spec.variational:
            codes, r, divergence = _drawn(network, x, training)
            penalty += spec.variational.beta * ops.mean(divergence)
        else:
            codes, r = reconstructed(network, x, training)
        r = ops.reshape(r, ops.shape(flat))
        if emphasis and corrupted:
            each = loss(flat[..., None], r[..., None])
            touched = ops.cast(ops.reshape(x, (-1, size)) != flat, each.dtype)
            losses = ops.mean(each * (emphasis.corrupted * touched + emphasis.untouched * (1 - touched)), axis=1)
        else:
            losses = loss(flat, r)
        penalty += sum(network.model.losses)
        if spec.sparsity and spec.sparsity.l1:
            penalty += spec.sparsity.l1 * ops.mean(penalties.l1(codes))
        if spec.sparsity and spec.sparsity.kl:
            penalty += penalties.kl_sparsity(codes, spec.sparsity.kl)
        if contracted:
            penalty += spec.contraction * ops.mean(contracted(_as_seen(network, x)))
        squares = losses if is_mse else ops.mean((r - flat) ** 2, axis=1)
        losses = weight * losses
        return {"loss": losses, "reconstruction_loss": losses, "mse": squares}, penalty

    return batch_terms


def plain(spec: Autoencoder, rows: Sequence[Row], training: Training, shape: Shape) -> Plain | None:
    """The cost of samples of `shape` as data; None: there are penalties, or errors weigh differently."""
    corruption, sparsity = spec.corruption, spec.sparsity
    penalized = spec.contraction or spec.variational or (sparsity and (sparsity.l1 or sparsity.kl))
    if penalized or (corruption and corruption.emphasis):
        return None
    weight = math.prod(shape) if training.loss_per == "sample" else 1
    return Plain(rows, training.loss or MeanSquaredError(), "y" if corruption else "x", weight)


def separable(spec: Autoencoder) -> bool:
    """Whether the cost of a batch is the mean of its parts': a divergence of mean activities is not."""
    return not (spec.sparsity and spec.sparsity.kl)


def _drawn(network: Network, x: Any, training: bool) -> tuple[Any, Any, Any]:
    """Means of the codes of x, reconstructions of codes drawn around them, and each sample's divergence."""
    import keras
    from keras import ops

    statistics = network.parts["statistics"](_as_seen(network, x), training=training)
    means, log_variances = ops.split(statistics, 2, axis=1)
    codes = means
    if training:
        codes = means + ops.exp(0.5 * log_variances) * keras.random.normal(ops.shape(means), seed=network.noise)
    return means, network.parts["decoder"](codes, training=training), penalties.normal_divergence(means, log_variances)


def formula(spec: Autoencoder, training: Training, description: Description, rows: Sequence[Row]) -> str:
    """The cost with its numbers; p is the reconstruction, t the sample, h the code."""
    loss, per = training.loss or MeanSquaredError(), training.loss_per or "output"
    terms = [costs.formula(loss, per, description.shape, rows)]
    if spec.variational:
        terms.append(f"{spec.variational.beta:g} x 1/2 sum_j m_j^2 + s_j^2 - 1 - log s_j^2, h_j from N(m_j, s_j^2)")
    if spec.sparsity and spec.sparsity.l1:
        terms.append(f"{spec.sparsity.l1:g} sum_j |h_j|")
    if spec.sparsity and spec.sparsity.kl:
        kl = spec.sparsity.kl
        terms.append(f"{kl.weight:g} sum_j KL({kl.target:g} || mean of h_j over the batch)")
    if spec.contraction:
        terms.append(f"{spec.contraction:g} sum_ij (dh_j/dx_i)^2")
    lines = "\n    + ".join(terms)
    notes = (
        [f"h: the {spec.sparsity.k} largest of its values, the others zero"]
        if (spec.sparsity and spec.sparsity.k)
        else []
    )
    if spec.corruption:
        notes.append("p: of the corrupted sample, t: the clean one")
    return "\n    ".join([lines, *notes])
