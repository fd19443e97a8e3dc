"""The history of a run as columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import UserError

if TYPE_CHECKING:
    from pandas import DataFrame


class History(dict[str, np.ndarray]):
    """The columns of history.csv, a value for each epoch: `epoch`, `loss`, `validation_loss`, `learning_rate`, ...

    Whole numbers are int64, others float64, NaN where another phase has no value; `phase` is text.
    """

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> History:
        """The columns of the rows of history.csv, None where a phase has no value."""
        names = list(rows[0]) if rows else []
        return cls({name: _column([row[name] for row in rows]) for name in names})

    def __repr__(self) -> str:
        epochs = len(next(iter(self.values()), ()))
        return f"<history of {epochs} epochs: {', '.join(self)}>"

    def to_pandas(self) -> DataFrame:
        """A row for each epoch. Raises UserError where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise UserError(
                "to_pandas: needs the package pandas; `pip install 'mlphys[notebook]'` installs it"
            ) from None
        return pandas.DataFrame(dict(self))


def _column(values: Sequence[Any]) -> np.ndarray:
    if all(isinstance(value, str) for value in values):
        return np.array(values)
    if all(isinstance(value, int) for value in values):
        return np.array(values, np.int64)
    return np.array([math.nan if value is None else value for value in values], np.float64)
