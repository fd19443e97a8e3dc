"""Backward pass of pooling, activation and convolution on batch-interleaved images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby, product

from mlphys.native.activated import group_pointer, preactivation_gradient
from mlphys.native.conv_forward import Convolution
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Pointer, Vector
from mlphys.native.processor import SimdUnit
from mlphys.native.sliding_window import MIN_ITERATIONS, SlidingWindow, split_evenly

PER_CYCLE, LATENCY, LOAD = 2, 5, 0.1  # products that a core begins in a cycle; cycles of a product, of a hidden load
STRIP_BYTES = 24_576  # of gradients that are read repeatedly, and so should stay in the L1 cache


def accumulator_vectors(conv: Convolution) -> int:
    """Vectors in the argument `sums` of `weight_gradient`: one per weight and bias."""
    return math.prod(conv.kernel_shape) + conv.filters


def weight_gradient(conv: Convolution, simd: SimdUnit) -> Function:
    """(x, gradient, out, kept, dweights, dbiases, before, sums, count): gradients of weights and biases.

    `gradient` is the one with respect to `out`; `out` and `kept` are those of the forward pass. Scratch space: `before`
    for the pre-activation gradient of a group, `sums` for `accumulator_vectors`.
    """
    pointers = ("x", "gradient", "out", "kept", "dweights", "dbiases", "before", "sums")
    ir = Function(pointers, ("count",), simd.width)
    weights, weight_sums = math.prod(conv.kernel_shape), ir.pointer("sums")
    bias_sums = ir.gep(weight_sums, (weights, ir.simd_width))
    with ir.loop(0, accumulator_vectors(conv)) as i:
        ir.store(ir.gep(weight_sums, (i, ir.simd_width)), ZERO)
    with ir.loop(0, ir.integer("count")) as group:
        preactivation = preactivation_gradient(ir, conv, simd, group, bias_sums)
        _add_weight_gradient(ir, conv, simd, group_pointer(ir, "x", group, conv.input_shape), preactivation)
    for name, sums, size in (("dweights", weight_sums, weights), ("dbiases", bias_sums, conv.filters)):
        with ir.loop(0, size) as i:
            target = ir.gep(ir.pointer(name), (i, 1))
            ir.store_scalar(target, ir.reduce_add(ir.load(ir.gep(sums, (i, ir.simd_width)))))
    return ir


def input_gradient(conv: Convolution, simd: SimdUnit) -> Function:
    """(weights, gradient, out, kept, dx, before, turned, count): gradient of the input, a convolution as well.

    The arguments are those of `weight_gradient`. Scratch space: `turned` for the flipped kernel.
    """
    ir = Function(("weights", "gradient", "out", "kept", "dx", "before", "turned"), ("count",), simd.width)
    _, width, channels = conv.input_shape
    down, across = conv.strides
    _flip_kernel(ir, conv)
    with ir.loop(0, ir.integer("count")) as group:
        preactivation = preactivation_gradient(ir, conv, simd, group)
        dx = group_pointer(ir, "dx", group, conv.input_shape)
        for first_row, first_column in product(range(down), range(across)):
            window, kernel = _window_back(ir, conv, (first_row, first_column))
            first = ir.gep(dx, (first_row * width + first_column, channels * ir.simd_width))
            with ir.loop(0, window.output[0]) as y:
                row = ir.gep(first, (y, down * width * channels * ir.simd_width))

                def finish(x0: Index, i: int, c: int, total: Vector, row: Pointer = row) -> None:
                    pixel = (x0, across * channels * ir.simd_width), (i * across * channels + c, ir.simd_width)
                    ir.store(ir.gep(row, *pixel), total)

                window.emit_row(ir, simd, preactivation, kernel, y, lambda c: ZERO, finish)
    return ir


def _window_back(ir: Function, conv: Convolution, first: tuple[int, int]) -> tuple[SlidingWindow, Pointer]:
    """One phase of the transposed convolution: every `strides`-th pixel of dx from `first` on, and its kernel.

    Only every `strides`-th row and column of the kernel reaches these pixels: per axis, pixel q of the phase receives
    position q + b - u of the gradient times tap a + s * u.
    """
    axes = zip(conv.input_shape, conv.kernel_size, conv.margin, conv.strides, first, strict=False)
    sizes, padding, output, starts = [], [], [], []
    for n, k, margin, step, offset in axes:
        b, a = divmod(offset + margin, step)
        taps = max(0, math.ceil((k - a) / step))
        sizes.append(taps)
        padding.append(taps - 1 - b)
        output.append(math.ceil((n - offset) / step))
        starts.append(k - 1 - a - step * (taps - 1))
    columns, channels = conv.kernel_size[1], conv.input_shape[2]
    window = SlidingWindow(
        (*conv.positions, conv.filters), (sizes[0], sizes[1]), channels, (padding[0], padding[1]),
        (output[0], output[1]), every=conv.strides, kernel_columns=columns,
    )  # fmt: skip
    start = (starts[0] * columns + starts[1]) * conv.filters * channels if all(sizes) else 0
    return window, ir.gep(ir.pointer("turned"), (start, 1))


def _flip_kernel(ir: Function, conv: Convolution) -> None:
    """The kernel (rows, columns, c, f) rotated by 180 degrees and transposed to (rows, columns, f, c)."""
    rows, columns, channels, filters = conv.kernel_shape
    last = rows * columns - 1
    with ir.loop(0, rows * columns) as tap, ir.loop(0, channels) as c, ir.loop(0, filters) as f:
        source = ir.gep(ir.pointer("weights"), (tap, channels * filters), (c, filters), (f, 1))
        steps = (ir.sub(last, tap), channels * filters), (f, channels), (c, 1)
        ir.store_scalar(ir.gep(ir.pointer("turned"), *steps), ir.load_scalar(source))


def _add_weight_gradient(ir: Function, conv: Convolution, simd: SimdUnit, x: Pointer, preactivation: Pointer) -> None:
    """Add the weight gradient of a group to `sums`.

        pre-activation gradient           channel c of x                   sums of kernel row t, channel c
        at (y, column), filters           at (y + t, column + tap)            filters ->
        +-------------------+            +-------------------+            +------+------+
        |                   |            |                   |      taps  | tile |      |
        |-------------------|            |-------------------|        |   +------+------+
        |  strip  y  *      |  times     |  strip     o o o  |   ->   v   |      |      |
        +-------------------+            +-------------------+            +------+------+

    A tile of taps x filters is summed in registers over all pixels of a strip of rows. The strip stays in the cache
    for all kernel rows t, channels c and tiles. Rows and columns of x count from the padding.
    """
    (_, width), (_, in_width, channels), filters = conv.positions, conv.input_shape, conv.filters
    columns = conv.kernel_size[1]
    top, left = conv.margin
    x_stride, stride = in_width * channels * ir.simd_width, width * filters * ir.simd_width
    down, across = conv.strides
    tile_taps, tile_filters = _tile(columns, filters, simd.accumulators)
    for t, c, strip in _strips(ir, conv, max(1, STRIP_BYTES // (4 * stride))):
        image = ir.gep(x, (ir.sub(t, top), x_stride), (c, ir.simd_width))
        kernel_steps = (t, columns * channels * filters * ir.simd_width), (c, filters * ir.simd_width)
        kernel_row = ir.gep(ir.pointer("sums"), *kernel_steps)
        for taps, portion in product(split_evenly(columns, tile_taps), split_evenly(filters, tile_filters)):
            tile = product(taps, portion)
            targets = {(tap, f): ir.gep(kernel_row, (tap * channels * filters + f, ir.simd_width)) for tap, f in tile}
            sums = {key: ir.alloca(ir.vector, ir.load(target)) for key, target in targets.items()}
            with ir.loop(*strip) as y:
                image_row, slope_row = ir.gep(image, (y, down * x_stride)), ir.gep(preactivation, (y, stride))
                for column, inside in _columns(ir, conv, taps):
                    slopes = ir.gep(slope_row, (column, filters * ir.simd_width))
                    slope = {f: ir.load(ir.gep(slopes, (f, ir.simd_width))) for f in portion}
                    for tap in inside:
                        steps = (column, across * channels * ir.simd_width), (tap - left, channels * ir.simd_width)
                        pixel = ir.load(ir.gep(image_row, *steps))
                        for f in portion:
                            ir.store(sums[tap, f], ir.fma(pixel, slope[f], ir.load(sums[tap, f])))
            for key, target in targets.items():
                ir.store(target, ir.load(sums[key]))


def _strips(ir: Function, conv: Convolution, most: int) -> Iterator[tuple[Index, Index, tuple[Index, Index]]]:
    """Loop over strips of at most so many rows of the result, kernel rows t and channels c: t, c, and start and stop of
    the rows of a strip whose tap t is inside the image."""
    (height, _), (in_height, _, channels) = conv.positions, conv.input_shape
    top, down, size = conv.margin[0], conv.strides[0], min(height, most)
    with ir.loop(0, height, size) as y0, ir.loop(0, conv.kernel_size[0]) as t, ir.loop(0, channels) as c:
        first = ir.smax(y0, _steps(ir, ir.sub(top, t), down))
        last = ir.smin(ir.add(y0, size), height)
        yield t, c, (first, ir.smin(last, _steps(ir, ir.sub(in_height + top, t), down)))


def _tile(taps: int, filters: int, accumulators: int) -> tuple[int, int]:
    """The most taps and filters whose sums are kept in registers: of those that fit, the fewest cycles for all sums."""

    def cycles(tile: tuple[int, int]) -> float:
        tiles = product(split_evenly(taps, tile[0]), split_evenly(filters, tile[1]))
        sizes = [(len(of_taps), len(of_filters)) for of_taps, of_filters in tiles]
        return sum(max(a * b / PER_CYCLE, LATENCY) + LOAD * (a + b) for a, b in sizes)

    registers = max(2, accumulators + 2)  # the gradients of a tap need some too
    sizes = product(range(1, taps + 1), range(1, filters + 1))
    return min(((a, b) for a, b in sizes if a * b + b <= registers), key=cycles)


def _steps(ir: Function, length: Index, step: int) -> Index:
    """How many steps, of positions from 0 on, begin before `length`; 0 or less if none does."""
    return length if step == 1 else ir.sdiv(ir.add(length, step - 1), step)


def _columns(ir: Function, conv: Convolution, taps: range) -> Iterator[tuple[Index, list[int]]]:
    """The columns of the result, each with the taps that are inside the image; a loop over those where all are."""
    (_, width), (_, in_width, _) = conv.positions, conv.input_shape
    (_, left), (_, across) = conv.margin, conv.strides
    inside = [[tap for tap in taps if 0 <= column * across + tap - left < in_width] for column in range(width)]
    for taps_inside, run in groupby(range(width), lambda column: inside[column]):
        columns = list(run)
        if len(columns) >= MIN_ITERATIONS:
            with ir.loop(columns[0], columns[-1] + 1) as column:
                yield column, taps_inside
        elif taps_inside:
            for single in columns:
                yield single, taps_inside
