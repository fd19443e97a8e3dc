"""How fitted arrays lie in memory: products round differently for rows and for columns, so there is one way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def as_saved(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Copies as a file gives them back, float32 and row by row (C order): used before saving, they give the bytes
    that they give when they are read."""
    return {name: np.array(value, np.float32, order="C") for name, value in arrays.items()}
