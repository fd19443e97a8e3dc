"""The memory layout of fitted arrays: one for all, since matrix products round differently for C and Fortran order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def as_saved(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Copies as they are read from a file, float32 in C order, so that results before saving and after loading
    have the same bytes."""
    return {name: np.array(value, np.float32, order="C") for name, value in arrays.items()}
