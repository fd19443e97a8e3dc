"""The blocks of an autoencoder beside encoder and decoder: corruption, sparsity, contraction, variational, stages."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from mlphys.errors import Refusal
from mlphys.schema.fields import Count, Fraction, NotNegative, Positive, Shape, low_first
from mlphys.schema.layers import Layer, LayerField, text
from mlphys.schema.spec import Spec

Clip = Annotated[tuple[float, float], BeforeValidator(low_first)]


class Gaussian(Spec):
    """N(0, stddev^2) is added to every value."""

    stddev: Positive
    """The standard deviation of the noise. Example: 0.3"""


class Occlusion(Spec):
    """`count` squares of `size` x `size` pixels at random places are set to zero."""

    size: Count
    """The side of a square, in pixels. Example: 8"""
    count: Count = 1
    """How many squares."""


class Emphasis(Spec):
    """Weights of the errors of values that the corruption changed, and of the others (Vincent et al. 2010)."""

    corrupted: NotNegative = 1.0
    """The weight of the errors of corrupted values."""
    untouched: NotNegative = 1.0
    """The weight of the errors of the other values."""


class Corruption(Spec):
    """Corruption of the inputs of a denoising autoencoder (Vincent et al. 2008); the targets stay clean.

    One of GaussianNoise, `masking` (the fraction of values that are set to zero), `salt_and_pepper`
    (the fraction that is set to 0 or 1) and `occlude` (squares that are set to zero); then values are
    clipped to `clip`. Random in every epoch; with `fixed: true` the same in all epochs.
    """

    GaussianNoise: Gaussian | None = None
    """Gaussian noise added to every value. Example: {stddev: 0.3}"""
    masking: Fraction | None = None
    """The fraction of values that is set to zero. Example: 0.3"""
    salt_and_pepper: Fraction | None = None
    """The fraction of values that is set to 0 or 1. Example: 0.2"""
    occlude: Occlusion | None = None
    """Squares that are set to zero. Example: {size: 8}"""
    clip: Clip | None = None
    """The range to which corrupted values are cut; null does not cut. Example: [0.0, 1.0]"""
    fixed: bool = False
    """true draws the corruption once, not again in every epoch."""
    emphasis: Emphasis | None = None
    """Different weights for the errors of corrupted and of untouched values; null weighs both alike. Example:
    {corrupted: 1.0, untouched: 0.5}
    """

    @model_validator(mode="after")
    def _one_of_them(self) -> Corruption:
        kinds = (self.GaussianNoise, self.masking, self.salt_and_pepper, self.occlude)
        given = sum(kind is not None for kind in kinds)
        if given != 1:
            raise ValueError(
                f"one of GaussianNoise, masking, salt_and_pepper and occlude must be given; received {given}"
            )
        if self.emphasis and self.GaussianNoise:
            raise ValueError("emphasis distinguishes corrupted values from others; GaussianNoise corrupts all of them")
        return self


class KL(Spec):
    """weight sum_j KL(target || mean activity of unit j), over a batch (Lee, Ekanadham & Ng 2008; Ng 2011)."""

    target: Fraction
    """The mean activity that each unit is driven to. Example: 0.05"""
    weight: Positive
    """The factor of the divergence in the cost. Example: 0.1"""


class Sparsity(Spec):
    """A sparsity penalty on the code h, or a restriction to its k largest values.

    `l1`: l1 sum_j |h_j|. `kl`: the divergence of each unit's mean activity, between 0 and 1, from a target.
    `k`: all but the k largest values of a code are zero (Makhzani & Frey 2014).
    """

    l1: Positive | None = None
    """The factor of the sum of |h| in the cost. Example: 0.001"""
    kl: KL | None = None
    """The divergence of each unit's mean activity from a target. Example: {target: 0.05, weight: 0.1}"""
    k: Count | None = None
    """How many of the largest values of a code are kept; the others are set to zero. Example: 10"""

    @model_validator(mode="after")
    def _at_least_one(self) -> Sparsity:
        if self.l1 is None and self.kl is None and self.k is None:
            raise ValueError("one of l1, kl and k must be given")
        return self


class Stage(Spec):
    """One autoencoder of a stack; without `decoder` the mirror image of the encoder."""

    encoder: Annotated[list[LayerField], Field(min_length=1)]
    """The layers of the encoder, from the input to the code. Example: [{Dense: {units: 32, activation: sigmoid}}]"""
    decoder: list[LayerField] = Field([])
    """The layers of the decoder, from the code to the output; empty is the encoder mirrored."""
    corruption: Corruption | None = None
    """What is done to the inputs in training; null leaves them as they are. Example: {masking: 0.3}"""
    sparsity: Sparsity | None = None
    """A penalty on the code, or its largest values only. Example: {l1: 0.001}"""
    contraction: NotNegative = 0.0
    """The factor of |dh/dx|_F^2 in the cost."""
    tied: bool = False
    """true gives the decoder the encoder's kernels, transposed."""

    @property
    def variational(self) -> None:
        return None


class Variational(Spec):
    """The code is drawn from N(mean, variance), both outputs of the encoder (Kingma & Welling 2014).

    The last encoder layer gives the means, then as many log variances; `beta` is the weight
    of the divergence from N(0, 1) (Higgins et al. 2017).
    """

    beta: NotNegative = 1.0
    """The factor of the divergence of the code from N(0, 1)."""


class CodeMean(Layer):
    """The means in a variational code; not in the table of layers."""

    separable = True

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1 or shape[0] % 2:
            raise Refusal(
                (),
                f"a variational encoder ends in means and as many log variances, an even number of outputs in a "
                f"row; received {text(shape)}",
            )
        return (shape[0] // 2,)


class KSparse(Layer):
    """The k largest values of a code; not in the table of layers."""

    separable = True

    k: Annotated[int, Field(ge=1)]
    """How many of the largest values of a code are kept; the others are set to zero. Example: 10"""

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Refusal(
                (), f"sparsity: k needs a code in one row; received {text(shape)}; end the encoder in Flatten"
            )
        if self.k > shape[0]:
            raise Refusal((), f"sparsity: k: {self.k} of {shape[0]} code values; lower k")
        return shape
