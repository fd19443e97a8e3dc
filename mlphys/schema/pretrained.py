"""Initial weights from a finished run."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from mlphys.schema.spec import Spec

LONGEST = 4096  # characters of a path


def _printable(name: str) -> str:
    if not name.isprintable() or not 1 <= len(name) <= LONGEST:
        raise ValueError("expected a run directory, or a name under runs/")
    return name


RunName = Annotated[str, AfterValidator(_printable)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Initial(Spec):
    """All weights of a finished run of the same architecture; `run` and `sha256` as for an encoder."""

    run: RunName
    """The finished run: a run directory, or a name under runs/. Example: dense_mnist"""
    sha256: Sha256 | None = None
    """The checksum of the run's weights; filled in. Example:
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    """
