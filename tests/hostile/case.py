"""What a hostile input is, and what must come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


def nothing() -> None:
    """No preparation."""


@dataclass(frozen=True)
class Case:
    """A command with an input that somebody made to harm.

    `prepare` writes the input into the working folder; `gist` is a regular expression that is found in what the command
    says where it refuses; a `code` of None is 0 or 2: what is damaged need not be looked at. `changes` are patterns of
    the files that it may make or change there; it leaves everything else as it is. `seconds` are of processor time with
    those of the processes that it starts, `memory` the bytes that it takes on.
    """

    name: str
    command: tuple[object, ...]
    gist: str
    prepare: Callable[[], object] = nothing
    code: int | None = 2
    changes: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 12
    memory: int = 400_000_000
