"""Feature maps of a signal, as curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import chunked
from mlphys.schema.fields import Shape
from mlphys.schema.layers import FixedConv2D, Flatten, Reshape, text
from mlphys.schema.shapes import Row

MOST_PANELS, MOST_CHANNELS = 9, 6


class SignalMaps(Plot):
    """One signal through the network: the channels of every layer as curves below each other."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable unless a layer gives a signal of a signal."""
        if not list(_signals(resolved.rows(), resolved.net_input.shape)):
            shape = text(resolved.net_input.shape)
            raise NotApplicable(f"no layer makes a signal of samples of {shape}; it takes convolutions of sequences")

    def draw(self, run: RunView) -> Iterator[Picture]:
        self.check(run.loaded)
        split = run.shown_split()
        sample = chunked.read(getattr(run.dataset(), split).x[:1])
        outputs = run.trained.layers(sample)
        inputs = run.trained.to_points(sample).reshape(_length(run.loaded.net_input.shape), -1)
        blocks = [_Block("input", 0, inputs.shape[1], 0.0, 1.0, inputs[:, :MOST_CHANNELS])]
        for row, start, step in _signals(run.rows, run.loaded.net_input.shape):
            values = outputs[row.name].reshape(_length(row.output_shape), -1)
            drawn, channels = values[:, :MOST_CHANNELS], values.shape[1]
            apart = isinstance(row.layer, FixedConv2D)  # kernels of different size: each on its own scale
            parts = np.split(drawn, drawn.shape[1], axis=1) if apart else [drawn]
            blocks += [_Block(row.name, first, channels, start, step, part) for first, part in enumerate(parts)]
        caption = f"the first {split} sample; each value at the middle of what it sees"
        layers, blocks = len({block.layer for block in blocks}), blocks[:MOST_PANELS]
        if left_out := layers - len({block.layer for block in blocks}):
            caption += f"; the last {left_out} of {layers - 1} layers are not drawn"
        figure = theme.figure(9.5, 1.9 * len(blocks) + 1.5, f"{run.name}: a signal through every layer", caption)
        panels = figure.subplots(len(blocks), sharex=True, squeeze=False)[:, 0]
        table: dict[str, list[Any]] = {"layer": [], "channel": [], "position": [], "value": []}
        for axes, block in zip(panels, blocks, strict=True):
            places = block.start + block.step * np.arange(len(block.values))
            for channel, values in enumerate(block.values.T, start=block.first):
                axes.plot(places, values, color=theme.LINES[channel], linewidth=2, label=f"channel {channel}")
                table["layer"] += [block.layer] * len(values)
                table["channel"] += [channel] * len(values)
                table["position"] += places.tolist()
                table["value"] += values.tolist()
            axes.set_title(block.title(), loc="left", fontsize=13)
            if block.values.shape[1] > 1:
                axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=11, borderaxespad=0)
        panels[-1].set_xlabel("position, in values of the input")
        yield Picture("signal_maps", figure, table)

    @classmethod
    def example(cls) -> dict[str, Any]:
        layers = [
            {"Reshape": [20, 1]},
            {"Conv1D": {"filters": 2, "kernel_size": 3}},
            "Flatten",
            {"Dense": {"units": 2, "activation": "softmax"}},
        ]
        return {
            "data": {"name": "lorentz_gauss", "points": 20, "samples": 60, "validation": 20, "test": 20},
            "model": {"kind": "classifier", "layers": layers},
            "training": {"epochs": 2},
        }


@dataclass(frozen=True)
class _Block:
    """The curves of a panel: values (positions, curves) of the channels of a layer, from the channel `first` on."""

    layer: str
    first: int
    channels: int
    start: float
    step: float
    values: np.ndarray

    def title(self) -> str:
        """The layer, and which of its channels are drawn where these are not all."""
        if (curves := self.values.shape[1]) == self.channels:
            return self.layer
        last = self.first + curves - 1
        of = f"channels {self.first} to {last}" if curves > 1 else f"channel {last}"
        return f"{self.layer}, {of} of 0 to {self.channels - 1}"


def _length(shape: Shape) -> int:
    """Of a signal (n,), (n, channels) or (1, n, channels); 0 for another shape."""
    match shape:
        case (1, n, _) | (n, _) | (n,) if n > 1:
            return n
    return 0


def _signals(rows: Sequence[Row], shape: Shape) -> Iterator[tuple[Row, float, float]]:
    """Layers with a signal as output, the place of its first value on the input, and the distance of two."""
    start, step, length = 0.0, 1.0, _length(shape)
    for row in rows:
        if not length or not _length(row.output_shape):
            return
        if isinstance(row.layer, Flatten | Reshape):
            if (len(row.output_shape) == 1 and len(row.input_shape) > 1) or _length(row.output_shape) != length:
                return
            continue
        window = row.layer.window()
        if window is None:
            return
        outputs = _length(row.output_shape)
        if not window and outputs != length:
            return  # a border, added or cut off
        for size, stride in window[-1:]:  # along the signal
            if stride < 1 and round(outputs * stride) != length:
                return  # a transposed convolution that reaches beyond its signal
            start += step * _middle(getattr(row.layer, "padding", "valid"), length, outputs, size, stride)
            step *= stride
        length = outputs
        if not row.layer.only_in_training:
            yield row, start, step


def _middle(padding: str, inputs: int, outputs: int, size: int, stride: float) -> float:
    """The middle of what the first output sees, in inputs from the first one."""
    if stride < 1:  # enlarged: the outputs of one input are around it
        return (stride - 1) / 2
    before = {"same": max(0, (outputs - 1) * int(stride) + size - inputs) // 2, "causal": size - 1}.get(padding, 0)
    return (size - 1) / 2 - before
