"""Loop nest of a 2-D convolution over a batch-interleaved image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import Index, Pointer, Vector
from mlphys.native.processor import SimdUnit

MIN_ITERATIONS = 3  # equal blocks of pixels that make a loop; fewer are unrolled


@dataclass(frozen=True)
class SlidingWindow:
    """Cross-correlation of an image (h, w, c) with a kernel (rows, columns, c, filters).

    `padding` are the rows of zeros above the image and the columns left of it (negative where the kernel begins inside
    of it), `output` the height and width of the result; taps outside of the image are skipped. `strides` are the steps
    in the image. `every` n-th row and column of a kernel `kernel_columns` wide is used; without it, the whole kernel.
    """

    image: tuple[int, int, int]
    kernel_size: tuple[int, int]
    filters: int
    padding: tuple[int, int]
    output: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    every: tuple[int, int] = (1, 1)
    kernel_columns: int | None = None

    def emit_row(
        self,
        ir: Function,
        simd: SimdUnit,
        image: Pointer,
        kernel: Pointer,
        y: Index,
        start: Callable[[int], Vector],
        finish: Callable[[Index, int, int, Vector], None],
    ) -> None:
        """Compute row y of the output.

        `start(filter)` gives the initial value of a sum; `finish(x0, i, filter, sum)` takes the sum at column x0 + i.
        """
        height, width, channels = self.image
        rows, columns = self.kernel_size
        top, left = self.padding
        down, across = self.strides
        y = y if down == 1 else ir.mul(y, down)
        first = ir.smax(0, ir.sub(top, y))
        last = ir.smin(rows, ir.sub(height + top, y))
        image_stride = width * channels * ir.simd_width
        kernel_stride = self.every[0] * (self.kernel_columns or columns) * channels * self.filters
        above = ir.gep(image, (ir.sub(y, top), image_stride))
        for filters in split_evenly(self.filters, simd.accumulators // 3):
            for x0, pixels in self._blocks(ir, max(1, simd.accumulators // len(filters))):
                taps = {i: self._taps(x0, i) for i in range(pixels)}
                sums = {(i, f): ir.alloca(ir.vector, start(f)) for f in filters for i in range(pixels)}
                with ir.loop(first, last) as t:
                    column = ir.sub(x0 if across == 1 else ir.mul(x0, across), left)
                    image_row = ir.gep(above, (t, image_stride), (column, channels * ir.simd_width))
                    kernel_row = ir.gep(kernel, (t, kernel_stride))
                    with ir.loop(0, channels) as c:
                        pixel, weight = ir.gep(image_row, (c, ir.simd_width)), ir.gep(kernel_row, (c, self.filters))
                        self._accumulate(ir, sums, taps, pixel, weight)
                for (i, f), total in sums.items():
                    finish(x0, i, f, ir.load(total))

    def _accumulate(
        self,
        ir: Function,
        sums: dict[tuple[int, int], Pointer],
        taps: dict[int, range],
        pixel: Pointer,
        weight: Pointer,
    ) -> None:
        """Add the products of one row of the kernel and one channel."""
        _, _, channels = self.image
        registers = {key: ir.load(total) for key, total in sums.items()}
        filters = sorted({f for _, f in sums})
        tap_stride = self.every[1] * channels * self.filters
        for tap in range(self.kernel_size[1]):
            pixels = {
                i: ir.load(ir.gep(pixel, (i * self.strides[1] + tap, channels * ir.simd_width)))
                for i, inside in taps.items()
                if tap in inside
            }
            for f in filters if pixels else ():
                factor = ir.broadcast(ir.load_scalar(ir.gep(weight, (tap * tap_stride + f, 1))))
                for i, value in pixels.items():
                    registers[i, f] = ir.fma(value, factor, registers[i, f])
        for key, total in sums.items():
            ir.store(total, registers[key])

    def _taps(self, x0: Index, i: int) -> range:
        """Taps of a row of the kernel that are inside the image; all of them in a loop, which excludes the border."""
        if not isinstance(x0, int):
            return range(self.kernel_size[1])
        column = (x0 + i) * self.strides[1] - self.padding[1]
        return range(max(0, -column), min(self.kernel_size[1], self.image[1] - column))

    def _blocks(self, ir: Function, size: int) -> Iterator[tuple[Index, int]]:
        """First pixel and number of pixels of each block of a row."""
        width = self.output[1]

        def is_interior(x0: int) -> bool:
            """Whether the block is complete and all its taps are inside the image."""
            first = x0 * self.strides[1] - self.padding[1]
            last = first + (size - 1) * self.strides[1] + self.kernel_size[1] - 1
            return first >= 0 and last < self.image[1] and x0 + size <= width

        for interior, run in groupby(range(0, width, size), is_interior):
            starts = list(run)
            if interior and len(starts) >= MIN_ITERATIONS:
                with ir.loop(starts[0], starts[-1] + 1, size) as x0:
                    yield x0, size
            else:
                for start in starts:
                    yield start, min(size, width - start)


def split_evenly(count: int, largest: int) -> list[range]:
    """range(count) in as few consecutive parts as possible, of about the same size and at most `largest`."""
    parts = math.ceil(count / largest)
    size = math.ceil(count / parts)
    return [range(first, min(first + size, count)) for first in range(0, count, size)]
