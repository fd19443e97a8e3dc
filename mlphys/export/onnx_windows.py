"""Convolutions and pooling in ONNX's operators: windows that slide over channels first, padded as TensorFlow pads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlphys.export.onnx_graph import OnnxGraph, Tensor
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays


@dataclass(frozen=True)
class Sliding:
    """A window that slides over an image or a sequence: sizes, steps, distances of its values, zeros per end."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(
        cls, shape: Shape, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str
    ) -> Sliding:
        """Over samples of `shape`, padded as TensorFlow pads: the odd zero of `same` behind, all of `causal` before."""
        before, after = [], []
        for n, k, s, d in zip(shape, size, strides, dilation, strict=False):
            reach = d * (k - 1) + 1
            total = {"valid": 0, "causal": reach - 1}.get(padding, max((math.ceil(n / s) - 1) * s + reach - n, 0))
            first = total if padding == "causal" else total // 2
            before.append(first)
            after.append(total - first)
        return cls(tuple(size), tuple(strides), tuple(dilation), tuple(before), tuple(after))

    def attributes(self) -> dict[str, list[int]]:
        return {
            "kernel_shape": list(self.size),
            "strides": list(self.strides),
            "dilations": list(self.dilation),
            "pads": [*self.before, *self.after],
        }


def _channels_first(graph: OnnxGraph, x: Tensor, axes: int) -> Tensor:
    return graph.node("Transpose", x, perm=[0, axes + 1, *range(1, axes + 1)])


def _channels_last(graph: OnnxGraph, x: Tensor, axes: int) -> Tensor:
    return graph.node("Transpose", x, perm=[0, *range(2, axes + 2), 1])


def _filtered(graph: OnnxGraph, operator: str, x: Tensor, arrays: Arrays, window: dict[str, list[int]]) -> Tensor:
    """A convolution, or its transpose, whose last two axes of the kernel go to the front in reverse order."""
    kernel = arrays["kernel"]
    axes = kernel.ndim - 2
    turned = np.ascontiguousarray(kernel.transpose(axes + 1, axes, *range(axes)))
    bias = [arrays["bias"]] if "bias" in arrays else []
    return _channels_last(graph, graph.node(operator, _channels_first(graph, x, axes), turned, *bias, **window), axes)


def convolved(graph: OnnxGraph, x: Tensor, arrays: Arrays, window: Sliding) -> Tensor:
    return _filtered(graph, "Conv", x, arrays, window.attributes())


def transposed(graph: OnnxGraph, x: Tensor, arrays: Arrays, strides: Sequence[int], padding: str) -> Tensor:
    """As TensorFlow: `same` cuts what reaches beyond n strides, the odd pixel behind; gaps are filled up behind."""
    size = arrays["kernel"].shape[:-2]
    beyond = [max(k - s, 0) if padding == "same" else 0 for k, s in zip(size, strides, strict=True)]
    before = [total // 2 for total in beyond]
    window = {
        "kernel_shape": list(size),
        "strides": list(strides),
        "pads": [*before, *(total - first for total, first in zip(beyond, before, strict=True))],
        "output_padding": [max(s - k, 0) for k, s in zip(size, strides, strict=True)],
    }
    return _filtered(graph, "ConvTranspose", x, arrays, window)


def pooled(graph: OnnxGraph, operator: str, x: Tensor, window: Sliding) -> Tensor:
    axes = len(window.size)
    attributes = {key: value for key, value in window.attributes().items() if key != "dilations"}
    return _channels_last(graph, graph.node(operator, _channels_first(graph, x, axes), **attributes), axes)
