"""The cost of a sample and its gradient before the last activation, written for one row of outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlphys.native import vector_math
from mlphys.native.llvm import Function, Value

SMALLEST = 1e-7  # of a probability, as in Keras
LOWEST = -3.4028234663852886e38  # of float32


class Cost(Protocol):
    def written(self, code: Function, p: str, t: str, slopes: str, values: list[str], count: Value) -> None:
        """For outputs at p and targets at t: the gradient, to `slopes`, and what is recorded, to `values`.

        The cost of the batch is the mean over its `count` samples.
        """


@dataclass(frozen=True)
class OfOutputs:
    """`weight` times the mean over the outputs of (p - t)^2 or, `binary`, of the cross-entropy of p behind a sigmoid.

    Recorded beside it: the mean of (p - t)^2, or with `classes` whether the largest output is that of the class.
    """

    outputs: int
    activation: str
    weight: float
    binary: bool = False
    classes: bool = False

    def written(self, code: Function, p: str, t: str, slopes: str, values: list[str], count: Value) -> None:
        share = code.everywhere(code.ratio(self.weight / self.outputs, count))
        losses, squares = code.sums(2)
        for column, mask in code.columns(self.outputs):
            given, wanted = (code.masked(mask, code.get(code.at(each, (column, 1)))) for each in (p, t))
            difference = code.minus(given, wanted)
            square = code.times_plus(difference, difference, code.get(squares))
            code.put(squares, square)
            if self.binary:
                loss, slope = _binary(code, given, wanted, difference)
                code.put(losses, code.plus(code.get(losses), code.masked(mask, loss)))
            else:
                slope = vector_math.through(code, self.activation, given, code.plus(difference, difference))
            code.put(code.at(slopes, (column, 1)), code.masked(mask, code.times(share, slope)))
        loss = code.total(code.get(losses if self.binary else squares))
        code.put_number(values[0], code.product(loss, self.weight / self.outputs))
        if self.classes:
            code.put_number(values[1], _right(code, p, t, self.outputs))
        else:
            code.put_number(values[1], code.product(code.total(code.get(squares)), 1 / self.outputs))


def _binary(code: Function, p: str, t: str, difference: str) -> tuple[str, str]:
    """-t log p - (1 - t) log(1 - p), p kept from 0 and 1, and its gradient before the sigmoid."""
    least, most, one = (code.everywhere(x) for x in (SMALLEST, 1 - SMALLEST, 1.0))
    kept = code.smaller(code.larger(p, least), most)
    loss = code.times(t, vector_math.logarithm(code, kept))
    loss = code.times_plus(code.minus(one, t), vector_math.logarithm(code, code.minus(one, kept)), loss)
    inside = code.compare("ueq", p, kept)
    return code.negative(loss), code.where(inside, difference, "zeroinitializer")


@dataclass(frozen=True)
class OfClasses:
    """-sum_k t_k log p_k for p the softmax of what is at `p`.

    Recorded beside it: whether the class is the likeliest.
    """

    outputs: int

    def written(self, code: Function, p: str, t: str, slopes: str, values: list[str], count: Value) -> None:
        share = code.everywhere(code.ratio(1.0, count))
        largest = code.everywhere(_largest(code, p, self.outputs))
        whole, losses = code.sums(2)
        for column, mask in code.columns(self.outputs):
            power = code.minus(code.get(code.at(p, (column, 1))), largest)
            power = code.masked(mask, vector_math.exponential(code, power))
            code.put(code.at(slopes, (column, 1)), power)
            code.put(whole, code.plus(code.get(whole), power))
        total = code.everywhere(code.total(code.get(whole)))
        logarithm = vector_math.logarithm(code, total)
        for column, mask in code.columns(self.outputs):
            at = code.at(slopes, (column, 1))
            wanted = code.masked(mask, code.get(code.at(t, (column, 1))))
            difference = code.minus(code.over(code.get(at), total), wanted)
            code.put(at, code.times(share, difference))
            below = code.minus(largest, code.get(code.at(p, (column, 1))))
            loss = code.masked(mask, code.times(wanted, code.plus(logarithm, below)))
            code.put(losses, code.plus(code.get(losses), loss))
        code.put_number(values[0], code.total(code.get(losses)))
        code.put_number(values[1], _right(code, p, t, self.outputs))


def _largest(code: Function, p: str, outputs: int) -> str:
    """The largest output."""
    found = code.variable(code.vector, code.everywhere(LOWEST))
    for column, mask in code.columns(outputs):
        value = code.get(code.at(p, (column, 1)))
        value = code.where(mask, value, code.everywhere(LOWEST)) if mask else value
        code.put(found, code.larger(code.get(found), value))
    return code.largest(code.get(found))


def _right(code: Function, p: str, t: str, outputs: int) -> str:
    """The target of the first of the largest outputs: 1 where classes are told apart right, else 0."""
    largest = code.everywhere(_largest(code, p, outputs))
    place = code.variable("i64", outputs - 1)
    with code.loop(0, outputs) as i:
        back = code.integer("sub", outputs - 1, i)
        same = code.be(f"fcmp oeq float {code.number(code.at(p, (back, 1)))}, {code.first(largest)}")
        code.do(f"store i64 {code.be(f'select i1 {same}, i64 {back}, i64 {code.whole(place)}')}, ptr {place}")
    return code.number(code.at(t, (code.whole(place), 1)))
