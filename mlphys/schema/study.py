"""The block `study`: what many runs of one config differ in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from mlphys.schema.document import flow
from mlphys.schema.fields import Count
from mlphys.schema.spec import Spec

EXAMPLES = "a list such as [16, 32, 64], a range such as 1e-3:1:log7 or 0:1:lin6, or a block that names each value"
RANGE = re.compile(r"([^:]+):([^:]+):(lin|log)(\d{1,5})?")
LONGEST_RANGE = 10_000


def _grid_values(value: Any) -> Any:
    axis(value)
    return value


GridValues = Annotated[
    Any, PlainValidator(_grid_values), WithJsonSchema({"type": ["array", "string", "object"], "minItems": 1})
]


class Study(Spec):
    """Many runs of one config: a run for each combination of the grid's values, for each seed, for each fold."""

    grid: dict[str, GridValues] = Field({})
    """The values of each key that varies: a list, a range of equal ratios or steps, or a block that names each value;
    several keys make a product; ranges are 1e-3:1:log7 or 0:1:lin6; a search takes all values of a range. Example:
    {training.batch_size: [16, 64]}
    """
    search: Count | None = None
    """The number of trials of a search, each with values that those before suggest; null: every combination. Example:
    30
    """
    prune: bool = True
    """Of a search: whether a trial ends early whose validation curve is below the median of the others."""
    seeds: Count | None = None
    """The number of runs that differ only in the seed, counted up from the config's; null: one. Example: 5"""
    evaluate: Literal["validation", "test"] | None = None
    """The split on which runs are measured; null: test for seeds alone, otherwise validation."""


@dataclass(frozen=True)
class Range:
    """Numbers from the first to the last, by equal ratios (`log`) or steps; `count` of them, None: all.

    `whole` says that both ends are written as whole numbers.
    """

    first: float
    last: float
    log: bool
    count: int | None
    whole: bool

    def values(self) -> list[int | float]:
        """The values, of six digits; whole ones where all are and both ends were written so."""
        if self.count is None:
            raise ValueError("a grid needs the number of values, such as log7 or lin6; a search takes a range without")
        steps = [i / (self.count - 1) for i in range(self.count)]
        if self.log:
            inner = [math.exp(math.log(self.first) + step * math.log(self.last / self.first)) for step in steps]
        else:
            inner = [self.first + step * (self.last - self.first) for step in steps]
        values = [self.first, *(float(f"{value:.6g}") for value in inner[1:-1]), self.last]
        whole = self.whole and all(value.is_integer() for value in values)
        return [int(value) for value in values] if whole else list(values)


def options(values: Any) -> dict[str, Any]:
    """The values of a grid's key by their labels. Raises ValueError for none, equal ones, or a range that is none."""
    points = axis(values)
    return _named(points.values()) if isinstance(points, Range) else points


def axis(values: Any) -> Range | dict[str, Any]:
    """A range, or values by their labels. Raises ValueError for none, equal ones, or a range that is none."""
    if isinstance(values, str):
        interval = _range(values)
        if interval.count is not None:
            _named(interval.values())
        return interval
    if isinstance(values, dict):
        return _named(list(values.values()), [str(name) for name in values])
    if isinstance(values, list):
        return _named(values)
    raise ValueError(f"expected {EXAMPLES}")


def _named(values: list[Any], names: list[str] | None = None) -> dict[str, Any]:
    if not values:
        raise ValueError(f"an empty grid trains nothing; write {EXAMPLES}")
    values_by_key: dict[Any, Any] = {}
    for value in values:
        same = _comparable(value)
        if same in values_by_key:
            raise ValueError(f"{flow(values_by_key[same])} and {flow(value)} are equal; leave one out")
        values_by_key[same] = value
    return dict(zip(names or map(flow, values), values, strict=True))


def _comparable(value: Any) -> Any:
    """1 and 1.0 are the same value, true and 1 are not."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else flow(value)


def _range(text: str) -> Range:
    """`1e-3:1:log7` and `0:1:lin6`, or without the number of values. Raises ValueError."""
    match = RANGE.fullmatch(text.replace(" ", ""))
    if not match:
        commas = f"; write [{text}]" if "," in text else ""
        raise ValueError(f"expected {EXAMPLES}{commas}")
    count = None if match[4] is None else int(match[4])
    try:
        first, last = float(match[1]), float(match[2])
    except ValueError:
        raise ValueError(f"expected {EXAMPLES}") from None
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ValueError("the ends of a range are finite numbers")
    if first == last:
        raise ValueError(f"a range has two ends; write [{match[1]}] for one value")
    if first > last:
        raise ValueError(f"a range runs from the smaller to the larger number; write {match[2]}:{match[1]}:...")
    if count is not None and not 2 <= count <= LONGEST_RANGE:
        raise ValueError(f"a range has 2 to {LONGEST_RANGE} values")
    if match[3] == "log" and first <= 0:
        raise ValueError("a range of equal ratios begins above 0; write lin, or a larger first value")
    whole = all(re.fullmatch(r"[-+]?\d+", end) for end in (match[1], match[2]))
    return Range(first, last, match[3] == "log", count, whole)
