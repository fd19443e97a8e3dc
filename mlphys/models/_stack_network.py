"""The network of stacked autoencoders: each stage, all of them as one autoencoder, and the head on their code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mlphys.networks import builder
from mlphys.networks.autoencoder_network import AutoencoderNetwork
from mlphys.networks.cost import Batch
from mlphys.networks.network import LayeredNetwork
from mlphys.numerics import chunked
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row

StageRows = tuple[list[Row], list[Row]]  # of an encoder, and of its decoder


@dataclass(frozen=True, kw_only=True)
class StageNetwork(AutoencoderNetwork):
    """One autoencoder of a stack, trained on the codes `below` it, a Keras model; None for the first."""

    below: Any

    def inputs(self, split: Split) -> Split:
        """The codes of samples that this stage is trained on, with the weights as they are now."""
        if self.below is None:
            return split
        x = chunked.read(split.x).reshape(-1, *self.below.input_shape[1:])
        return Split(np.asarray(self.below.predict(x, batch_size=1000, verbose=0)), split.y)


@dataclass(frozen=True, kw_only=True)
class Head:
    """Layers on the code of a stack that tell classes apart; `classifier` are the encoders and these layers."""

    layers: Any
    classifier: Any

    def probabilities(self, codes: Any, training: bool = False) -> Any:
        return self.layers(codes, training=training)


@dataclass(frozen=True, kw_only=True)
class StackNetwork(AutoencoderNetwork):
    """All encoders and all decoders as one autoencoder, the stages that share its layers, and the head if any."""

    stages: tuple[StageNetwork, ...]
    head: Head | None

    @classmethod
    def build(cls, stages: Sequence[StageRows], head: Sequence[Row], seed: int) -> Self:
        """The network with its initial weights."""
        encoder_rows = [row for encoder, _ in stages for row in encoder]
        decoder_rows = [row for _, decoder in reversed(stages) for row in decoder]
        whole = builder.build(encoder_rows + decoder_rows, seed, head, encoder_rows[-1].name)
        return cls.of(
            whole,
            encoder_rows,
            decoder_rows,
            stages=tuple(_stage(whole, stages, i) for i in range(len(stages))),
            head=_head(whole, encoder_rows, head) if head else None,
        )

    def through_stages(self, x: Any) -> list[Any]:
        """What is made of samples x through the first stage alone, the first two, ..., of the last decoder's shape."""
        reconstructions, codes = [], x
        for i, stage in enumerate(self.stages):
            codes = back = stage.encode(codes)
            for other in self.stages[i::-1]:
                back = other.decode(back)
            reconstructions.append(back)
        return reconstructions

    def classifying(self, frozen: bool, classes: int) -> Callable[[Any, Any, bool], Batch]:
        """The way of a batch to its classes; frozen encoders have no noise, and no statistics that move."""
        from keras import ops

        head = self.head
        assert head

        def forward(x: Any, y: Any, training: bool) -> Batch:
            codes = self.encode(x, training=training and not frozen)
            p = head.probabilities(codes, training)
            return Batch(x, y, training, ops.one_hot(y, classes), p, penalties=head.classifier.losses)

        return forward


def _stage(whole: LayeredNetwork, stages: Sequence[StageRows], i: int) -> StageNetwork:
    encoder, decoder = stages[i]
    below = [row for before, _ in stages[:i] for row in before]
    return StageNetwork.of(
        whole,
        encoder,
        decoder,
        model=builder.part(whole, encoder + decoder),
        below=builder.part(whole, below) if below else None,
    )


def _head(whole: LayeredNetwork, encoders: Sequence[Row], head: Sequence[Row]) -> Head:
    return Head(layers=builder.part(whole, head), classifier=builder.part(whole, [*encoders, *head]))
