"""The means among the outputs of a variational encoder (Kingma & Welling 2014)."""

from __future__ import annotations

from typing import Any

import keras


class CodeMean(keras.layers.Layer):
    """The first half of its input: the means, of means and log variances."""

    def call(self, x: Any) -> Any:
        return x[..., : x.shape[-1] // 2]
