"""A block of lines between two marks in a text file of the user's, such as a shell's start-up file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlphys.errors import UserError
from mlphys.io import atomic


def put(file: Path, block: str, begin: str, end: str) -> bool:
    """Put lines between the marks, in place of those that are there; whether that changed anything."""
    before = read(file)
    rest = _without(before, begin, end)
    gap = "" if not rest or rest.endswith("\n") else "\n"
    return write(file, f"{rest}{gap}{begin}\n{block}{end}\n", before)


def take(file: Path, begin: str, end: str) -> bool:
    """Take the block out; whether there was one."""
    before = read(file)
    return write(file, _without(before, begin, end), before)


def read(file: Path) -> str:
    """The text of a file, whatever its encoding; nothing where there is none. Raises UserError."""
    try:
        return file.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None


def write(file: Path, text: str, before: str) -> bool:
    """Write a file that held `before`, if it is another text. It may be a link, which stays; it keeps its mode."""
    if text == before:
        return False
    atomic.make(file.parent)
    target = Path(os.path.realpath(file))
    mode = target.stat().st_mode if target.exists() else None
    atomic.write(target, text.encode("utf-8", "surrogateescape"))
    if mode is not None:
        target.chmod(mode)
    return True


def remove(file: Path) -> bool:
    """Remove a file; whether it was there. Raises UserError where that is not allowed."""
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(f"{file}: cannot be removed: {error.strerror}") from None
    return True


def _without(text: str, begin: str, end: str) -> str:
    return re.sub(rf"^{re.escape(begin)}\n.*?^{re.escape(end)}\n?", "", text, flags=re.DOTALL | re.MULTILINE)
