"""Whole steps of training for a chain of dense layers: forwards, back, and the optimizer, by a few threads together.

A small net's step takes a tenth of a millisecond, in which no operation is worth a thread of its own. Here each
thread takes some samples forwards and back; when all are done, each takes some rows of every kernel, adds up their
gradient over the samples, and moves them while they lie in registers. So the threads meet twice in a step.
The order of every sum is fixed: the number of threads changes no bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlphys.native import activation
from mlphys.native.code import Function, Value, Vectors, constant
from mlphys.native.costs import Cost
from mlphys.native.laid import portions
from mlphys.native.rules import Rule

VALUES = 2  # recorded of each sample: its loss, and how good the output is otherwise
SPINS = 2000  # looks at whether the others are done, before the core is offered to another process


@dataclass(frozen=True)
class Layer:
    """f(x W + b)."""

    inputs: int
    outputs: int
    activation: str
    bias: bool

    def with_activation(self, name: str) -> Layer:
        return replace(self, activation=name)

    @property
    def rows(self) -> int:
        """Of the kernel with the bias as its last row, which sees a one."""
        return self.inputs + self.bias


@dataclass(frozen=True)
class Chain:
    """Layers, the cost behind them, and the rule by which they are moved.

    With `same` the target is the sample itself.
    """

    layers: tuple[Layer, ...]
    cost: Cost
    rule: Rule
    batch: int
    same: bool


@dataclass(frozen=True)
class Place:
    """A matrix in the room: rows of `width` numbers, those behind `used` being padding."""

    start: int
    rows: int
    used: int
    width: int

    @property
    def end(self) -> int:
        return self.start + self.rows * self.width


class Room:
    """Where everything lies in one array of float32.

    `kernels[l]` are the weights of layer l and its slots, `outputs[l]` what layer l takes: with a one behind it
    for the bias; the last are the outputs of the chain. `slopes[l]` is the gradient of the cost before the
    activation of layer l, `targets` of what the last should give.
    """

    def __init__(self, chain: Chain, vectors: Vectors):
        self.at_once = vectors.sums // 3  # samples, and rows of a kernel, in a block of sums
        self._end, self._lanes = 0, vectors.lanes
        samples = self._whole(chain.batch, self.at_once)
        widths = [chain.layers[0].inputs, *(layer.outputs for layer in chain.layers)]
        self.kernels = [
            [self._place(self._whole(layer.rows, self.at_once), layer.outputs) for _ in range(1 + chain.rule.slots)]
            for layer in chain.layers
        ]
        self.outputs = [self._place(samples, width, self._whole(width + 1, self.at_once)) for width in widths]
        self.slopes = [self._place(samples, layer.outputs) for layer in chain.layers]
        self.targets = self.outputs[0] if chain.same else self._place(samples, widths[-1])
        self.values = self._place(VALUES, samples)
        self.size = self._end

    def _place(self, rows: int, used: int, least: int = 0) -> Place:
        made = Place(self._end, rows, used, self._whole(max(used, least), self._lanes))
        self._end = self._whole(made.end, 16)  # a line of the cache
        return made

    @staticmethod
    def _whole(count: int, size: int) -> int:
        return math.ceil(count / size) * size


def steps(chain: Chain, vectors: Vectors) -> Function:
    """(x, targets, order, rates, room, totals, barrier, samples, first, last, thread, threads): train the steps
    first <= i < last.

    `order` (samples,) are rows of x, int32; `rates` are the rule's, one for each of these steps. The sums of what
    is recorded are added to `totals`, float64. `barrier` is a 64-bit zero that the threads share.
    """
    return _Steps(chain, vectors).written()


class _Steps:
    """The function being written."""

    def __init__(self, chain: Chain, vectors: Vectors):
        self.chain, self.vectors, self.room = chain, vectors, Room(chain, vectors)
        pointers = ("x", "targets", "order", "rates", "room", "totals", "barrier")
        self.code = Function(pointers, ("samples", "first", "last", "thread", "threads"), vectors.lanes)

    def written(self) -> Function:
        code, chain = self.code, self.chain
        with code.without_denormals():
            meetings = code.variable("i64", 0)
            with code.loop("%first", "%last") as step:
                start = code.integer("mul", step, chain.batch)
                count = code.integer("smin", chain.batch, code.integer("sub", "%samples", start))
                self._back_and_forth(start, count)
                self._meet(meetings)
                rate = code.number(code.at("%rates", (code.integer("sub", step, "%first"), 1)))
                for i in range(len(chain.layers)):
                    self._move(i, count, rate)
                with code.only_if(code.be("icmp eq i64 %thread, 0")):
                    for i in range(VALUES):
                        self._add_up(i, count)
                self._meet(meetings)
        return code

    def _back_and_forth(self, start: Value, count: Value) -> None:
        """The way of this thread's samples through the net and back."""
        code, room, chain = self.code, self.room, self.chain
        mine = self._share(code.integer("sdiv", code.integer("add", count, room.at_once - 1), room.at_once))
        first, last = (code.integer("mul", block, room.at_once) for block in mine)
        samples = first, code.integer("smin", last, count)
        self._gather(start, samples)
        for i in range(len(chain.layers)):
            self._forwards(i, mine, samples)
        with code.loop(*samples) as sample:
            rows = (self._row(place, sample) for place in (room.outputs[-1], room.targets, room.slopes[-1]))
            values = [self._number(room.values, i, sample) for i in range(VALUES)]
            chain.cost.written(code, *rows, values, count)
        for i in range(len(chain.layers) - 1, 0, -1):
            self._back(i, mine, samples)

    def _share(self, count: Value) -> tuple[Value, Value]:
        """The part of this thread, of so many."""
        code = self.code
        first = code.integer("sdiv", code.integer("mul", count, "%thread"), "%threads")
        behind = code.integer("mul", count, code.integer("add", "%thread", 1))
        return first, code.integer("sdiv", behind, "%threads")

    def _row(self, place: Place, row: Value) -> str:
        return self.code.at("%room", (place.start, 1), (row, place.width))

    def _number(self, place: Place, row: Value, column: Value) -> str:
        return self.code.at("%room", (place.start, 1), (row, place.width), (column, 1))

    def _gather(self, start: Value, samples: tuple[Value, Value]) -> None:
        code, room = self.code, self.room
        with code.loop(*samples) as sample:
            chosen = code.index(code.at("%order", (start, 1), (sample, 1)))
            self._copy("%x", chosen, room.outputs[0], sample)
            if not self.chain.same:
                self._copy("%targets", chosen, room.targets, sample)

    def _copy(self, source: str, chosen: str, place: Place, sample: Value) -> None:
        code = self.code
        there, here = code.at(source, (chosen, place.used)), self._row(place, sample)
        whole = place.used // code.lanes * code.lanes
        with code.loop(0, whole, code.lanes) as i:
            code.put(code.at(here, (i, 1)), code.get(code.at(there, (i, 1))))
        with code.loop(whole, place.used) as i:
            code.put_number(code.at(here, (i, 1)), code.number(code.at(there, (i, 1))))

    def _forwards(self, i: int, mine: tuple[Value, Value], samples: tuple[Value, Value]) -> None:
        """The outputs of layer i, a block of samples and a few columns of the kernel at a time."""
        code, layer, at_once = self.code, self.chain.layers[i], self.room.at_once
        seen, given, (kernel, *_) = self.room.outputs[i], self.room.outputs[i + 1], self.room.kernels[i]
        for column, width in self._columns(kernel):
            with code.loop(*mine) as block:
                first = code.integer("mul", block, at_once)
                sums = self._sums(at_once, len(width))
                x, w = self._row(seen, first), code.at("%room", (kernel.start, 1), (column, code.lanes))
                with code.loop(0, layer.rows) as row:
                    line = code.at(w, (row, kernel.width))
                    weights = {j: code.get(code.at(line, (j, code.lanes))) for j in width}
                    for s in range(at_once):
                        value = code.everywhere(code.number(code.at(x, (s, seen.width), (row, 1))))
                        for j in width:
                            code.put(sums[s, j], code.times_plus(value, weights[j], code.get(sums[s, j])))
                out = code.at(self._row(given, first), (column, code.lanes))
                for (s, j), total in sums.items():
                    value = activation.applied(code, layer.activation, code.get(total))
                    code.put(code.at(out, (s, given.width), (j, code.lanes)), value)
        if layer.outputs % code.lanes:  # the one for the bias was overwritten
            with code.loop(*samples) as sample:
                code.put_number(self._number(given, sample, layer.outputs), constant(1.0))

    def _sums(self, rows: int, columns: int) -> dict[tuple[int, int], str]:
        """Vectors that grow, from zero."""
        places = [(row, column) for row in range(rows) for column in range(columns)]
        return dict(zip(places, self.code.sums(len(places)), strict=True))

    def _columns(self, place: Place) -> Iterator[tuple[Value, range]]:
        """The vectors of a row, a few at a time: the first of them, and how many."""
        for size, run in itertools.groupby(portions(place.width // self.code.lanes, 3), len):
            parts = list(run)
            with self.code.loop(parts[0][0], parts[-1][-1] + 1, size) as column:
                yield column, range(size)

    def _back(self, i: int, mine: tuple[Value, Value], samples: tuple[Value, Value]) -> None:
        """The gradient before the activation of the layer below layer i."""
        code, layer, at_once = self.code, self.chain.layers[i], self.room.at_once
        slopes, found, (kernel, *_) = self.room.slopes[i], self.room.slopes[i - 1], self.room.kernels[i]
        for size, run in itertools.groupby(portions(layer.inputs, 3), len):
            parts = list(run)
            with code.loop(*mine) as block, code.loop(parts[0][0], parts[-1][-1] + 1, size) as row:
                first = code.integer("mul", block, at_once)
                sums = self._sums(at_once, size)
                d, w = self._row(slopes, first), self._row(kernel, row)
                with code.loop(0, kernel.width, code.lanes) as column:
                    values = [code.get(code.at(d, (s, slopes.width), (column, 1))) for s in range(at_once)]
                    for r in range(size):
                        weight = code.get(code.at(w, (r, kernel.width), (column, 1)))
                        for s in range(at_once):
                            code.put(sums[s, r], code.times_plus(values[s], weight, code.get(sums[s, r])))
                into = code.at(self._row(found, first), (row, 1))
                for (s, r), total in sums.items():
                    code.put_number(code.at(into, (s, found.width), (r, 1)), code.total(code.get(total)))
        below = self.chain.layers[i - 1]
        if below.activation != "linear":
            with code.loop(*samples) as sample, code.loop(0, found.width, code.lanes) as column:
                given = code.get(self._number(self.room.outputs[i], sample, column))
                at = self._number(found, sample, column)
                code.put(at, activation.through(code, below.activation, given, code.get(at)))

    def _move(self, i: int, count: Value, rate: str) -> None:
        """Add up the gradient of the weights of layer i, and move them: of the rows of this thread."""
        code, at_once = self.code, self.room.at_once
        seen, slopes, places = self.room.outputs[i], self.room.slopes[i], self.room.kernels[i]
        first, last = self._share(places[0].rows // at_once)
        for column, width in self._columns(slopes):
            with code.loop(first, last) as block:
                row = code.integer("mul", block, at_once)
                sums = self._sums(at_once, len(width))
                x = code.at("%room", (seen.start, 1), (row, 1))
                d = code.at("%room", (slopes.start, 1), (column, code.lanes))
                with code.loop(0, count) as sample:
                    line = code.at(d, (sample, slopes.width))
                    values = {j: code.get(code.at(line, (j, code.lanes))) for j in width}
                    at = code.at(x, (sample, seen.width))
                    for r in range(at_once):
                        value = code.everywhere(code.number(code.at(at, (r, 1))))
                        for j in width:
                            code.put(sums[r, j], code.times_plus(value, values[j], code.get(sums[r, j])))
                for (r, j), total in sums.items():
                    step = (row, slopes.width), (r, slopes.width), (column, code.lanes), (j, code.lanes)
                    where = [code.at("%room", (place.start, 1), *step) for place in places]
                    moved = self.chain.rule.moved(code, code.get(total), rate, [code.get(each) for each in where])
                    for each, value in zip(where, moved, strict=True):
                        code.put(each, value)

    def _add_up(self, i: int, count: Value) -> None:
        """Add the recorded values of the samples to their total, one after the other."""
        code = self.code
        total = code.at("%totals", (i, 1), unit="double")
        with code.loop(0, count) as sample:
            value = code.number(self._number(self.room.values, i, sample))
            code.add_to_double(total, value)

    def _meet(self, meetings: str) -> None:
        self.code.meet("%barrier", meetings, "%threads", SPINS)
