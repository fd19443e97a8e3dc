"""A kernel laid on every place of an image, for many samples side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from mlphys.native.llvm import Function, Value, Vectors

LOOPED = 3  # blocks of pixels that are alike; fewer are written one after the other


@dataclass(frozen=True)
class Laid:
    """A kernel (rows, columns, c, f) laid on every place of an image (h, w, c), `before` rows and columns outside."""

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    filters: int
    before: tuple[int, int]
    places: tuple[int, int]

    def row(
        self,
        code: Function,
        vectors: Vectors,
        x: str,
        w: str,
        y: Value,
        start: Callable[[int], str],
        finish: Callable[[Value, int, int, str], None],
    ) -> None:
        """The row of places y.

        `start(f)` is what the sum of a filter begins with, `finish(first, i, f, sum)` takes that at first + i.
        """
        height, width, channels = self.image
        rows, columns = self.kernel
        top, left = self.before
        first = code.integer("smax", 0, code.integer("sub", top, y))
        last = code.integer("smin", rows, code.integer("sub", height + top, y))
        line, wide = width * channels * code.lanes, columns * channels * self.filters
        above = code.at(x, (code.integer("sub", y, top), line))
        for filters in portions(self.filters, vectors.sums // 3):
            for x0, pixels in self._blocks(code, max(1, vectors.sums // len(filters))):
                taps = {i: self._taps(x0, i) for i in range(pixels)}
                sums = {(i, f): code.variable(code.vector, start(f)) for f in filters for i in range(pixels)}
                with code.loop(first, last) as t:
                    at_row = code.at(above, (t, line), (code.integer("sub", x0, left), channels * code.lanes))
                    at_tap = code.at(w, (t, wide))
                    with code.loop(0, channels) as c:
                        seen, weight = code.at(at_row, (c, code.lanes)), code.at(at_tap, (c, self.filters))
                        self._grow(code, sums, taps, seen, weight)
                for (i, f), total in sums.items():
                    finish(x0, i, f, code.get(total))

    def _grow(self, code: Function, sums: dict, taps: dict, seen: str, weight: str) -> None:
        """All taps of a row of the kernel, for one channel."""
        _, _, channels = self.image
        now = {key: code.get(total) for key, total in sums.items()}
        filters = sorted({f for _, f in sums})
        for tap in range(self.kernel[1]):
            pixels = {
                i: code.get(code.at(seen, (i + tap, channels * code.lanes)))
                for i, inside in taps.items()
                if tap in inside
            }
            for f in filters if pixels else ():
                factor = code.everywhere(code.number(code.at(weight, (tap * channels * self.filters + f, 1))))
                for i, pixel in pixels.items():
                    now[i, f] = code.times_plus(pixel, factor, now[i, f])
        for key, total in sums.items():
            code.put(total, now[key])

    def _taps(self, x0: Value, i: int) -> range:
        """The taps of a row of the kernel that lie in the image; blocks of a loop lie all inside."""
        if not isinstance(x0, int):
            return range(self.kernel[1])
        place = x0 + i - self.before[1]
        return range(max(0, -place), min(self.kernel[1], self.image[1] - place))

    def _blocks(self, code: Function, size: int) -> Iterator[tuple[Value, int]]:
        """First pixel and number of pixels of each block of a row."""
        width = self.places[1]

        def inside(x0: int) -> bool:
            """Whether the block is a whole one, away from the border."""
            last = x0 + size - 1 - self.before[1] + self.kernel[1] - 1
            return x0 >= self.before[1] and last < self.image[1] and x0 + size <= width

        for alike, run in groupby(range(0, width, size), inside):
            starts = list(run)
            if alike and len(starts) >= LOOPED:
                with code.loop(starts[0], starts[-1] + 1, size) as x0:
                    yield x0, size
            else:
                yield from ((x0, min(size, width - x0)) for x0 in starts)


def portions(count: int, most: int) -> list[range]:
    """0, 1, ... count - 1 in as few parts of about the same size as can be."""
    parts = math.ceil(count / most)
    size = math.ceil(count / parts)
    return [range(first, min(first + size, count)) for first in range(0, count, size)]
