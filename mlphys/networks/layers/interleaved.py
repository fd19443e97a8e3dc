"""Batch-interleaved copies of Keras's tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from keras import ops

from mlphys.native import processor
from mlphys.networks.keras_internals import attach, attached
from mlphys.networks.tensorflow import tf


def width() -> int | None:
    """SIMD width in samples; None if this processor or this TensorFlow does not support compiled convolutions."""
    from mlphys.native import tf_ops

    simd = processor.simd_unit()
    return simd.width if simd and tf_ops.available() else None


@dataclass(frozen=True)
class Interleaved:
    """Batch-interleaved values (groups, h, w, c, simd_width) of each part of a batch, and tensors that have the parts'
    numbers of samples.
    """

    values: Sequence[Any]
    samples: Sequence[Any]

    @classmethod
    def of(cls, pixels: Any, parts: int) -> Interleaved:
        """The interleaved copy that the tensor carries, or else a new one of so many parts."""
        from mlphys.native import differentiable

        if attached(pixels, "interleaved") is None:
            cut = _cut(pixels, parts)
            attach(pixels, "interleaved", cls([differentiable.interleave_batch(part) for part in cut], cut))
        return attached(pixels, "interleaved")

    def mapped(self, function: Callable[[Any], Any]) -> Interleaved:
        return replace(self, values=[function(value) for value in self.values])

    def pixels(self) -> Any:
        """Keras's tensor (n, h, w, c), which carries this copy."""
        from mlphys.native import differentiable

        rows = zip(self.values, self.samples, strict=True)
        parts = [differentiable.deinterleave_batch(value, like) for value, like in rows]
        return attach(parts[0] if len(parts) == 1 else ops.concatenate(parts), "interleaved", self)


def _cut(pixels: Any, parts: int) -> Sequence[Any]:
    """A batch in parts of complete vectors, but for the last."""
    lanes, samples = width(), pixels.shape[0]
    assert lanes
    samples = ops.shape(pixels)[0] if samples is None else samples
    groups = (samples + lanes - 1) // lanes
    parts = min(parts, groups) if isinstance(groups, int) else parts
    if parts == 1:
        return [pixels]
    edges = [0, *(groups * i // parts * lanes for i in range(1, parts)), samples]
    return list(tf.split(pixels, [end - start for start, end in pairwise(edges)]))
