"""One autoencoder of a stack."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlphys.networks import penalized
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.layers import LayerField
from mlphys.schema.spec import Spec


class Stage(Spec):
    """One autoencoder of a stack; without `decoder` the mirror image of the encoder."""

    encoder: Annotated[list[LayerField], Field(min_length=1)]
    """The layers of the encoder, from the input to the code. Example: [{Dense: {units: 32, activation: sigmoid}}]"""
    decoder: list[LayerField] = Field([])
    """The layers of the decoder, from the code to the output; empty is the encoder mirrored."""
    corruption: Corruption | None = None
    """What is done to the inputs in training; null leaves them as they are. Example: {masking: 0.3}"""
    __annotations__ |= penalized.fields(deterministic=True)  # a key for each such file in penalties/
    tied: bool = False
    """true gives the decoder the encoder's kernels, transposed."""
