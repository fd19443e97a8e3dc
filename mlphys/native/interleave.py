"""Samples laid side by side: number by number, as many samples as a vector has lanes.

(n, size) becomes (groups, size, lanes); lanes without a sample are zero. Blocks of lanes x lanes numbers are
transposed in registers.
"""

from __future__ import annotations

from mlphys.native.llvm import Function, Value


def side_by_side(lanes: int) -> Function:
    """(x, out, count, size): (count, size) to (groups, size, lanes)."""
    code, size = Function(("x", "out"), ("count", "size"), lanes), "%size"
    whole = _whole(code)
    with code.loop(0, _groups(code)) as group:
        out = code.at("%out", (code.integer("mul", group, size), lanes))
        rows = [_row(code, "%x", group, lane) for lane in range(lanes)]
        there = [code.be(f"icmp slt i64 {_sample(code, group, lane)}, %count") for lane in range(lanes)]
        with code.loop(0, whole, lanes) as i:
            found = [code.get(code.at(row, (i, 1))) for row in rows]
            kept = [
                code.be(f"select i1 {is_there}, {code.vector} {each}, {code.vector} zeroinitializer")
                for is_there, each in zip(there, found, strict=True)
            ]
            for step, each in enumerate(_transposed(code, kept)):
                code.put(code.at(out, (i, lanes), (step, lanes)), each)
        with code.loop(whole, size) as i:
            for lane in range(lanes):
                number = code.number(code.at(rows[lane], (i, 1)))
                number = code.be(f"select i1 {there[lane]}, float {number}, float 0.0")
                code.put_number(code.at(out, (i, lanes), (lane, 1)), number)
    return code


def one_by_one(lanes: int) -> Function:
    """(x, out, count, size): (groups, size, lanes) to (count, size)."""
    code, size = Function(("x", "out"), ("count", "size"), lanes), "%size"
    whole = _whole(code)
    with code.loop(0, _groups(code)) as group:
        x = code.at("%x", (code.integer("mul", group, size), lanes))
        rows = [_row(code, "%out", group, lane) for lane in range(lanes)]
        with code.loop(0, whole, lanes) as i:
            found = [code.get(code.at(x, (i, lanes), (step, lanes))) for step in range(lanes)]
            # the last first: lanes without a sample go to the last sample's row, and it comes after them
            for row, each in reversed([*zip(rows, _transposed(code, found), strict=True)]):
                code.put(code.at(row, (i, 1)), each)
        with code.loop(whole, size) as i:
            for lane in reversed(range(lanes)):
                number = code.number(code.at(x, (i, lanes), (lane, 1)))
                code.put_number(code.at(rows[lane], (i, 1)), number)
    return code


def _whole(code: Function) -> Value:
    """The numbers of a sample that make whole vectors."""
    vectors = code.integer("sdiv", "%size", code.lanes)
    return code.integer("mul", vectors, code.lanes)


def _groups(code: Function) -> Value:
    return code.integer("sdiv", code.integer("add", "%count", code.lanes - 1), code.lanes)


def _sample(code: Function, group: Value, lane: int) -> Value:
    return code.integer("add", code.integer("mul", group, code.lanes), lane)


def _row(code: Function, pointer: str, group: Value, lane: int) -> str:
    """Where the sample of a lane is; the last one for those that are not there."""
    sample = code.integer("smin", _sample(code, group, lane), code.integer("sub", "%count", 1))
    return code.at(pointer, (code.integer("mul", sample, "%size"), 1))


def _transposed(code: Function, rows: list[str]) -> list[str]:
    """As many vectors as lanes; halves, quarters, ... change places."""
    lanes, distance = len(rows), len(rows) // 2
    while distance:
        low = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
        high = [lane + distance if not lane & distance else lanes + lane for lane in range(lanes)]
        for first in (i for i in range(lanes) if not i & distance):
            a, b = rows[first], rows[first + distance]
            rows[first], rows[first + distance] = _chosen(code, a, b, low), _chosen(code, a, b, high)
        distance //= 2
    return rows


def _chosen(code: Function, a: str, b: str, lanes: list[int]) -> str:
    chosen = ", ".join(f"i32 {lane}" for lane in lanes)
    v = code.vector
    return code.be(f"shufflevector {v} {a}, {v} {b}, <{len(lanes)} x i32> <{chosen}>")
