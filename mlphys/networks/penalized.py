"""The penalties that an autoencoder can have, one for each file of penalties/, and those that it has."""

from __future__ import annotations

import functools
from typing import Any

from mlphys.networks.penalty import Penalty
from mlphys.schema import registry
from mlphys.schema.layers import Layer


@functools.cache
def kinds() -> dict[str, type[Penalty]]:
    """All penalties by key, in the order in which their terms are summed, on which the last digits of a cost depend."""
    penalties = registry.entries("mlphys.networks.penalties", Penalty)
    return dict(sorted(penalties.items(), reverse=True))


def fields(deterministic: bool) -> dict[str, Any]:
    """The annotations of the keys of deterministic penalties, or of the others, for the body of a class."""
    return {key: kind.field() for key, kind in kinds().items() if kind.deterministic == deterministic}


def given(spec: object) -> list[Penalty]:
    """The penalties that an autoencoder, or a stage, has."""
    penalties = [kind.of(spec) for kind in kinds().values()]
    return [penalty for penalty in penalties if penalty is not None]


def code_layers(spec: object) -> list[Layer]:
    """The layers that make the output of an autoencoder's encoder the code."""
    return [layer for penalty in given(spec) for layer in penalty.code_layers()]


def code_layer_kinds() -> dict[str, type[Layer]]:
    """The layers of the files of penalties, by name; none is in the table of layers."""
    layers: dict[str, type[Layer]] = {}
    for kind in kinds().values():
        layers |= registry.classes(kind.__module__, Layer)
    return layers


def draws_code(spec: object) -> bool:
    """Whether the code of an autoencoder is drawn at random, around what the encoder gives."""
    return not all(penalty.deterministic for penalty in given(spec))


def records_jacobian(spec: object) -> bool:
    """Whether |dh/dx|_F of each sample is among the predictions of an autoencoder."""
    return any(penalty.records_jacobian for penalty in given(spec))
