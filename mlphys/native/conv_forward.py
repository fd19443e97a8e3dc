"""Forward pass of convolution, bias, activation and pooling on batch-interleaved images.

Images are (groups, h, w, c, simd_width): a vector holds the same pixel and channel of `simd_width` samples
(native/interleave.py). So every vector is full, however few the channels, and taps outside of the image cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlphys.native import vector_math
from mlphys.native.llvm import ZERO, Function, Index, Mask, Pointer, SimdUnit, Vector
from mlphys.native.sliding_window import SlidingWindow


@dataclass(frozen=True)
class Convolution:
    """A convolution, its activation and the pooling after it.

    `upsampling` 2, without strides: each output position is a block of 2 x 2 pixels, whose filters are consecutive (sub-pixel
    convolution, Shi et al. 2016).
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
    def output_shape(self) -> tuple[int, int, int]:
        """(h, w, c) after pooling."""
        (height, width), (down, across) = self.positions, self.pool_size
        n = self.upsampling
        return height * n // down, width * n // across, self.filters // n**2

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return *self.kernel_size, self.input_shape[2], self.filters

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


def forward(conv: Convolution, simd: SimdUnit) -> Function:
    """(x, weights, biases, out, kept, rows, count): `count` groups of samples through convolution and pooling.

    `kept` are the activations or masks that the backward pass needs, `rows` is scratch space for the rows of a pool.
    """
    ir = Function(("x", "weights", "biases", "out", "kept", "rows"), ("count",), simd.width)
    window = SlidingWindow(conv.input_shape, conv.kernel_size, conv.filters, conv.margin, conv.positions, conv.strides)
    (height, width), (down, _) = conv.positions, conv.pool_size

    with ir.loop(0, ir.integer("count")) as group:
        x = group_pointer(ir, "x", group, conv.input_shape)
        out = group_pointer(ir, "out", group, conv.output_shape)

        def convolve_row(y: Index, target: Pointer) -> None:
            def finish(x0: Index, i: int, f: int, total: Vector) -> None:
                value = vector_math.activate(ir, conv.activation, total)
                ir.store(pixel_pointer(ir, conv, target, x0, i, f), value)

            window.emit_row(ir, simd, x, ir.pointer("weights"), y, lambda f: _bias(ir, f), finish)

        stride = width * conv.filters * simd.width
        if not conv.pools:
            with ir.loop(0, height) as y:
                convolve_row(y, ir.gep(out, (y, stride)))
        else:
            activations = group_pointer(ir, "kept", group, (*conv.positions, conv.filters))
            with ir.loop(0, height // down) as row:
                rows = ir.gep(activations, (row, down * stride)) if conv.saves_activations else ir.pointer("rows")
                with ir.loop(0, down) as i:
                    convolve_row(ir.add(ir.mul(row, down), i), ir.gep(rows, (i, stride)))
                _pool_row(ir, conv, rows, out, group, row)
    return ir


def _bias(ir: Function, f: int) -> Vector:
    return ir.broadcast(ir.load_scalar(ir.gep(ir.pointer("biases"), (f, 1))))


def group_pointer(ir: Function, name: str, group: Index, shape: tuple[int, ...]) -> Pointer:
    """The group's images of that shape in the argument `name`."""
    return ir.gep(ir.pointer(name), (group, math.prod(shape) * ir.simd_width))


def pixel_pointer(ir: Function, conv: Convolution, row: Pointer, x0: Index, i: int, f: int) -> Pointer:
    """Filter f of position x0 + i in the pixels of a row; with upsampling a row of positions is two rows of pixels."""
    n = conv.upsampling
    channels = conv.filters // n**2
    subpixel, channel = divmod(f, channels)
    below, right = divmod(subpixel, n)
    width = conv.positions[1] * n
    constant = (below * width + i * n + right) * channels + channel
    return ir.gep(row, (x0, n * channels * ir.simd_width), (constant, ir.simd_width))


def mask_pointer(ir: Function, conv: Convolution, group: Index, steps: tuple[tuple[Index, int], ...]) -> Pointer:
    """The saved mask of the vector that `steps`, as for gep, lead to in the activations of a group."""
    size = mask_bytes(ir.simd_width)
    byte_steps = [(index, stride // ir.simd_width * size) for index, stride in steps]
    group_size = math.prod(conv.positions) * conv.filters * size
    return ir.gep(ir.pointer("kept"), (group, group_size), *byte_steps, element="i8")


def mask_bytes(simd_width: int) -> int:
    """Bytes of a saved mask."""
    return max(8, simd_width) // 8


def _pool_row(ir: Function, conv: Convolution, rows: Pointer, out: Pointer, group: Index, row: Index) -> None:
    """Reduce `rows`, as many as a pool is high, to one row of the output."""
    (_, width), (down, across), filters = conv.positions, conv.pool_size, conv.filters
    stride, pixel_stride = width * filters * ir.simd_width, filters * ir.simd_width
    with ir.loop(0, width // across) as column, ir.loop(0, filters) as f:
        steps, values = {}, {}
        for i, j in conv.pool_offsets:
            in_rows = (column, across * pixel_stride), (f, ir.simd_width), (i * width + j, pixel_stride)
            steps[i, j] = (row, down * stride), *in_rows
            values[i, j] = ir.load(ir.gep(rows, *in_rows))
        result, *others = values.values()
        for value in others:
            if conv.max_pooling:
                result = ir.select(ir.fcmp("ogt", value, result), value, result)
            else:
                result = ir.fadd(result, value)
        if not conv.max_pooling:
            result = ir.fmul(result, ir.broadcast(1 / (down * across)))
        ir.store(ir.gep(out, (row, stride // across), (column, pixel_stride), (f, ir.simd_width)), result)
        if conv.saves_mask:
            for offset, mask in _pool_masks(ir, conv, values, result).items():
                ir.store_mask(mask_pointer(ir, conv, group, steps[offset]), mask)


def _pool_masks(
    ir: Function, conv: Convolution, values: dict[tuple[int, int], Vector], result: Vector
) -> dict[tuple[int, int], Mask]:
    """Which pixels of a pool receive the gradient: of equal maxima the first."""
    if not conv.max_pooling:
        return {offset: ir.fcmp("ogt", value, ZERO) for offset, value in values.items()}
    type_ = f"<{ir.simd_width} x i1>"
    free = str(ir.fcmp("ogt", result, ZERO)) if conv.activation == "relu" else "splat (i1 true)"
    masks = {}
    for offset, value in values.items():
        mask = ir.assign(f"and {type_} {ir.fcmp('oeq', value, result)}, {free}")
        free = ir.assign(f"xor {type_} {free}, {mask}")
        masks[offset] = Mask(mask)
    return masks
