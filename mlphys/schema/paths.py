"""Paths as a config names them."""

from __future__ import annotations

import os
from pathlib import Path


def absolute(path: str) -> str:
    """The path wherever the run is, `~` written out. Raises ValueError for what no file can be called."""
    if "\0" in path:
        raise ValueError("a path cannot contain NUL")
    try:
        os.fsencode(path)
        return str(Path(path).expanduser().absolute())
    except UnicodeEncodeError:
        raise ValueError("a path cannot contain half of a character") from None
    except RuntimeError:
        user = Path(path).parts[0]
        raise ValueError(f"there is no home folder of {user}; write the folder out") from None
