"""Convolution, bias, activation and pooling of many samples side by side.

A vector holds the same number of as many samples as it has lanes (native/interleave.py): every operation fills it,
however few the channels, and taps outside of the image cost nothing. x is (groups, h, w, c, lanes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlphys.native import vector_math
from mlphys.native.llvm import Function, Value, Vectors
from mlphys.native.sliding_window import Laid


@dataclass(frozen=True)
class Convolution:
    """Stride 1. With `block` 2 the filters are those of the 2 x 2 pixels that lie on one of the input."""

    shape: tuple[int, int, int]
    filters: int
    kernel: tuple[int, int]
    padding: Literal["same", "valid"]
    activation: str = "linear"
    pool: tuple[int, int] = (1, 1)
    largest: bool = False  # of a pool, instead of the mean
    block: int = 1

    @property
    def before(self) -> tuple[int, int]:
        """Rows above and columns left of the image."""
        rows, columns = ((k - 1) // 2 if self.padding == "same" else 0 for k in self.kernel)
        return rows, columns

    @property
    def places(self) -> tuple[int, int]:
        """Height and width of what the kernel is laid on."""
        margins = (0 if self.padding == "same" else k - 1 for k in self.kernel)
        height, width = (n - margin for n, margin in zip(self.shape, margins, strict=False))
        return height, width

    @property
    def output(self) -> tuple[int, int, int]:
        """(h, w, c) of what comes out."""
        (height, width), (down, across) = self.places, self.pool
        return height * self.block // down, width * self.block // across, self.filters // self.block**2

    @property
    def weights(self) -> tuple[int, int, int, int]:
        return *self.kernel, self.shape[2], self.filters

    @property
    def pooled(self) -> bool:
        return self.pool != (1, 1)

    @property
    def cells(self) -> list[tuple[int, int]]:
        """The pixels of a pool."""
        return [(i, j) for i in range(self.pool[0]) for j in range(self.pool[1])]

    @property
    def keeps_values(self) -> bool:
        """Whether the way back needs what was pooled."""
        return self.pooled and not self.largest and self.activation in ("sigmoid", "tanh")

    @property
    def keeps_bits(self) -> bool:
        """Whether it needs to know of each pixel if it counted."""
        return self.pooled and (self.largest or self.activation == "relu")

    @property
    def needs_output(self) -> bool:
        """Whether the way back needs what came out."""
        if self.pooled:
            return self.largest and self.activation in ("sigmoid", "tanh")
        return self.activation != "linear"


def forward(made: Convolution, vectors: Vectors) -> Function:
    """(x, weights, biases, out, kept, rows, count): groups of samples through convolution to pooling.

    `kept` is for the way back: bits, values or nothing; `rows` is room for the rows of a pool.
    """
    code = Function(("x", "weights", "biases", "out", "kept", "rows"), ("count",), vectors.lanes)
    laid = Laid(made.shape, made.kernel, made.filters, made.before, made.places)
    (height, width), (down, _) = made.places, made.pool

    with code.loop(0, "%count") as group:
        x = of_group(code, "%x", group, made.shape)
        out = of_group(code, "%out", group, made.output)

        def convolve(y: Value, into: str) -> None:
            def finish(x0: Value, i: int, f: int, total: str) -> None:
                value = vector_math.applied(code, made.activation, total)
                code.put(pixel(code, made, into, x0, i, f), value)

            laid.row(code, vectors, x, "%weights", y, lambda f: _bias(code, f), finish)

        line = width * made.filters * vectors.lanes
        if not made.pooled:
            with code.loop(0, height) as y:
                convolve(y, code.at(out, (y, line)))
        else:
            values = of_group(code, "%kept", group, (*made.places, made.filters))
            with code.loop(0, height // down) as row:
                rows = code.at(values, (row, down * line)) if made.keeps_values else "%rows"
                with code.loop(0, down) as i:
                    convolve(code.integer("add", code.integer("mul", row, down), i), code.at(rows, (i, line)))
                _pool(code, made, rows, out, group, row)
    return code


def _bias(code: Function, f: int) -> str:
    return code.everywhere(code.number(code.at("%biases", (f, 1))))


def of_group(code: Function, pointer: str, group: Value, shape: tuple[int, ...]) -> str:
    return code.at(pointer, (group, math.prod(shape) * code.lanes))


def pixel(code: Function, made: Convolution, row: str, x0: Value, i: int, f: int) -> str:
    """Where filter f of the place x0 + i of a row goes; a row of blocks is `block` rows of pixels."""
    channels = made.filters // made.block**2
    inner, channel = divmod(f, channels)
    below, beside = divmod(inner, made.block)
    width = made.places[1] * made.block
    fixed = (below * width + i * made.block + beside) * channels + channel
    return code.at(row, (x0, made.block * channels * code.lanes), (fixed, code.lanes))


def bits(code: Function, made: Convolution, group: Value, place: tuple[tuple[Value, int], ...]) -> str:
    """Where the bits of the vector at `place` in a group are kept."""
    unit = bits_size(code.lanes)
    steps = [(index, size // code.lanes * unit) for index, size in place]
    return code.at("%kept", (group, math.prod(made.places) * made.filters * unit), *steps, unit="i8")


def bits_size(lanes: int) -> int:
    """Bytes."""
    return max(8, lanes) // 8


def _pool(code: Function, made: Convolution, rows: str, out: str, group: Value, row: Value) -> None:
    """One row of pools."""
    (_, width), (down, across), filters = made.places, made.pool, made.filters
    line = width * filters * code.lanes
    with code.loop(0, width // across) as column, code.loop(0, filters) as f:
        places, values = {}, {}
        for i, j in made.cells:
            step = (column, across * filters * code.lanes), (f, code.lanes), (i * width + j, filters * code.lanes)
            places[i, j] = (row, down * line), *step
            values[i, j] = code.get(code.at(rows, *step))
        result, *others = values.values()
        for value in others:
            if made.largest:
                result = code.where(code.compare("ogt", value, result), value, result)
            else:
                result = code.plus(result, value)
        if not made.largest:
            result = code.times(result, code.everywhere(1 / (down * across)))
        code.put(code.at(out, (row, line // across), (column, filters * code.lanes), (f, code.lanes)), result)
        if made.keeps_bits:
            for cell, counts in _counting(code, made, values, result).items():
                code.put_bits(bits(code, made, group, places[cell]), counts)


def _counting(code: Function, made: Convolution, values: dict, result: str) -> dict:
    """Through which pixels of a pool the gradient goes: of equal largest ones the first."""
    if not made.largest:
        return {cell: code.compare("ogt", value, "zeroinitializer") for cell, value in values.items()}
    truths = f"<{code.lanes} x i1>"
    free = code.compare("ogt", result, "zeroinitializer") if made.activation == "relu" else "splat (i1 true)"
    counting = {}
    for cell, value in values.items():
        found = code.be(f"and {truths} {code.compare('oeq', value, result)}, {free}")
        free = code.be(f"xor {truths} {free}, {found}")
        counting[cell] = found
    return counting
