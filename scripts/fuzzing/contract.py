"""What opening any input must do: succeed, or raise a UserError or a Refusal, within bounds of time and memory."""

from __future__ import annotations

import resource
import sys
import time
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlphys import terminal
from mlphys.errors import Refusal, UserError

SECONDS = 5.0  # of processor time for one input, which has a few kilobytes
BYTES = 400_000_000  # by which one input may raise the largest memory of the process
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss

Open = Callable[[bytes], object]


class Broken(Exception):
    """An input that takes too long, too much memory, or is refused by a message that cannot be shown."""


@dataclass(frozen=True)
class Target:
    """One kind of input. `begin` prepares the folder that it is called in, and returns how an input is opened.

    `seeds` are valid inputs that others are made from; `longest` bounds the bytes of an input. After so many inputs as
    `lasts` says a new process goes on, where damaged files leave a library in a state that it never leaves.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    begin: Callable[[Path], Open]
    longest: int = 4096
    lasts: int = 1_000_000


def hold(opened: Open, content: bytes) -> str:
    """Open an input; return the message of its refusal, or an empty text. Raises Broken, or what else is raised.

    Warnings are errors: a command would print them.
    """
    began, before = time.process_time(), _largest()
    refusal = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            opened(content)
        except UserError as error:
            refusal = str(error)
            _require_showable(refusal)
        except Refusal as error:
            refusal = error.text
            _require_showable(refusal)
    if (seconds := time.process_time() - began) > SECONDS:
        raise Broken(f"{seconds:.1f} s of processor time")
    if (more := _largest() - before) > BYTES:
        raise Broken(f"{more / 1e6:.0f} MB of memory")
    return refusal


def _require_showable(text: str) -> None:
    shown = terminal.message(text).replace("\n", "").replace("\t", "")
    steering = any(unicodedata.category(sign) in terminal.STEERING for sign in shown if sign not in terminal.HARMLESS)
    if not text.strip() or steering:
        raise Broken(f"a message that cannot be shown: {text!r}")


def _largest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
