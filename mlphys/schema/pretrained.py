"""Initial weights from a finished run, or from a file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_serializer, model_validator

from mlphys.schema.paths import absolute
from mlphys.schema.spec import Spec

LONGEST = 4096  # characters of a path


def _printable(name: str) -> str:
    if not name.isprintable() or not 1 <= len(name) <= LONGEST:
        raise ValueError("expected a run directory, or a name under runs/")
    return name


RunName = Annotated[str, AfterValidator(_printable)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Initial(Spec):
    """All weights of a finished run of the same architecture, or of a file; `run` and `sha256` as for an encoder.

    `mlphys config from-keras --weights` writes such a file.
    """

    run: RunName | None = None
    """The finished run: a run directory, or a name under runs/. Example: dense_mnist"""
    file: Annotated[str, AfterValidator(absolute)] | None = None
    """A safetensors file with the weights, instead of a run; a relative path starts at the current folder. Example:
    net.safetensors
    """
    sha256: Sha256 | None = None
    """The checksum of the run's weights; filled in. Example:
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    """

    @model_validator(mode="after")
    def _one_source(self) -> Initial:
        if (self.run is None) == (self.file is None):
            raise ValueError("takes a run or a file; write one of them")
        return self

    @model_serializer(mode="wrap")
    def _without_the_other(self, handler: Any) -> dict[str, Any]:
        """Without the source that it does not have, so that configs and checkpoints of earlier versions are equal."""
        other = "file" if self.file is None else "run"
        return {key: value for key, value in handler(self).items() if key != other}
