"""The way back through pooling, activation and convolution of many samples side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from mlphys.native import vector_math
from mlphys.native.conv_forward import Convolution, bits, of_group, pixel
from mlphys.native.llvm import Function, Value, Vectors
from mlphys.native.sliding_window import LOOPED, Laid, portions

CACHED = 24_576  # bytes of gradients that are gone through again and again


def sums_size(made: Convolution) -> int:
    """Vectors that `to_weights` adds up in."""
    return math.prod(made.weights) + made.filters


def to_weights(made: Convolution, vectors: Vectors) -> Function:
    """(x, gradient, out, kept, dweights, dbiases, before, sums, count) from the gradient of `out`.

    Room: `before` for the gradient behind the convolution, of a group; `sums` for vectors of sums.
    """
    pointers = ("x", "gradient", "out", "kept", "dweights", "dbiases", "before", "sums")
    code = Function(pointers, ("count",), vectors.lanes)
    count = math.prod(made.weights)
    of_biases = code.at("%sums", (count, code.lanes))
    with code.loop(0, sums_size(made)) as i:
        code.put(code.at("%sums", (i, code.lanes)), "zeroinitializer")
    with code.loop(0, "%count") as group:
        before = _before(code, made, vectors, group, of_biases)
        _add_to_weights(code, made, vectors, of_group(code, "%x", group, made.shape), before)
    for target, sums, size in (("%dweights", "%sums", count), ("%dbiases", of_biases, made.filters)):
        with code.loop(0, size) as i:
            code.put_number(code.at(target, (i, 1)), code.total(code.get(code.at(sums, (i, code.lanes)))))
    return code


def to_input(made: Convolution, vectors: Vectors) -> Function:
    """(weights, gradient, out, kept, dx, before, turned, count) from the gradient of `out`.

    Room: `before` as in `to_weights`, `turned` for the weights.
    """
    code = Function(("weights", "gradient", "out", "kept", "dx", "before", "turned"), ("count",), vectors.lanes)
    height, width, channels = made.shape
    above, left = (k - 1 - n for k, n in zip(made.kernel, made.before, strict=True))
    laid = Laid((*made.places, made.filters), made.kernel, channels, (above, left), (height, width))
    _turn(code, made)
    with code.loop(0, "%count") as group:
        before = _before(code, made, vectors, group)
        dx = of_group(code, "%dx", group, made.shape)
        with code.loop(0, height) as y:
            row = code.at(dx, (y, width * channels * code.lanes))

            def finish(x0: Value, i: int, c: int, total: str) -> None:
                code.put(code.at(row, (x0, channels * code.lanes), (i * channels + c, code.lanes)), total)

            laid.row(code, vectors, before, "%turned", y, lambda c: "zeroinitializer", finish)
    return code


def _turn(code: Function, made: Convolution) -> None:
    """The weights (rows, columns, c, f) turned round, as (rows, columns, f, c)."""
    rows, columns, channels, filters = made.weights
    last = rows * columns - 1
    with code.loop(0, rows * columns) as tap, code.loop(0, channels) as c, code.loop(0, filters) as f:
        weight = code.at("%weights", (tap, channels * filters), (c, filters), (f, 1))
        turned = (code.integer("sub", last, tap), channels * filters), (f, channels), (c, 1)
        code.put_number(code.at("%turned", *turned), code.number(weight))


def _before(code: Function, made: Convolution, vectors: Vectors, group: Value, of_biases: str | None = None) -> str:
    """The gradient behind the convolution, before bias is added: where it is. Its sums are added to `of_biases`."""
    (height, width), (down, across), filters = made.places, made.pool, made.filters
    gradient = of_group(code, "%gradient", group, made.output)
    as_given = not made.pooled and made.activation == "linear" and made.block == 1
    if as_given and of_biases is None:
        return gradient
    out = of_group(code, "%out", group, made.output)
    line, wide = width * filters * code.lanes, made.output[1] * made.output[2] * made.block * code.lanes
    for portion in portions(filters, vectors.sums // 3):
        sums = {f: code.variable(code.vector, "zeroinitializer") for f in portion}
        with code.loop(0, height // down) as row, code.loop(0, width // across) as column:
            for f in portion:
                slope = code.get(pixel(code, made, code.at(gradient, (row, wide)), column, 0, f))
                if made.pooled and not made.largest:
                    slope = code.times(slope, code.everywhere(1 / (down * across)))
                if made.needs_output:
                    given = code.get(pixel(code, made, code.at(out, (row, wide)), column, 0, f))
                    slope = vector_math.through(code, made.activation, given, slope)
                for i, j in made.cells:
                    place = (row, down * line), (column, across * filters * code.lanes)
                    place = *place, ((i * width + j) * filters + f, code.lanes)
                    found = _through_pool(code, made, group, place, slope)
                    if not as_given:
                        code.put(code.at("%before", *place), found)
                    if of_biases is not None:
                        code.put(sums[f], code.plus(code.get(sums[f]), found))
        for f, total in sums.items() if of_biases is not None else ():
            kept = code.at(of_biases, (f, code.lanes))
            code.put(kept, code.plus(code.get(kept), code.get(total)))
    return gradient if as_given else "%before"


def _through_pool(code: Function, made: Convolution, group: Value, place: tuple, slope: str) -> str:
    """The gradient of the pixel at `place`, from that of its pool."""
    if made.keeps_bits:
        counts = code.get_bits(bits(code, made, group, place))
        return code.where(counts, slope, "zeroinitializer")
    if made.keeps_values:
        values = of_group(code, "%kept", group, (*made.places, made.filters))
        return vector_math.through(code, made.activation, code.get(code.at(values, *place)), slope)
    return slope


def _add_to_weights(code: Function, made: Convolution, vectors: Vectors, x: str, before: str) -> None:
    """Add what a group says of the weights to `sums`, a few rows of its gradient at a time."""
    (height, width), (in_height, in_width, channels), filters = made.places, made.shape, made.filters
    rows, columns = made.kernel
    top, left = made.before
    line, wide = in_width * channels * code.lanes, width * filters * code.lanes
    strip = max(1, min(height, CACHED // (4 * wide)))
    with code.loop(0, height, strip) as y0, code.loop(0, rows) as t, code.loop(0, channels) as c:
        first = code.integer("smax", y0, code.integer("sub", top, t))
        last = code.integer("smin", code.integer("add", y0, strip), height)
        last = code.integer("smin", last, code.integer("sub", in_height + top, t))
        seen = code.at(x, (code.integer("sub", t, top), line), (c, code.lanes))
        into = code.at("%sums", (t, columns * channels * filters * code.lanes), (c, filters * code.lanes))
        for taps in portions(columns, max(1, vectors.sums // 2)):
            for portion in portions(filters, max(1, (vectors.sums - 3) // len(taps))):
                keys = [(tap, f) for tap in taps for f in portion]
                places = {(tap, f): code.at(into, (tap * channels * filters + f, code.lanes)) for tap, f in keys}
                sums = {key: code.variable(code.vector, code.get(place)) for key, place in places.items()}
                with code.loop(first, last) as y:
                    pixels, slopes = code.at(seen, (y, line)), code.at(before, (y, wide))
                    for column, inside in _columns(code, taps, left, width, in_width):
                        at = code.at(slopes, (column, filters * code.lanes))
                        slope = {f: code.get(code.at(at, (f, code.lanes))) for f in portion}
                        for tap in inside:
                            steps = (column, channels * code.lanes), (tap - left, channels * code.lanes)
                            value = code.get(code.at(pixels, *steps))
                            for f in portion:
                                code.put(sums[tap, f], code.times_plus(value, slope[f], code.get(sums[tap, f])))
                for key, place in places.items():
                    code.put(place, code.get(sums[key]))


def _columns(code: Function, taps: range, left: int, width: int, in_width: int) -> Iterator[tuple[Value, list[int]]]:
    """The columns of a row, with the taps that lie in the image: all of them but at the borders."""
    inside = [[tap for tap in taps if 0 <= column + tap - left < in_width] for column in range(width)]
    for seen, run in groupby(range(width), lambda column: inside[column]):
        columns = list(run)
        if len(columns) >= LOOPED:
            with code.loop(columns[0], columns[-1] + 1) as column:
                yield column, seen
        elif seen:
            yield from ((column, seen) for column in columns)
