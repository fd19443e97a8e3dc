"""Atomic writes, locks and folders."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlphys.errors import Unwritable, UserError


def write(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` such that a kill at any instant leaves the old or the new file.

    Raises UserError when it cannot be written; the old file is then untouched.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            write_in(folder, path.name, content)
        finally:
            os.close(folder)
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None


def write_in(folder: int, name: str, content: bytes | str) -> None:
    """The same for a file in an open folder, of which `folder` is the handle. Raises OSError."""
    # A file's name may hold bytes that are no text, which tables of predictions name.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    temporary = f".{name}.{secrets.token_hex(4)}"
    created = False
    try:
        handle = os.open(temporary, flags, 0o666, dir_fd=folder)
        created = True
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:  # Ctrl-C too
        if created:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
        raise


@contextlib.contextmanager
def locked(folder: Path, what: str = "run", shared: bool = False) -> Iterator[None]:
    """Lock `folder` for this process, or for all that share it; the system releases the lock when the process ends.

    Raises UserError while another process has the lock.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UserError(f"{folder}: another process trains this {what}; wait for it, or stop it") from None
    try:
        yield
    finally:
        os.close(handle)


def wait_for(folder: Path, seconds: float) -> None:
    """Wait until no process holds `folder` any more, or so many seconds."""
    until = time.monotonic() + seconds
    while folder.is_dir() and time.monotonic() < until:
        try:
            with locked(folder):
                return
        except UserError:
            time.sleep(0.05)


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, after all processes that hold it now."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
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


def as_json(value: Any) -> str:
    """What a file of JSON holds."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def new(path: Path) -> None:
    """Raise UserError unless a new file can be created at `path`."""
    if os.path.lexists(path):
        raise UserError(f"{path}: exists; it is not overwritten; name another file")
    if not os.path.isdir(path.parent):
        raise UserError(f"{path}: no such folder as {path.parent}; make it, or name another file")


def is_temporary(name: str) -> bool:
    """Whether a file is called as the temporary ones of `write` are, which a kill may leave."""
    return re.fullmatch(r"\..+\.[a-z0-9_]{8}", name) is not None


def make(folder: Path) -> None:
    """Create a folder and its parents durably (fsync); it may exist. Raises Unwritable where that is not possible."""
    try:
        if not folder.is_dir():
            if not folder.parent.exists():
                make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
    except (OSError, ValueError) as error:
        raise unwritable(Path(getattr(error, "filename", None) or folder), error) from None


def sync_folder(folder: Path) -> None:
    """Make changes in `folder` durable (fsync)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path, error: OSError | ValueError) -> Unwritable:
    """The message for a file that cannot be written."""
    if isinstance(error, ValueError):  # NUL in the name
        return Unwritable(f"{path}: cannot be written: {error}; write to another place")
    remedies: dict[int | None, str] = {
        errno.ENOSPC: "free some space, or ",
        errno.EDQUOT: "free some space, or ",
    }
    if isinstance(error, PermissionError):
        remedies[error.errno] = "change its permissions, or "
    remedy = f"{remedies.get(error.errno, '')}write to another place"
    return Unwritable(f"{path}: cannot be written: {error.strerror}; {remedy}")
