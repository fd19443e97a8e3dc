"""The networks of autoencoders: encoder and decoder as models that share their layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from mlphys.networks import builder
from mlphys.networks.network import LayeredNetwork, arranged
from mlphys.schema.shapes import Row

DRAWS = 10  # codes of a sample in evaluation


@dataclass(frozen=True, kw_only=True)
class AutoencoderNetwork(LayeredNetwork):
    """A chain of layers with its encoder and decoder, each a Keras model of some of them."""

    encoder: Any
    decoder: Any

    @classmethod
    def of(cls, whole: LayeredNetwork, encoder: Sequence[Row], decoder: Sequence[Row], **others: Any) -> Self:
        """The network `whole` with these rows of it as encoder and decoder."""
        parts = {"encoder": builder.part(whole, encoder), "decoder": builder.part(whole, decoder)}
        return cls(**{**vars(whole), **parts, **others})

    def keras_models(self) -> dict[str, Any]:
        return {**super().keras_models(), "encoder": self.encoder, "decoder": self.decoder}

    def encode(self, x: Any, training: bool = False) -> Any:
        """The codes of samples x (n, ...), without noise."""
        return self.encoder(self.arranged(x), training=training)

    def decode(self, codes: Any, training: bool = False) -> Any:
        """What the decoder makes of codes (n, ...)."""
        return self.decoder(arranged(codes, self.decoder.input_shape[1:]), training=training)

    def reconstruct(self, x: Any, training: bool = False) -> tuple[Any, Any]:
        """The codes of samples x, and r(x) of the shape in which the decoder ends; without noise."""
        codes = self.encode(x, training)
        return codes, self.decode(codes, training)

    def traverse(self, x: Any, training: bool) -> tuple[Any, Any, Any]:
        """Codes and reconstructions of a batch for its cost, and the log variances of a drawn code or None."""
        return *self.reconstruct(x, training), None


@dataclass(frozen=True, kw_only=True)
class VariationalNetwork(AutoencoderNetwork):
    """An autoencoder whose encoder gives mean and log variance of each number of the code (Kingma & Welling 2014).

    `statistics` is the model up to these, `encoder` the one up to the means; `noise` is Keras's generator of random
    numbers for codes that are drawn.
    """

    statistics: Any
    noise: Any

    @classmethod
    def drawing(
        cls, whole: LayeredNetwork, encoder: Sequence[Row], statistics: Sequence[Row], decoder: Sequence[Row]
    ) -> Self:
        """The network `whole` with these rows of it, and a source of random numbers for its code."""
        import keras

        noise = keras.random.SeedGenerator(0)
        return cls.of(
            whole,
            encoder,
            decoder,
            statistics=builder.part(whole, statistics),
            noise=noise,
            draws=DRAWS,
            seeds={**whole.seeds, "code": noise.state},
        )

    def traverse(self, x: Any, training: bool) -> tuple[Any, Any, Any]:
        """Means of the codes of x, reconstructions of codes drawn around them, and log variances."""
        import keras
        from keras import ops

        means, log_variances = self.code_statistics(x, training)
        codes = means + ops.exp(0.5 * log_variances) * keras.random.normal(ops.shape(means), seed=self.noise)
        return means, self.decode(codes, training), log_variances

    def traverse_mean(self, x: Any, training: bool) -> tuple[Any, Any, Any]:
        """The same with reconstructions of the means."""
        means, log_variances = self.code_statistics(x, training)
        return means, self.decode(means, training), log_variances

    def code_statistics(self, x: Any, training: bool) -> tuple[Any, Any]:
        """Means and log variances of the codes of x, (n, k) each."""
        from keras import ops

        means, log_variances = ops.split(self.statistics(self.arranged(x), training=training), 2, axis=1)
        return means, log_variances
