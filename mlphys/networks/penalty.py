"""What an autoencoder's code costs: the base of the entries of penalties/."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from mlphys.networks.cost import Term
from mlphys.schema.data import Description
from mlphys.schema.document import KeyPath
from mlphys.schema.layers import Layer
from mlphys.schema.spec import Spec


class Penalty(Spec, ABC):
    """An entry of penalties/: the name of its file is a key beside `encoder`, its fields are the keys of that block.

    `deterministic` is false where the code is drawn at random around what the encoder gives.
    """

    deterministic: ClassVar[bool] = True

    @classmethod
    def key(cls) -> str:
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def field(cls) -> Any:
        """The type of the key, with its default, which stands for no penalty."""
        return Annotated[cls | None, Field(default=None)]

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """The penalty that a value of the key stands for."""
        return value

    @classmethod
    def of(cls, spec: object) -> Self | None:
        """The penalty of this kind that an autoencoder, or a stage, has."""
        return cls.read(getattr(spec, cls.key(), None))

    @classmethod
    @abstractmethod
    def examples(cls) -> dict[str, Any]:
        """Values of the key, each with a name that begins with the key."""

    def check(self, spec: Any, path: KeyPath, description: Description) -> None:
        """Raise Refusal where it means nothing for the autoencoder `spec`, whose block is at `path`."""

    def code_layers(self) -> list[Layer]:
        """What turns the encoder's output into the code."""
        return []

    @abstractmethod
    def terms(self) -> list[Term]:
        """What it adds to the cost."""

    def notes(self) -> list[str]:
        """Lines below the formula of the cost."""
        return []
