"""What metrics.json and the curves of analysis/ can hold: types, ranges, finite numbers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, StrictInt

from mlphys.io.history import LARGEST_NUMBER
from mlphys.io.run_files import Text

MOST_METRICS = 1000
MOST_AMOUNTS = 1000  # of shift or noise
# Numbers that pictures show; others may be null, as a precision is where nothing was predicted.
NEVER_NULL = {"samples", "loss", "accuracy", "mse", "mean_target_mse", "mean_image_mse", "majority_accuracy"}


def _bounded(value: float | None) -> float | None:
    if value is not None and abs(value) > LARGEST_NUMBER:
        raise ValueError(f"is beyond {LARGEST_NUMBER:g}")
    return value


Bounded = AfterValidator(_bounded)
Number = Annotated[StrictInt | Annotated[FiniteFloat, Field(strict=True)] | None, Bounded]


def _possible(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics of one split. Raises ValueError where a value is of no number that such a metric can be."""
    for name, value in metrics.items():
        if isinstance(value, dict):
            if name not in ("per_class", "per_target"):
                raise ValueError(f"has a wrong {name}: it is a block of keys")
            for facts in value.values():
                _possible_numbers({key: number for key, number in facts.items() if number is not None})
    _possible_numbers({name: value for name, value in metrics.items() if not isinstance(value, dict)})
    for name in ("accuracy", "mse"):
        if name in metrics and f"{name}_stderr" not in metrics:
            raise ValueError(f"has no {name}_stderr")
    return metrics


def _possible_numbers(numbers: dict[str, Any]) -> None:
    for name, value in numbers.items():
        if value is None and name in NEVER_NULL:
            raise ValueError(f"has a wrong {name}: it is null")
        if value is not None and value < 0 and (name.endswith("_stderr") or name == "samples"):
            raise ValueError(f"has a wrong {name}: it is below 0")
        if name == "samples" and type(value) is not int:
            raise ValueError("has a wrong samples: it is not a whole number")


Metrics = Annotated[
    dict[str, Number | dict[Text, dict[str, Number]]], Field(max_length=MOST_METRICS), AfterValidator(_possible)
]


class MetricsFile(BaseModel):
    """The content of metrics.json: numbers by name for each split, for each class those of `per_class`, for each target
    those of `per_target`."""

    model_config = ConfigDict(extra="forbid")
    train: Metrics | None = None
    validation: Metrics | None = None
    test: Metrics | None = None


Amount = Annotated[int | FiniteFloat, Field(ge=0), Bounded]
Amounts = Annotated[list[Amount], Field(min_length=1, max_length=MOST_AMOUNTS)]
Errors = Annotated[list[Amount | None], Field(min_length=1, max_length=MOST_AMOUNTS)]


class RobustnessFile(BaseModel):
    """The content of analysis/shift.json and analysis/noise.json: a metric against the amount of one of them."""

    model_config = ConfigDict(extra="forbid")
    split: Literal["train", "validation", "test"]
    metric: Literal["accuracy", "mse"]
    shift: Amounts | None = None
    noise: Amounts | None = None
    accuracy: Amounts | None = None
    accuracy_stderr: Errors | None = None
    mse: Amounts | None = None
    mse_stderr: Errors | None = None
