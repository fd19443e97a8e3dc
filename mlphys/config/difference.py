"""Differences between two experiments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mlphys.config.experiment import Experiment
from mlphys.schema.document import KeyPath, dotted

# Blocks that change nothing that is trained or measured.
REMARKS = ("name", "about", "expect", "published", "plots", "analysis", "study")


def differing(experiments: Sequence[Experiment]) -> dict[str, list[Any]]:
    """The keys that are not the same in all experiments, without remarks, with the value of each or None."""
    leaves = [_leaves(experiment.model_dump(exclude=set(REMARKS)), ()) for experiment in experiments]
    found = {
        key: [each.get(key) for each in leaves] for key in sorted({k for each in leaves for k in each}, key=dotted)
    }
    return {dotted(key): values for key, values in found.items() if any(value != values[0] for value in values)}


def difference(first: Experiment, second: Experiment) -> list[tuple[str, Any, Any]]:
    """The differing keys of two experiments: (key path, first value, second value), None for a missing value."""
    ours, theirs = _leaves(first.model_dump(), ()), _leaves(second.model_dump(), ())
    return [
        (dotted(key), ours.get(key), theirs.get(key))
        for key in sorted(ours.keys() | theirs.keys(), key=dotted)
        if ours.get(key) != theirs.get(key)
    ]


def _leaves(value: Any, path: KeyPath) -> dict[KeyPath, Any]:
    if isinstance(value, dict):
        parts: Iterable[tuple[str | int, Any]] = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        parts = enumerate(value)
    else:
        return {path: list(value) if isinstance(value, tuple) else value}
    return {key: leaf for part, item in parts for key, leaf in _leaves(item, (*path, part)).items()}
