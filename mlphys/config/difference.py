"""Differences between two experiments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from mlphys.config.experiment import Experiment
from mlphys.schema.document import KeyPath, dotted, flow
from mlphys.schema.layers import LAYERS
from mlphys.schema.losses import LOSSES
from mlphys.schema.optimizers import OPTIMIZERS

# Blocks that change nothing that is trained or measured.
REMARKS = ("name", "about", "expect", "published", "plots", "analysis", "study")
ABSENT = object()  # the value of a key that an experiment has not


def differing(experiments: Sequence[Experiment]) -> dict[str, list[Any]]:
    """The keys that are not the same in all experiments, without remarks, with the value of each or None."""
    leaves = [_leaves(experiment.model_dump(exclude=set(REMARKS)), ()) for experiment in experiments]
    values_by_key = {
        key: [each.get(key) for each in leaves] for key in sorted({k for each in leaves for k in each}, key=dotted)
    }
    return {dotted(key): values for key, values in values_by_key.items() if any(value != values[0] for value in values)}


def differing_blocks(experiments: Sequence[Experiment]) -> dict[str, list[str]]:
    """What is not the same in all experiments, as text to read: the value of each, empty where it has none.

    Where a layer or an optimizer is another one, or has no counterpart, it is one value, without its defaults.
    """
    names: dict[str, list[str]] = {}
    trees = [experiment.model_dump(exclude=set(REMARKS)) for experiment in experiments]
    _compare(trees, (), names)
    return names


def _compare(values: Sequence[Any], path: KeyPath, differences: dict[str, list[str]]) -> None:
    if all(value == values[0] for value in values):
        return
    if all(isinstance(value, dict) for value in values) and set.intersection(*map(set, values)):
        for key in dict.fromkeys(key for value in values for key in value):
            _compare([value.get(key, ABSENT) for value in values], (*path, key), differences)
    elif all(isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value) for value in values):
        for i in range(max(map(len, values))):
            _compare([value[i] if i < len(value) else ABSENT for value in values], (*path, i), differences)
    else:
        differences[dotted(path)] = ["" if value is ABSENT else _text(_briefly(value)) for value in values]


def _text(value: Any) -> str:
    """A value on one line; a block of one key, such as a layer, without braces."""
    return flow(value)[1:-1] if isinstance(value, dict) and len(value) == 1 else flow(value)


def _briefly(value: Any) -> Any:
    """Layers, optimizers and losses without the arguments that are their defaults, blocks without null."""
    if isinstance(value, list | tuple):
        return [_briefly(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(arguments := next(iter(value.values())), dict):
        [name] = value
        if kind := next((table[name] for table in (LAYERS, OPTIMIZERS, LOSSES) if name in table), None):
            fields = kind.model_fields
            non_default = {
                key: _briefly(part) for key, part in arguments.items() if not _is_default(fields.get(key), part)
            }
            return {name: non_default} if non_default else name
    return {key: _briefly(part) for key, part in value.items() if part is not None}


def _is_default(field: FieldInfo | None, value: Any) -> bool:
    if field is None or field.is_required():
        return False
    default = field.get_default(call_default_factory=True)
    return bool(value == default or value == type(default).__name__)


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
