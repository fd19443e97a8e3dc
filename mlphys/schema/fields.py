"""Types of single values of a config."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from mlphys.schema.spec import refuse

Shape = tuple[int, ...]  # of one sample or one array, channels last

# More than any machine can store; catches typos of three zeros.
LARGEST = 100_000_000

Length = Annotated[float, Field(ge=0, le=LARGEST)]
Place = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]

ActivationName = Literal[
    "linear", "relu", "sigmoid", "tanh", "softmax", "softplus", "softsign", "elu", "selu", "gelu",
    "silu", "swish", "mish", "leaky_relu", "relu6", "exponential", "hard_sigmoid", "log_softmax",
    "hard_tanh", "celu", "log_sigmoid",
]  # fmt: skip


def _both(value: Any, kind: str = "two_directions") -> Any:
    """One number applies to both directions, as in Keras."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, list | tuple) and len(value) == 2:
        return tuple(value)
    raise refuse(kind, value)


def _border(value: Any) -> Any:
    """Keras's three forms of a border: n, (rows, columns), ((top, bottom), (left, right))."""
    return tuple(_both(side, "border") for side in _both(value, "border"))


def _ends(value: Any) -> Any:
    """Keras's two forms of a border of a sequence: n, (before, after)."""
    return _both(value, "border_of_sequence")


Size2D = Annotated[
    tuple[Count, Count],
    BeforeValidator(_both),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]
Border2D = Annotated[
    tuple[tuple[Whole, Whole], tuple[Whole, Whole]],
    BeforeValidator(_border),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array"}]}),
]

Border1D = Annotated[
    tuple[Whole, Whole],
    BeforeValidator(_ends),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]


def as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


NotNegatives = Annotated[tuple[NotNegative, ...], BeforeValidator(as_tuple)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1), BeforeValidator(as_tuple)]
TargetShape = Annotated[
    tuple[Annotated[int, Field(ge=-1, le=LARGEST)], ...], Field(min_length=1), BeforeValidator(as_tuple)
]


def low_first(value: Any) -> tuple[Any, Any]:
    """Two numbers, the smaller first."""
    numbers = isinstance(value, list | tuple) and len(value) == 2 and all(type(end) in (int, float) for end in value)
    if not numbers or not value[0] <= value[1]:
        raise refuse("range", value)
    return (value[0], value[1])


LowFirst = BeforeValidator(low_first)
RadiusRange = Annotated[tuple[Length, Length], LowFirst]
PlaceRange = Annotated[tuple[Place, Place], LowFirst]


def count_or_fraction(kind: str, value: object, least: int) -> int | float:
    """A count from `least` on, or a fraction between 0 and 1. Raises ValidationError of that kind for others."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise refuse(kind, value)
