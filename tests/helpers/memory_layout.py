"""How arrays lie in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def assert_as_saved(arrays: Mapping[str, np.ndarray]) -> None:
    """float32, row by row; strides too: with an axis of length 1 others than a file's are C-contiguous as well."""
    for name, value in arrays.items():
        assert value.dtype == np.float32, name
        assert value.flags.c_contiguous, name
        assert value.strides == np.empty(value.shape, np.float32).strides, name
