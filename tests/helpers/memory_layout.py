"""The memory layout of arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def assert_as_saved(arrays: Mapping[str, np.ndarray]) -> None:
    """Assert float32 in C order with a file's strides: with an axis of length 1 other strides are C-contiguous too."""
    for name, value in arrays.items():
        assert value.dtype == np.float32, name
        assert value.flags.c_contiguous, name
        assert value.strides == np.empty(value.shape, np.float32).strides, name
