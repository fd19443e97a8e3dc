"""What every kind of model has."""

from __future__ import annotations

from mlphys.schema.spec import Spec


class ModelSpec(Spec):
    """The block `model` of a config."""

    kind: str
