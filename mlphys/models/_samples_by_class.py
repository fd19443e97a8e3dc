"""The samples of one class, and the fits that need some of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlphys.errors import UserError
from mlphys.models._class_components import as_autoencoders
from mlphys.models._energy_network import EnergyNetwork
from mlphys.schema.samples import Split


def require_all(split: Split, classes: Sequence[str], what: str, remedy: str) -> None:
    """Raise UserError unless each class has a sample."""
    counts = np.bincount(split.y, minlength=len(classes))
    absent = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if absent:
        raise UserError(f"there are no {what} of {', '.join(absent)}; {remedy}, or leave the class out by data.classes")


def of_class(k: int, classes: Sequence[str]) -> Callable[[Split], Split]:
    """The function that selects the samples of a class; it refuses before training what calibration would lack."""

    def selected(split: Split) -> Split:
        _require_validation(split, classes)
        rows = np.flatnonzero(split.y == k)
        return Split(split.x[rows], split.y[rows])

    return selected


def _require_validation(split: Split, classes: Sequence[str]) -> None:
    require_all(split, classes, "validation samples", "raise data.validation")


def components_by_class(components: int, classes: Sequence[str]) -> Callable[[Split, Split], dict[str, np.ndarray]]:
    """The fit of a PCA a class. It raises UserError where a class has too few samples for it, or none to calibrate."""

    def solve(train: Split, validation: Split) -> dict[str, np.ndarray]:
        _require_validation(validation, classes)
        return as_autoencoders(train, len(classes), components)

    return solve


def calibration_fit(network: EnergyNetwork) -> Callable[[Split, Split], dict[str, np.ndarray]]:
    """The fit of scales and biases, to the validation samples alone."""
    return lambda train, validation: network.calibrated(validation)
