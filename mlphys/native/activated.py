"""Activation and pooling of batch-interleaved values, and their backward pass."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from mlphys.native import vector_math
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Mask, Pointer, Vector
from mlphys.native.processor import SimdUnit
from mlphys.native.sliding_window import split_evenly


class Activated(ABC):
    """A layer that computes (height, width, filters) from a sample, row by row, and what follows it.

    `upsampling` 2: each position is a block of 2 x 2 pixels, whose filters are consecutive.
    """

    filters: int
    activation: str
    pool_size: tuple[int, int]
    max_pooling: bool  # or average pooling
    upsampling: int = 1

    @property
    @abstractmethod
    def positions(self) -> tuple[int, int]:
        """Height and width of the layer's result, before pooling or rearrangement into pixels."""

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(h, w, c) after pooling."""
        (height, width), (down, across) = self.positions, self.pool_size
        n = self.upsampling
        return height * n // down, width * n // across, self.filters // n**2

    @property
    def pools(self) -> bool:
        return self.pool_size != (1, 1)

    @property
    def pool_offsets(self) -> list[tuple[int, int]]:
        """(row, column) of each pixel of a pool."""
        return [(i, j) for i in range(self.pool_size[0]) for j in range(self.pool_size[1])]

    @property
    def saves_activations(self) -> bool:
        """Whether the backward pass needs the activations before pooling."""
        return self.pools and not self.max_pooling and self.activation in ("sigmoid", "tanh")

    @property
    def saves_mask(self) -> bool:
        """Whether the backward pass needs a bit per pixel: it is the maximum of its pool, or relu is active."""
        return self.pools and (self.max_pooling or self.activation == "relu")

    @property
    def needs_output(self) -> bool:
        """Whether the backward pass needs the output."""
        if self.pools:
            return self.max_pooling and self.activation in ("sigmoid", "tanh")
        return self.activation != "linear"


def emit_rows(ir: Function, layer: Activated, group: Index, compute: Callable[[Index, Pointer], None]) -> None:
    """All rows of a group, activated and pooled, to `out`; `compute(y, target)` stores the activated row y there.

    `kept` are the activations or masks that the backward pass needs, `rows` is scratch space for the rows of a pool.
    """
    (height, width), (down, _) = layer.positions, layer.pool_size
    out = group_pointer(ir, "out", group, layer.output_shape)
    stride = width * layer.filters * ir.simd_width
    if not layer.pools:
        with ir.loop(0, height) as y:
            compute(y, ir.gep(out, (y, stride)))
        return
    activations = group_pointer(ir, "kept", group, (*layer.positions, layer.filters))
    with ir.loop(0, height // down) as row:
        rows = ir.gep(activations, (row, down * stride)) if layer.saves_activations else ir.pointer("rows")
        with ir.loop(0, down) as i:
            compute(ir.add(ir.mul(row, down), i), ir.gep(rows, (i, stride)))
        _pool_row(ir, layer, rows, out, group, row)


def group_pointer(ir: Function, name: str, group: Index, shape: tuple[int, ...]) -> Pointer:
    """The group's images of that shape in the argument `name`."""
    return ir.gep(ir.pointer(name), (group, math.prod(shape) * ir.simd_width))


def pixel_pointer(ir: Function, layer: Activated, row: Pointer, x0: Index, i: int, f: int) -> Pointer:
    """Filter f of position x0 + i in the pixels of a row; with upsampling a row of positions is two rows of pixels."""
    n = layer.upsampling
    channels = layer.filters // n**2
    subpixel, channel = divmod(f, channels)
    below, right = divmod(subpixel, n)
    width = layer.positions[1] * n
    constant = (below * width + i * n + right) * channels + channel
    return ir.gep(row, (x0, n * channels * ir.simd_width), (constant, ir.simd_width))


