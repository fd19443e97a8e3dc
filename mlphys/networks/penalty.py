"""The base class of penalties on the code of an autoencoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks.cost import Term
from mlphys.schema.data import Description
from mlphys.schema.document import KeyPath
from mlphys.schema.layers import Layer
from mlphys.schema.spec import Spec


class Penalty(Spec, ABC):
    """A penalty: the name of its file is a key beside `encoder`, its fields are the keys of the block below it.

    `description` is the sentence of that key, with an example, as the docstring below a field is that of the field's.
    """

    description: ClassVar[str]
    deterministic: ClassVar[bool] = True  # False: the code is drawn at random, around what the encoder gives
    records_jacobian: ClassVar[bool] = False  # |dh/dx|_F of each sample is among the predictions

    @classmethod
    def key(cls) -> str:
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def field(cls) -> Any:
        """The type of the key, with its default, which means no penalty."""
        return Annotated[cls | None, Field(default=None, description=cls.description)]

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """The penalty that a validated value of the key means."""
        return value

    @classmethod
    def of(cls, spec: object) -> Self | None:
        """The penalty of this kind that an autoencoder, or a stage, has."""
        return cls.read(getattr(spec, cls.key(), None))

    @classmethod
    @abstractmethod
    def examples(cls) -> dict[str, Any]:
        """Values of the key, each under a name that begins with the key."""

    def check(self, spec: Any, path: KeyPath, description: Description) -> None:
        """Raise Refusal if it means nothing for the autoencoder `spec`, whose block is at `path`."""

    def code_layers(self) -> list[Layer]:
        """The layers that make the encoder's output the code."""
        return []

    @abstractmethod
    def terms(self) -> list[Term]:
        """What it adds to the cost."""

    def notes(self) -> list[str]:
        """Lines below the formula of the cost."""
        return []

    def why_no_energy(self) -> Refusal | None:
        """Why the code has no energy, with the path from the autoencoder's block; None: it has the encoder's."""
        if not self.code_layers():
            return None
        return Refusal((self.key(),), "a code that is not the encoder's output has no energy; leave it out")
