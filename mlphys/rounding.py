"""A number and its standard error with the digits that mean something."""

from __future__ import annotations

import math


def rounded(value: float, stderr: float | None) -> str:
    """`0.9881 +- 0.0011`: as many digits as the error has two of; without an error four."""
    if stderr is None or not 0 < stderr < math.inf:
        return f"{value:#.4g}"
    digits = max(0, 1 - math.floor(math.log10(stderr)))
    return f"{value:.{digits}f} +- {stderr:.{digits}f}"
