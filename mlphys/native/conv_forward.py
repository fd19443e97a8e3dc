"""Forward pass of convolution, bias, activation and pooling on batch-interleaved images.

Images are (groups, h, w, c, simd_width): a vector holds the same pixel and channel of `simd_width` samples
(native/interleave.py). So every vector is full, however few the channels, and taps outside of the image cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlphys.native import vector_math
from mlphys.native.activated import Activated, emit_rows, group_pointer, pixel_pointer
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import Index, Pointer, Vector
from mlphys.native.processor import SimdUnit
from mlphys.native.sliding_window import SlidingWindow


@dataclass(frozen=True)
class Convolution(Activated):
    """A convolution, its activation and the pooling after it.

    `upsampling` 2, without strides: a sub-pixel convolution (Shi et al. 2016).
    """

    input_shape: tuple[int, int, int]
    filters: int
    kernel_size: tuple[int, int]
    padding: Literal["same", "valid"]
    activation: str = "linear"
    pool_size: tuple[int, int] = (1, 1)
    max_pooling: bool = False  # or average pooling
    upsampling: int = 1
    strides: tuple[int, int] = (1, 1)

    @property
    def margin(self) -> tuple[int, int]:
        """Rows of padding above the image and columns left of it: half of what the last position needs."""
        if self.padding == "valid":
            return 0, 0
        sizes = zip(self.input_shape, self.positions, self.kernel_size, self.strides, strict=False)
        rows, columns = (max(0, (places - 1) * step + k - n) // 2 for n, places, k, step in sizes)
        return rows, columns

    @property
    def positions(self) -> tuple[int, int]:
        """Height and width of the convolution's result, before pooling or rearrangement into pixels."""
        trimmed = (0 if self.padding == "same" else k - 1 for k in self.kernel_size)
        sizes = zip(self.input_shape, trimmed, self.strides, strict=False)
        height, width = (math.ceil((n - k) / step) for n, k, step in sizes)
        return height, width

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return *self.kernel_size, self.input_shape[2], self.filters


def forward(conv: Convolution, simd: SimdUnit) -> Function:
    """(x, weights, biases, out, kept, rows, count): `count` groups of samples through convolution and pooling.

    The others are those of `emit_rows`.
    """
    ir = Function(("x", "weights", "biases", "out", "kept", "rows"), ("count",), simd.width)
    window = SlidingWindow(conv.input_shape, conv.kernel_size, conv.filters, conv.margin, conv.positions, conv.strides)
    with ir.loop(0, ir.integer("count")) as group:
        x = group_pointer(ir, "x", group, conv.input_shape)

        def convolve_row(y: Index, target: Pointer) -> None:
            def finish(x0: Index, i: int, f: int, total: Vector) -> None:
                value = vector_math.activate(ir, conv.activation, total)
                ir.store(pixel_pointer(ir, conv, target, x0, i, f), value)

            window.emit_row(ir, simd, x, ir.pointer("weights"), y, lambda f: _bias(ir, f), finish)

        emit_rows(ir, conv, group, convolve_row)
    return ir


def _bias(ir: Function, f: int) -> Vector:
    return ir.broadcast(ir.load_scalar(ir.gep(ir.pointer("biases"), (f, 1))))
