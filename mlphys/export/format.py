"""What a file format is to an export."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mlphys.schema.fields import Shape
from mlphys.schema.graph import Graph

INPUT = "x"


class Writer(Graph):
    """A graph that becomes the content of a file."""

    @abstractmethod
    def input(self, shape: Shape) -> Any:
        """The samples (n, *shape), float32, called x."""

    @abstractmethod
    def content(self, outputs: Mapping[str, Any]) -> bytes:
        """The file with these outputs."""


class Format(ABC):
    """Base class of the entries of formats/."""

    ending: ClassVar[str]

    @abstractmethod
    def require(self) -> None:
        """Raise UserError, with the command that installs it, where a package is missing."""

    @abstractmethod
    def writer(self, name: str) -> Writer:
        """An empty graph of the name."""

    @abstractmethod
    def outputs(self, content: bytes, x: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        """What another program makes of samples x with the file."""

    @abstractmethod
    def program(self) -> str:
        """That program with its version."""
