"""What is done to an autoencoder's inputs, and to its code."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from mlphys.errors import Refusal
from mlphys.schema.fields import Count, Fraction, NotNegative, Positive, Shape, low_first
from mlphys.schema.layers import Layer, text
from mlphys.schema.spec import Spec

Clip = Annotated[tuple[float, float], BeforeValidator(low_first)]


class Gaussian(Spec):
    """N(0, stddev^2) is added to every value."""

    stddev: Positive


class Occlusion(Spec):
    """`count` squares of `size` x `size` pixels at random places are set to zero."""

    size: Count
    count: Count = 1


class Emphasis(Spec):
    """Weights of the errors of values that the corruption changed, and of the others (Vincent et al. 2010)."""

    corrupted: NotNegative = 1.0
    untouched: NotNegative = 1.0


class Corruption(Spec):
    """What is done to the inputs of a denoising autoencoder (Vincent et al. 2008); the target stays clean.

    One of GaussianNoise, `masking` (the fraction of values that are set to zero), `salt_and_pepper`
    (the fraction that is set to 0 or 1) and `occlude` (squares that are set to zero); then values are
    cut to `clip`. Drawn anew for every epoch; `fixed: true` draws once for all of them.
    """

    GaussianNoise: Gaussian | None = None
    masking: Fraction | None = None
    salt_and_pepper: Fraction | None = None
    occlude: Occlusion | None = None
    clip: Clip | None = None
    fixed: bool = False
    emphasis: Emphasis | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Corruption:
        kinds = (self.GaussianNoise, self.masking, self.salt_and_pepper, self.occlude)
        given = sum(kind is not None for kind in kinds)
        if given != 1:
            raise ValueError(
                f"one of GaussianNoise, masking, salt_and_pepper and occlude must be given; received {given}"
            )
        if self.emphasis and self.GaussianNoise:
            raise ValueError("emphasis tells corrupted values from others; GaussianNoise corrupts all of them")
        return self


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

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Refusal(
                (), f"sparsity: k needs a code in one row; received {text(shape)}; end the encoder in Flatten"
            )
        if self.k > shape[0]:
            raise Refusal((), f"sparsity: k: {self.k} of {shape[0]} code values; lower k")
        return shape
