"""Batch normalization (Ioffe & Szegedy 2015), activation and pooling of batch-interleaved values.

The last group may lack samples: their lanes count neither in the moments nor in the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mlphys.native import vector_math
from mlphys.native.activated import Activated, emit_rows, group_pointer, pixel_pointer, preactivation_gradient
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Mask, Pointer, Scalar, Vector
from mlphys.native.processor import SimdUnit
from mlphys.native.sliding_window import split_evenly

Steps = tuple[tuple[Index, int], ...]  # as for gep


@dataclass(frozen=True)
class Scaling(Activated):
    """Each channel times a factor, plus a shift; its activation and the pooling after it."""

    input_shape: tuple[int, int, int]
    activation: str = "linear"
    pool_size: tuple[int, int] = (1, 1)
    max_pooling: bool = False  # or average pooling

    @property
    def filters(self) -> int:  # type: ignore[override]
        return self.input_shape[2]

    @property
    def positions(self) -> tuple[int, int]:
        return self.input_shape[:2]


def moments(shape: tuple[int, int, int], simd: SimdUnit) -> Function:
    """(x, mean, deviations, sums, count, groups): per channel, the mean of `count` samples, and the sum of the squared
    deviations from it. Scratch space: `sums` for a vector per channel.
    """
    ir = Function(("x", "mean", "deviations", "sums"), ("count", "groups"), simd.width)
    numbers = ir.smax(ir.mul(ir.integer("count"), math.prod(shape[:2])), 1)  # of a part without samples the mean is 0

    def sum_over_groups(term: Callable[[int, Vector], Vector]) -> None:
        _clear(ir, "sums", shape[2])
        with ir.loop(0, ir.integer("groups")) as group:
            x, present = group_pointer(ir, "x", group, shape), _present(ir, group)
            _add(ir, simd, shape, lambda f, steps: ir.masked(present, term(f, ir.load(ir.gep(x, *steps)))))

    def square(f: int, value: Vector) -> Vector:
        deviation = ir.fsub(value, _of_channel(ir, "mean", f))
        return ir.fmul(deviation, deviation)

    sum_over_groups(lambda f, value: value)
    _reduce(ir, "sums", "mean", shape[2], ir.ratio(1.0, numbers))
    sum_over_groups(square)
    _reduce(ir, "sums", "deviations", shape[2])
    return ir


def forward(scaling: Scaling, simd: SimdUnit) -> Function:
    """(x, factors, shifts, out, kept, rows, count): `count` groups; the others are those of `emit_rows`."""
    ir = Function(("x", "factors", "shifts", "out", "kept", "rows"), ("count",), simd.width)
    (_, width), filters = scaling.positions, scaling.filters
    with ir.loop(0, ir.integer("count")) as group:
        x = group_pointer(ir, "x", group, scaling.input_shape)

        def scale_row(y: Index, target: Pointer) -> None:
            row = ir.gep(x, (y, width * filters * ir.simd_width))
            for portion in split_evenly(filters, simd.accumulators // 3):
                factors = {f: (_of_channel(ir, "factors", f), _of_channel(ir, "shifts", f)) for f in portion}
                with ir.loop(0, width) as column:
                    for f, (factor, shift) in factors.items():
                        value = ir.load(ir.gep(row, (column, filters * ir.simd_width), (f, ir.simd_width)))
                        value = vector_math.activate(ir, scaling.activation, ir.fma(value, factor, shift))
                        ir.store(pixel_pointer(ir, scaling, target, column, 0, f), value)

        emit_rows(ir, scaling, group, scale_row)
    return ir


def parameter_gradient(scaling: Scaling, simd: SimdUnit) -> Function:
    """(x, gradient, out, kept, mean, dfactors, dshifts, before, sums, shift_sums, count): per channel, the sum of the
    pre-activation gradient times x - mean, and its sum.

    `gradient` is the one with respect to `out`; `out` and `kept` are those of the forward pass. Scratch space: `before`
    for the pre-activation gradient of a group, `sums` and `shift_sums` for a vector per channel.
    """
    pointers = ("x", "gradient", "out", "kept", "mean", "dfactors", "dshifts", "before", "sums", "shift_sums")
    ir = Function(pointers, ("count",), simd.width)
    for name in ("sums", "shift_sums"):
        _clear(ir, name, scaling.filters)
    with ir.loop(0, ir.integer("count")) as group:
        before = preactivation_gradient(ir, scaling, simd, group, ir.pointer("shift_sums"))
        x = group_pointer(ir, "x", group, scaling.input_shape)

        def term(f: int, steps: Steps) -> Vector:
            deviation = ir.fsub(ir.load(ir.gep(x, *steps)), _of_channel(ir, "mean", f))
            return ir.fmul(deviation, ir.load(ir.gep(before, *steps)))

        _add(ir, simd, scaling.input_shape, term)
    _reduce(ir, "sums", "dfactors", scaling.filters)
    _reduce(ir, "shift_sums", "dshifts", scaling.filters)
    return ir


def input_gradient(scaling: Scaling, simd: SimdUnit) -> Function:
    """(x, gradient, out, kept, of_gradient, of_x, constant, dx, before, count, groups): the pre-activation gradient and
    x, each times a factor per channel, plus a constant per channel: it flows through the moments too.

    The other arguments are those of `parameter_gradient`; `count` is the number of samples.
    """
    pointers = ("x", "gradient", "out", "kept", "of_gradient", "of_x", "constant", "dx", "before")
    ir = Function(pointers, ("count", "groups"), simd.width)
    filters = scaling.filters
    with ir.loop(0, ir.integer("groups")) as group:
        before = preactivation_gradient(ir, scaling, simd, group)
        present = _present(ir, group)
        x, dx = (group_pointer(ir, name, group, scaling.input_shape) for name in ("x", "dx"))
        for portion in split_evenly(filters, simd.accumulators // 4):
            names = ("of_gradient", "of_x", "constant")
            factors = {f: [_of_channel(ir, name, f) for name in names] for f in portion}
            with ir.loop(0, math.prod(scaling.positions)) as position:
                for f, (of_gradient, of_x, constant) in factors.items():
                    steps = (position, filters * ir.simd_width), (f, ir.simd_width)
                    value = ir.fma(ir.load(ir.gep(x, *steps)), of_x, constant)
                    value = ir.fma(ir.load(ir.gep(before, *steps)), of_gradient, value)
                    ir.store(ir.gep(dx, *steps), ir.masked(present, value))
    return ir


def _present(ir: Function, group: Index) -> Mask:
    """Which lanes of a group hold a sample."""
    return ir.below(ir.mul(group, ir.simd_width), ir.integer("count"))


def _of_channel(ir: Function, name: str, f: int) -> Vector:
    return ir.broadcast(ir.load_scalar(ir.gep(ir.pointer(name), (f, 1))))


def _add(ir: Function, simd: SimdUnit, shape: tuple[int, int, int], term: Callable[[int, Steps], Vector]) -> None:
    """Add to `sums`, for each channel, `term(channel, steps)` of all positions of a group, to which the steps lead."""
    for portion in split_evenly(shape[2], simd.accumulators // 2):
        totals = {f: ir.alloca(ir.vector, ZERO) for f in portion}
        with ir.loop(0, shape[0] * shape[1]) as position:
            for f, total in totals.items():
                steps = (position, shape[2] * ir.simd_width), (f, ir.simd_width)
                ir.store(total, ir.fadd(ir.load(total), term(f, steps)))
        for f, total in totals.items():
            place = ir.gep(ir.pointer("sums"), (f, ir.simd_width))
            ir.store(place, ir.fadd(ir.load(place), ir.load(total)))


def _clear(ir: Function, name: str, channels: int) -> None:
    with ir.loop(0, channels) as f:
        ir.store(ir.gep(ir.pointer(name), (f, ir.simd_width)), ZERO)


def _reduce(ir: Function, name: str, target: str, channels: int, factor: Scalar | None = None) -> None:
    """The sum of each channel's vector, times the factor."""
    with ir.loop(0, channels) as f:
        total = ir.reduce_add(ir.load(ir.gep(ir.pointer(name), (f, ir.simd_width))))
        ir.store_scalar(ir.gep(ir.pointer(target), (f, 1)), ir.product(total, factor) if factor else total)
