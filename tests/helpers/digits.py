"""The digits of scikit-learn, unpacked and parsed once: that takes longer than most that is done with them."""

from __future__ import annotations

import functools
from typing import Any

from sklearn import datasets


@functools.cache
def load_digits() -> Any:
    """As `sklearn.datasets.load_digits`; arrays that cannot be written to."""
    digits = datasets.load_digits()
    for array in (digits.data, digits.images, digits.target):
        array.flags.writeable = False
    return digits
