"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from mlphys.errors import UserError


def write(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` such that a kill at any instant leaves the old or the new file.

    Raises UserError when it cannot be written; the old file is then untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:  # Ctrl-C too
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise


def write_json(path: Path, value: Any) -> None:
    write(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def remove(path: Path) -> None:
    """Remove a file that may be gone already. Raises UserError when that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed: {error.strerror}") from None


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path, error: OSError) -> UserError:
    """The message for a file that cannot be written."""
    remedies = {errno.ENOSPC: "free some space, or ", errno.EDQUOT: "free some space, or "}
    if isinstance(error, PermissionError):
        remedies[error.errno] = "change its permissions, or "
    remedy = f"{remedies.get(error.errno, '')}write to another place"
    return UserError(f"{path}: cannot be written: {error.strerror}; {remedy}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
