"""Affine transformations of images: the operations of TensorFlow's ImageProjectiveTransformV3 in their order, so that
the results have the same bits."""

from __future__ import annotations

from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Mask, Pointer, Vector

EDGES = ("constant", "nearest", "reflect")
COEFFICIENTS = 8  # of an image; the last two are those of a projection, and zero
LARGEST_IMAGE = 2**24  # values: as many pixels are counted exactly in float32


def affine_map(height: int, width: int, channels: int, edges: str, simd_width: int) -> Function:
    """y from x, images (n, height, width, channels), and moves (n, 8), all float32: those from `start` to `stop`.

    The output pixel (column, row) shows the input at (m0 column + m1 row + m2, m3 column + m4 row + m5), bilinear.
    """
    ir = Function(("x", "moves", "y"), ("start", "stop"), simd_width)
    with ir.flush_denormals(), ir.loop(ir.integer("start"), ir.integer("stop")) as n:
        x, y = (ir.gep(ir.pointer(name), (n, height * width * channels)) for name in ("x", "y"))
        moves = ir.gep(ir.pointer("moves"), (n, COEFFICIENTS))
        with ir.loop(0, height) as row:
            for column, mask in ir.vector_loop(width):
                at_x, at_y = _places(ir, moves, row, column)
                corners = _Corners(ir, _inside(ir, at_x, width, edges), _inside(ir, at_y, height, edges), height, width)
                start = ir.gep(y, (row, width * channels), (column, channels))
                with ir.loop(0, channels) as channel:
                    value = corners.interpolated(ir.gep(x, (channel, 1)), channels)
                    ir.scatter_masked(mask, ir.gep(start, (channel, 1)), channels, value)
    return ir


def _places(ir: Function, moves: Pointer, row: Index, column: Index) -> tuple[Vector, Vector]:
    """The x and y in the input of a vector of output pixels of a row."""
    lanes = Vector(f"<{', '.join(f'float {i}.0' for i in range(ir.simd_width))}>")
    columns, rows = ir.fadd(ir.broadcast(ir.to_float(column)), lanes), ir.broadcast(ir.to_float(row))
    m = [ir.broadcast(ir.load_scalar(ir.gep(moves, (i, 1)))) for i in range(6)]
    x, y = (ir.fadd(ir.fadd(ir.fmul(a, columns), ir.fmul(b, rows)), c) for a, b, c in (m[:3], m[3:]))
    return x, y


def _inside(ir: Function, place: Vector, size: int, edges: str) -> Vector:
    """The place along an axis whose value stands for that at `place`, which may lie outside of the image."""
    if edges == "constant":
        return place
    if edges == "reflect":  # d c b a | a b c d | d c b a
        place = _reflected(ir, place, size)
    return ir.maximum(ir.minimum(place, ir.broadcast(size - 1.0)), ZERO)


def _reflected(ir: Function, place: Vector, size: int) -> Vector:
    one, period = ir.broadcast(1.0), ir.broadcast(2.0 * size)
    low = ir.fadd(ir.fmul(period, ir.round_to_zero(ir.fdiv(ir.fneg(place), period))), place)
    farther = ir.fcmp("olt", low, ir.broadcast(-1.0 * size))
    low = ir.select(farther, ir.fadd(low, period), ir.fsub(ir.fneg(low), one))
    high = ir.fsub(place, ir.fmul(period, ir.round_to_zero(ir.fdiv(place, period))))
    farther = ir.fcmp("oge", high, ir.broadcast(1.0 * size))
    high = ir.select(farther, ir.fsub(ir.fsub(period, high), one), high)
    high = ir.select(ir.fcmp("ogt", place, ir.broadcast(size - 1.0)), high, place)
    return ir.select(ir.fcmp("olt", place, ZERO), low, high)


class _Corners:
    """The four input pixels around each of a vector of places: zero outside of the image."""

    def __init__(self, ir: Function, x: Vector, y: Vector, height: int, width: int):
        self._ir, self._width = ir, width
        left, top = ir.floor(x), ir.floor(y)
        right, bottom = (ir.fadd(corner, ir.broadcast(1.0)) for corner in (left, top))
        self._to_left, self._to_right = ir.fsub(x, left), ir.fsub(right, x)
        self._to_top, self._to_bottom = ir.fsub(y, top), ir.fsub(bottom, y)
        self._columns = [self._within(each, width) for each in (left, right)]
        self._rows = [self._within(each, height) for each in (top, bottom)]
        # beyond what an integer holds nothing is read
        left, top = self._clamped(left, width), self._clamped(top, height)
        self._first = ir.to_int(ir.fadd(ir.fmul(top, ir.broadcast(float(width))), left))

    def _within(self, place: Vector, size: int) -> Mask:
        return self._ir.both(
            self._ir.fcmp("oge", place, ZERO), self._ir.fcmp("olt", place, self._ir.broadcast(float(size)))
        )

    def _clamped(self, place: Vector, size: int) -> Vector:
        return self._ir.maximum(self._ir.minimum(place, self._ir.broadcast(float(size))), self._ir.broadcast(-1.0))

    def interpolated(self, image: Pointer, channels: int) -> Vector:
        """The values at the places of an image whose pixels are `channels` floats apart."""
        top, bottom = (self._along_row(image, row, channels) for row in (0, 1))
        return self._ir.fadd(self._ir.fmul(self._to_bottom, top), self._ir.fmul(self._to_top, bottom))

    def _along_row(self, image: Pointer, row: int, channels: int) -> Vector:
        left, right = (
            self._ir.gather_masked(
                self._ir.both(self._rows[row], self._columns[column]),
                self._ir.gep(image, ((row * self._width + column) * channels, 1)),
                self._ir.scaled(self._first, channels),
            )
            for column in (0, 1)
        )
        return self._ir.fadd(self._ir.fmul(self._to_right, left), self._ir.fmul(self._to_left, right))
