"""One autoencoder of a stack."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlphys.networks import penalized
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.layers import LayerField
from mlphys.schema.spec import Spec


class Stage(Spec):
    """One autoencoder of a stack; its decoder left out, it is the encoder's mirror image."""

    encoder: Annotated[list[LayerField], Field(min_length=1)]
    decoder: list[LayerField] = Field([])
    corruption: Corruption | None = None
    __annotations__ |= penalized.fields(deterministic=True)  # a key for each file in penalties/
    tied: bool = False
