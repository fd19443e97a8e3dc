"""The penalties that an autoencoder can have, and those that it has."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from mlphys.networks.penalty import Penalty
from mlphys.schema import registry
from mlphys.schema.layers import Layer


@functools.cache
def kinds() -> dict[str, type[Penalty]]:
    """All penalties by key, in the order in which their terms are summed, which decides the last bits of a sum."""
    found = registry.entries("mlphys.networks.penalties", Penalty)
    return dict(sorted(found.items(), reverse=True))


def fields(deterministic: bool = False) -> dict[str, Any]:
    """The annotations of the keys, for the body of a class; with `deterministic`, of such penalties only."""
    return {key: kind.field() for key, kind in kinds().items() if kind.deterministic or not deterministic}


def given(spec: object) -> list[Penalty]:
    """The penalties that an autoencoder, or a stage, has."""
    found = [kind.of(spec) for kind in kinds().values()]
    return [penalty for penalty in found if penalty is not None]


def layers(penalties: Sequence[Penalty]) -> list[Layer]:
    """What turns the encoder's output into the code."""
    return [layer for penalty in penalties for layer in penalty.code_layers()]
