"""Whole steps of training for a chain of dense layers: forwards, back, and the optimizer, by a few threads together.

A small net's step takes a tenth of a millisecond, in which handing an operation to a thread takes too long. Here the
threads stay, and each has some columns of every kernel for itself: it computes their outputs for all samples, adds
up their gradient and moves them while they lie in registers, so that no weight travels from core to core. What does
are the outputs and slopes of a batch; the threads meet when a layer is done.
The order of every sum is fixed: the number of threads changes no bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlphys.native import vector_math
from mlphys.native.dense_loss import Cost
from mlphys.native.llvm import Function, Value, Vectors, constant
from mlphys.native.optimizer_step import Rule
from mlphys.native.sliding_window import portions

AT_ONCE = 3  # vectors of a row that are worked on together
HALVES = 2  # of the columns of a kernel, over which the gradient of what it sees is added up one by one
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
    activation of layer l, the sum of `halves[l]` from the halves of the columns behind it; `targets` is what the
    chain should give.
    """

    def __init__(self, chain: Chain, vectors: Vectors):
        self.at_once = vectors.sums // AT_ONCE  # samples, and rows of a kernel, in a block of sums
        self._end, self._lanes = 0, vectors.lanes
        samples = self._whole(chain.batch, self.at_once)
        widths = [chain.layers[0].inputs, *(layer.outputs for layer in chain.layers)]
        self.kernels = [
            [self._place(self._whole(layer.rows, self.at_once), layer.outputs) for _ in range(1 + chain.rule.slots)]
            for layer in chain.layers
        ]
        self.outputs = [self._place(samples, width, self._whole(width + 1, self.at_once)) for width in widths]
        self.slopes = [self._place(samples, layer.outputs) for layer in chain.layers]
        self.halves = [[self._place(samples, layer.outputs) for _ in range(HALVES)] for layer in chain.layers[:-1]]
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
        self.chain, self.room = chain, Room(chain, vectors)
        pointers = ("x", "targets", "order", "rates", "room", "totals", "barrier")
        self.code = Function(pointers, ("samples", "first", "last", "thread", "threads"), vectors.lanes)

    def written(self) -> Function:
        code, chain = self.code, self.chain
        with code.without_denormals():
            self.meetings = code.variable("i64", 0)
            with code.loop("%first", "%last") as step:
                start = code.integer("mul", step, chain.batch)
                count = code.integer("smin", chain.batch, code.integer("sub", "%samples", start))
                self._back_and_forth(start, count)
                rate = code.number(code.at("%rates", (code.integer("sub", step, "%first"), 1)))
                for i in range(len(chain.layers)):
                    self._move(i, count, rate)
                with code.only_if(code.be("icmp eq i64 %thread, 0")):
                    for i in range(VALUES):
                        self._add_up(i, count)
                self._meet()
        return code

    def _back_and_forth(self, start: Value, count: Value) -> None:
        """The way of the samples through the net and back."""
        code, room, chain = self.code, self.room, self.chain
        blocks = code.integer("sdiv", code.integer("add", count, room.at_once - 1), room.at_once)
        mine = self._share(count)
        self._gather(start, mine)
        self._meet()
        for i in range(len(chain.layers)):
            self._forwards(i, blocks, count)
            self._meet()
        with code.loop(*mine) as sample:
            rows = (self._row(place, sample) for place in (room.outputs[-1], room.targets, room.slopes[-1]))
            values = [self._number(room.values, i, sample) for i in range(VALUES)]
            chain.cost.written(code, *rows, values, count)
        self._meet()
        for i in range(len(chain.layers) - 1, 0, -1):
            self._back(i, blocks)
            self._meet()
            self._add_halves(i - 1, count)
            self._meet()

    def _share(self, count: Value, thread: Value = "%thread", threads: Value = "%threads") -> tuple[Value, Value]:
        """The part of this thread, of so many."""
        code = self.code
        first = code.integer("sdiv", code.integer("mul", count, thread), threads)
        behind = code.integer("mul", count, code.integer("add", thread, 1))
        return first, code.integer("sdiv", behind, threads)

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

    def _forwards(self, i: int, blocks: Value, count: Value) -> None:
        """The outputs of layer i, a few columns of the kernel and a block of samples at a time."""
        code, layer, at_once = self.code, self.chain.layers[i], self.room.at_once
        seen, given, (kernel, *_) = self.room.outputs[i], self.room.outputs[i + 1], self.room.kernels[i]
        for column, width in self._columns(kernel):
            with code.loop(0, blocks) as block:
                first = code.integer("mul", block, at_once)
                sums = self._sums(at_once, width)
                x, w = self._row(seen, first), code.at("%room", (kernel.start, 1), (column, code.lanes))
                with code.loop(0, layer.rows) as row:
                    line = code.at(w, (row, kernel.width))
                    weights = [code.get(code.at(line, (j, code.lanes))) for j in range(width)]
                    for s in range(at_once):
                        value = code.everywhere(code.number(code.at(x, (s, seen.width), (row, 1))))
                        for j in range(width):
                            code.put(sums[s, j], code.times_plus(value, weights[j], code.get(sums[s, j])))
                out = code.at(self._row(given, first), (column, code.lanes))
                for (s, j), total in sums.items():
                    code.put(code.at(out, (s, given.width), (j, code.lanes)), code.get(total))
                if layer.activation not in ("linear", "softmax"):
                    with code.loop(0, at_once) as sample:
                        for j in range(width):
                            at = code.at(out, (sample, given.width), (j, code.lanes))
                            code.put(at, vector_math.applied(code, layer.activation, code.get(at)))
        if layer.outputs % code.lanes:  # with the last column the one for the bias is overwritten
            vectors = kernel.width // code.lanes
            has_it = code.be(f"icmp eq i64 {self._share(vectors)[1]}, {vectors}")
            with code.only_if(has_it), code.loop(0, count) as sample:
                code.put_number(self._number(given, sample, layer.outputs), constant(1.0))

    def _sums(self, rows: int, columns: int) -> dict[tuple[int, int], str]:
        """Vectors that grow, from zero."""
        places = [(row, column) for row in range(rows) for column in range(columns)]
        return dict(zip(places, self.code.sums(len(places)), strict=True))

    def _columns(self, place: Place) -> Iterator[tuple[Value, int]]:
        """This thread's vectors of a row, a few at a time: the first of them, and how many."""
        code, vectors = self.code, place.width // self.code.lanes
        first, last = self._share(vectors)
        rest = code.integer("srem", code.integer("sub", last, first), AT_ONCE)
        whole = code.integer("sub", last, rest)
        if vectors >= AT_ONCE:
            with code.loop(first, whole, AT_ONCE) as column:
                yield column, AT_ONCE
        for width in range(1, min(AT_ONCE, vectors + 1)):
            with code.only_if(code.be(f"icmp eq i64 {rest}, {width}")):
                yield whole, width

    def _back(self, i: int, blocks: Value) -> None:
        """The gradient of what layer i sees, added up over each half of the columns of its kernel.

        A thread takes the half that has its columns; where several do, they share the rows of the kernel.
        """
        code, layer, at_once = self.code, self.chain.layers[i], self.room.at_once
        slopes, halves, (kernel, *_) = self.room.slopes[i], self.room.halves[i - 1], self.room.kernels[i]
        own = code.integer("sdiv", code.integer("mul", "%thread", HALVES), "%threads")
        begins, ends = (
            code.integer("sdiv", code.integer("add", code.integer("mul", each, "%threads"), HALVES - 1), HALVES)
            for each in (own, code.integer("add", own, 1))
        )
        alone = code.be("icmp eq i64 %threads, 1")
        behind = code.be(f"select i1 {alone}, i64 {HALVES}, i64 {code.integer('add', own, 1)}")
        rank, sharing = code.integer("sub", "%thread", begins), code.integer("sub", ends, begins)
        vectors, apart = kernel.width // code.lanes, halves[1].start - halves[0].start
        for size, run in itertools.groupby(portions(layer.inputs, AT_ONCE), len):
            parts = list(run)
            with code.loop(own, behind) as half, code.loop(0, blocks) as block:
                columns = [
                    code.integer("mul", code.integer("sdiv", code.integer("mul", each, vectors), HALVES), code.lanes)
                    for each in (half, code.integer("add", half, 1))
                ]
                with code.loop(*self._share(len(parts), rank, sharing)) as part:
                    row = code.integer("add", code.integer("mul", part, size), parts[0][0])
                    first = code.integer("mul", block, at_once)
                    sums = self._sums(at_once, size)
                    d, w = self._row(slopes, first), self._row(kernel, row)
                    with code.loop(*columns, code.lanes) as column:
                        values = [code.get(code.at(d, (s, slopes.width), (column, 1))) for s in range(at_once)]
                        for r in range(size):
                            weight = code.get(code.at(w, (r, kernel.width), (column, 1)))
                            for s in range(at_once):
                                code.put(sums[s, r], code.times_plus(values[s], weight, code.get(sums[s, r])))
                    into = code.at(self._row(halves[0], first), (half, apart), (row, 1))
                    for (s, r), total in sums.items():
                        number = code.total(code.get(total))
                        code.put_number(code.at(into, (s, halves[0].width), (r, 1)), number)

    def _add_halves(self, i: int, count: Value) -> None:
        """The gradient before the activation of layer i, of this thread's columns."""
        code, layer, found, halves = self.code, self.chain.layers[i], self.room.slopes[i], self.room.halves[i]
        first, last = (code.integer("mul", each, code.lanes) for each in self._share(found.width // code.lanes))
        with code.loop(0, count) as sample, code.loop(first, last, code.lanes) as column:
            total, other = (code.get(self._number(place, sample, column)) for place in halves)
            total = code.plus(total, other)
            if layer.activation != "linear":
                given = code.get(self._number(self.room.outputs[i + 1], sample, column))
                total = vector_math.through(code, layer.activation, given, total)
            code.put(self._number(found, sample, column), total)

    def _move(self, i: int, count: Value, rate: str) -> None:
        """Add up the gradient of the weights of layer i, and move them: of the columns of this thread."""
        code, at_once = self.code, self.room.at_once
        seen, slopes, places = self.room.outputs[i], self.room.slopes[i], self.room.kernels[i]
        gradient = code.variable(f"[{at_once * AT_ONCE} x {code.vector}]", "zeroinitializer")
        for column, width in self._columns(slopes):
            with code.loop(0, places[0].rows, at_once) as row:
                sums = self._sums(at_once, width)
                x = code.at("%room", (seen.start, 1), (row, 1))
                d = code.at("%room", (slopes.start, 1), (column, code.lanes))
                with code.loop(0, count) as sample:
                    line = code.at(d, (sample, slopes.width))
                    values = [code.get(code.at(line, (j, code.lanes))) for j in range(width)]
                    at = code.at(x, (sample, seen.width))
                    for r in range(at_once):
                        value = code.everywhere(code.number(code.at(at, (r, 1))))
                        for j in range(width):
                            code.put(sums[r, j], code.times_plus(value, values[j], code.get(sums[r, j])))
                for (r, j), total in sums.items():
                    code.put(code.at(gradient, (r * AT_ONCE + j, code.lanes)), code.get(total))
                with code.loop(0, at_once) as r:
                    for j in range(width):
                        total = code.get(code.at(gradient, (r, AT_ONCE * code.lanes), (j, code.lanes)))
                        step = (row, slopes.width), (r, slopes.width), (column, code.lanes), (j, code.lanes)
                        where = [code.at("%room", (place.start, 1), *step) for place in places]
                        moved = self.chain.rule.moved(code, total, rate, [code.get(each) for each in where])
                        for each, value in zip(where, moved, strict=True):
                            code.put(each, value)

    def _add_up(self, i: int, count: Value) -> None:
        """Add the recorded values of the samples to their total, one after the other."""
        code = self.code
        total = code.at("%totals", (i, 1), unit="double")
        with code.loop(0, count) as sample:
            value = code.number(self._number(self.room.values, i, sample))
            code.add_to_double(total, value)

    def _meet(self) -> None:
        self.code.meet("%barrier", self.meetings, "%threads", SPINS)
