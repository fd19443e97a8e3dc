"""Statistics of codes: how active, how sparse, how saturated they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlphys.numerics import bootstrap
from mlphys.numerics.activations import ACTIVATIONS
from mlphys.numerics.uncertainty import mean_and_stderr

AT_ONCE = 1_000_000  # values of codes
ACTIVE = 0.01  # a code value with a larger modulus counts as active


def code_statistics(arrays: Mapping[str, np.ndarray], activation: str) -> dict[str, Any]:
    """Statistics of codes (n, ...) that come from `activation`, and of the norms of their Jacobians.

    `population_sparsity` is (1 - mean(h)^2 / mean(h^2)) / (1 - 1/K) over the K values of each code, 0 for equal
    values and 1 for a single one that is not zero; `lifetime_sparsity` the same over the n samples for each value
    (Treves & Rolls 1991; Vinje & Gallant 2000), its error by the bootstrap over the samples. Codes that are all zero
    count as 1.
    """
    codes = arrays["codes"].reshape(len(arrays["codes"]), -1)
    known = ACTIVATIONS.get(activation)
    by_sample: dict[str, list[np.ndarray]] = defaultdict(list)
    for c in _pieces(codes):
        h = np.abs(c)
        by_sample["mean_code"].append(c.mean(axis=1))
        by_sample["active_fraction"].append((h > ACTIVE).mean(axis=1))
        if c.shape[1] > 1:
            sparsity = _treves_rolls(h.mean(axis=1), (h**2).mean(axis=1), c.shape[1])
            by_sample["population_sparsity"].append(sparsity)
        if known and known.bounded:
            by_sample["saturated_fraction"].append(known.saturated(c).mean(axis=1))
    whole = {name: mean_and_stderr(name, np.concatenate(values)) for name, values in by_sample.items()}
    statistics = {**whole["mean_code"], **whole["active_fraction"]}
    statistics |= whole.get("population_sparsity", {"population_sparsity": None, "population_sparsity_stderr": None})
    statistics |= lifetime_sparsity(codes)
    if "jacobian_norms" in arrays:
        statistics |= mean_and_stderr("jacobian_norm", arrays["jacobian_norms"].astype(np.float64))
    return statistics | whole.get("saturated_fraction", {})


def _pieces(codes: np.ndarray) -> Iterator[np.ndarray]:
    """Codes (n, K) in float64, a few megabytes at once."""
    at_once = max(1, AT_ONCE // codes.shape[1])
    for start in range(0, len(codes), at_once):
        yield codes[start : start + at_once].astype(np.float64)


def lifetime_sparsity(codes: np.ndarray) -> dict[str, Any]:
    """Of codes (n, K): the mean over the K units; None for a single sample."""
    n, size = codes.shape
    if n < 2:
        return {"lifetime_sparsity": None, "lifetime_sparsity_stderr": None}

    def sparsity(means: np.ndarray) -> np.ndarray:
        return _treves_rolls(means[:, :size], means[:, size:], n).mean(axis=1)

    def values() -> Iterator[np.ndarray]:
        return (np.concatenate([np.abs(c), c**2], axis=1) for c in _pieces(codes))

    means = sum(piece.sum(axis=0, keepdims=True) for piece in values()) / n
    return {
        "lifetime_sparsity": float(sparsity(means)[0]),
        "lifetime_sparsity_stderr": bootstrap.stderr_of_means(values, sparsity, n),
    }


def _treves_rolls(means: np.ndarray, squares: np.ndarray, count: int) -> np.ndarray:
    """The sparsity of `count` values with these means and means of squares."""
    share = np.where(squares > 0, means**2 / np.where(squares > 0, squares, 1), 0)
    return ((1 - share) / (1 - 1 / count)).clip(0, 1)
