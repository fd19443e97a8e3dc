"""The encoder of a finished run in front of other layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from mlphys.networks import penalized
from mlphys.schema.fields import Shape
from mlphys.schema.layers import LAYERS, Layer
from mlphys.schema.pretrained import RunName, Sha256
from mlphys.schema.shapes import Row, trace
from mlphys.schema.spec import Choice, Spec

CodeLayerField = Annotated[Layer, Choice("layer", {**LAYERS, **penalized.code_layer_kinds()})]


class PretrainedEncoder(Spec):
    """The pretrained encoder of a finished run, frozen, or fine-tuned with `trainable: true`.

    `run` is a run directory, or a name under runs/ for its newest run. Layers and the sha256 of its weights are
    filled in.
    """

    run: RunName
    """The finished run: a run directory, or a name under runs/. Example: dae"""
    trainable: bool = False
    """true trains the encoder further; false keeps its weights."""
    layers: Annotated[list[CodeLayerField], Field(min_length=1)] | None = None
    """The layers of the encoder; filled in from the run. Example: [Flatten]"""
    sha256: Sha256 | None = None
    """The checksum of the run's weights; filled in. Example:
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    """

    def rows(self, shape: Shape) -> list[Row]:
        """The layers, fed with samples of `shape`. Raises Refusal."""
        return trace(self.layers or [], shape, ("model", "encoder"), trainable=self.trainable)


def rows_after_encoder(encoder: PretrainedEncoder | None, layers: Sequence[Layer], shape: Shape) -> list[Row]:
    """The rows of the optional encoder, followed by those of `model.layers`. Raises Refusal."""
    before = encoder.rows(shape) if encoder else []
    return before + trace(layers, shape, ("model", "layers"), before)
