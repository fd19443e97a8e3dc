"""The block `published`: numbers of a lecture or a paper, and what is known of their errors."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from mlphys.schema.fields import Count, NotNegative, Positive
from mlphys.schema.spec import Spec


class Published(Spec):
    """A published value of a metric, with its source."""

    value: float
    """The published number."""
    source: Annotated[str, Field(min_length=1, max_length=500)]
    """Where it is published. Example: "Marquardt, lecture 5" """
    comparable: bool = True
    """Whether it is the same quantity, of the same experiment: only then is there a pull."""
    error: NotNegative | None = None
    """The published standard error; null: none is published."""
    runs: Count = 1
    """The number of runs whose mean it is."""
    unit: Positive | None = None
    """The unit of the last printed digit, for rounding; null: that of the value as it is written. Example: 1e-4"""
    samples: Literal["same"] | Count = "same"
    """The samples that it was measured on: the same as here, or so many others."""
    remark: Annotated[str, Field(max_length=500)] | None = None
    """A remark, such as why it is not comparable."""

    def last_digit(self) -> float:
        """The unit of the last digit: 1e-4 for 0.9324."""
        if self.unit is not None:
            return self.unit
        exponent = Decimal(repr(self.value)).as_tuple().exponent
        return float(Decimal(10) ** exponent) if isinstance(exponent, int) else 0.0

    def text(self) -> str:
        """`0.9324 +- 0.002`, with the digits that were printed."""
        digits = max(0, -int(Decimal(repr(self.last_digit())).adjusted()))
        error = "" if self.error is None else f" +- {self.error:g}"
        return f"{self.value:.{digits}f}{error}"