def mask_pointer(ir: Function, layer: Activated, group: Index, steps: tuple[tuple[Index, int], ...]) -> Pointer:
    """The saved mask of the vector that `steps`, as for gep, lead to in the activations of a group."""
    size = mask_bytes(ir.simd_width)
    byte_steps = [(index, stride // ir.simd_width * size) for index, stride in steps]
    group_size = math.prod(layer.positions) * layer.filters * size
    return ir.gep(ir.pointer("kept"), (group, group_size), *byte_steps, element="i8")


def mask_bytes(simd_width: int) -> int:
    """Bytes of a saved mask."""
    return max(8, simd_width) // 8


def _pool_row(ir: Function, layer: Activated, rows: Pointer, out: Pointer, group: Index, row: Index) -> None:
    """Reduce `rows`, as many as a pool is high, to one row of the output."""
    (_, width), (down, across), filters = layer.positions, layer.pool_size, layer.filters
    stride, pixel_stride = width * filters * ir.simd_width, filters * ir.simd_width
    with ir.loop(0, width // across) as column, ir.loop(0, filters) as f:
        steps, values = {}, {}
        for i, j in layer.pool_offsets:
            in_rows = (column, across * pixel_stride), (f, ir.simd_width), (i * width + j, pixel_stride)
            steps[i, j] = (row, down * stride), *in_rows
            values[i, j] = ir.load(ir.gep(rows, *in_rows))
        result, *others = values.values()
        for value in others:
            if layer.max_pooling:
                result = ir.select(ir.fcmp("ogt", value, result), value, result)
            else:
                result = ir.fadd(result, value)
        if not layer.max_pooling:
            result = ir.fmul(result, ir.broadcast(1 / (down * across)))
        ir.store(ir.gep(out, (row, stride // across), (column, pixel_stride), (f, ir.simd_width)), result)
        if layer.saves_mask:
            for offset, mask in _pool_masks(ir, layer, values, result).items():
                ir.store_mask(mask_pointer(ir, layer, group, steps[offset]), mask)


def _pool_masks(
    ir: Function, layer: Activated, values: dict[tuple[int, int], Vector], result: Vector
) -> dict[tuple[int, int], Mask]:
    """Which pixels of a pool receive the gradient: of equal maxima the first."""
    if not layer.max_pooling:
        return {offset: ir.fcmp("ogt", value, ZERO) for offset, value in values.items()}
    type_ = f"<{ir.simd_width} x i1>"
    free = str(ir.fcmp("ogt", result, ZERO)) if layer.activation == "relu" else "splat (i1 true)"
    masks = {}
    for offset, value in values.items():
        mask = ir.assign(f"and {type_} {ir.fcmp('oeq', value, result)}, {free}")
        free = ir.assign(f"xor {type_} {free}, {mask}")
        masks[offset] = Mask(mask)
    return masks


def preactivation_gradient(
    ir: Function, layer: Activated, simd: SimdUnit, group: Index, bias_sums: Pointer | None = None
) -> Pointer:
    """The gradient of a group with respect to the layer's result; its sums are added to `bias_sums`.

    It is written to `before`, unless it equals the gradient of the output.
    """
    (height, width), (down, across), filters = layer.positions, layer.pool_size, layer.filters
    gradient = group_pointer(ir, "gradient", group, layer.output_shape)
    unchanged = not layer.pools and layer.activation == "linear" and layer.upsampling == 1
    if unchanged and bias_sums is None:
        return gradient
    out = group_pointer(ir, "out", group, layer.output_shape)
    stride = width * filters * ir.simd_width
    out_stride = layer.output_shape[1] * layer.output_shape[2] * layer.upsampling * ir.simd_width
    for portion in split_evenly(filters, simd.accumulators // 3):
        sums = {f: ir.alloca(ir.vector, ZERO) for f in portion}
        with ir.loop(0, height // down) as row, ir.loop(0, width // across) as column:
            for f in portion:
                slope = ir.load(pixel_pointer(ir, layer, ir.gep(gradient, (row, out_stride)), column, 0, f))
                if layer.pools and not layer.max_pooling:
                    slope = ir.fmul(slope, ir.broadcast(1 / (down * across)))
                if layer.needs_output:
                    y = ir.load(pixel_pointer(ir, layer, ir.gep(out, (row, out_stride)), column, 0, f))
                    slope = vector_math.backpropagate(ir, layer.activation, y, slope)
                for i, j in layer.pool_offsets:
                    in_pool = (i * width + j) * filters + f
                    steps = (row, down * stride), (column, across * filters * ir.simd_width), (in_pool, ir.simd_width)
                    before = _through_pool(ir, layer, group, steps, slope)
                    if not unchanged:
                        ir.store(ir.gep(ir.pointer("before"), *steps), before)
                    if bias_sums is not None:
                        ir.store(sums[f], ir.fadd(ir.load(sums[f]), before))
        if bias_sums is not None:
            for f, total in sums.items():
                bias_sum = ir.gep(bias_sums, (f, ir.simd_width))
                ir.store(bias_sum, ir.fadd(ir.load(bias_sum), ir.load(total)))
    return gradient if unchanged else ir.pointer("before")


def _through_pool(
    ir: Function, layer: Activated, group: Index, steps: tuple[tuple[Index, int], ...], slope: Vector
) -> Vector:
    """The gradient of one pixel of a pool from that of the pool; `steps` lead to the pixel in its group, as for gep."""
    if layer.saves_mask:
        mask = ir.load_mask(mask_pointer(ir, layer, group, steps))
        return ir.select(mask, slope, ZERO)
    if layer.saves_activations:
        activations = group_pointer(ir, "kept", group, (*layer.positions, layer.filters))
        return vector_math.backpropagate(ir, layer.activation, ir.load(ir.gep(activations, *steps)), slope)
    return slope
