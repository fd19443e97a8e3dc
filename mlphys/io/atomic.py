"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlphys.errors import Unwritable, UserError


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
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:  # Ctrl-C too
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the lock goes with the process, however it ends.

    Raises UserError while another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UserError(f"{folder}: another process trains this run; wait for it, or stop it") from None
    try:
        yield
    finally:
        os.close(handle)


def held(folder: Path) -> bool:
    """Whether another process holds `folder`."""
    try:
        with locked(folder):
            return False
    except UserError:
        return True


def write_json(path: Path, value: Any) -> None:
    write(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def new(path: Path) -> None:
    """Raise UserError unless a file can be made at `path` that is not there yet."""
    if os.path.lexists(path):
        raise UserError(f"{path}: exists; it is not overwritten; name another file")
    if not os.path.isdir(path.parent):
        raise UserError(f"{path}: no such folder as {path.parent}; make it, or name another file")


def torn(path: Path) -> bool:
    """Whether this is the temporary file of a `write` that was killed."""
    return re.fullmatch(r"\..+\.[a-z0-9_]{8}", path.name) is not None and path.is_file()


def remove(path: Path) -> None:
    """Remove a file that may be gone already. Raises UserError when that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed: {error.strerror}") from None


def make(folder: Path) -> None:
    """Make a folder, and those it is in, that outlast a power cut. It may be there already."""
    if not folder.is_dir():
        if not folder.parent.exists():
            make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make outlast a power cut what was made, renamed or removed in `folder`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path, error: OSError) -> Unwritable:
    """The message for a file that cannot be written."""
    remedies: dict[int | None, str] = {
        errno.ENOSPC: "free some space, or ",
        errno.EDQUOT: "free some space, or ",
    }
    if isinstance(error, PermissionError):
        remedies[error.errno] = "change its permissions, or "
    remedy = f"{remedies.get(error.errno, '')}write to another place"
    return Unwritable(f"{path}: cannot be written: {error.strerror}; {remedy}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
