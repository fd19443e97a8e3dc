"""The 8 x 8 digits of scikit-learn (Alpaydin & Kaynak 1998)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mlphys.datasets._scikit_learn import data_file
from mlphys.schema.data import Dataset, Description
from mlphys.schema.samples import Samples


class Digits(Dataset):
    """1 797 handwritten digits, 8 x 8 pixels, part of scikit-learn: no download."""

    LICENCE: ClassVar[str | None] = "CC BY 4.0 (UCI Machine Learning Repository)"

    name: Literal["digits"]

    def describe(self) -> Description:
        return Description(shape=(8, 8, 1), classes=tuple("0123456789"), samples=1797, test_samples=None)

    def load(self) -> Samples:
        rows = _rows()
        return Samples(rows[:, :-1].reshape(-1, 8, 8, 1).astype(np.float32) / 16, rows[:, -1].astype(np.int32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "digits"}


@functools.cache  # a study and a notebook read them again and again
def _rows() -> np.ndarray:
    """(1797, 65): 64 pixels from 0 to 16 and the label."""
    return np.loadtxt(data_file("data", "digits.csv.gz"), delimiter=",")
