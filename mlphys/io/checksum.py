"""Checksums of files."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlphys.errors import UserError

LARGE, EMPTY = 1_000_000_000, 1_000  # bytes, and how many times fewer of them a file of holes has on the disk

Version = tuple[int, int, int, int, int]  # of a file: a change of its content changes it


def version(path: Path) -> Version:
    """Device, inode, size and times of the last changes. Raises OSError."""
    return version_of(path.stat())


def version_of(facts: os.stat_result) -> Version:
    """`version`, of what is known of a file already."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def regular(path: Path) -> None:
    """Raise UserError unless `path` is a regular file: opening a pipe or a device may block.

    Nor for a large file that is nearly nothing but holes: a few bytes of an archive would keep a command busy for days.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; a relative path starts at {Path.cwd()}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {_reason(error)}") from None
    if stat.S_ISDIR(facts.st_mode):
        raise UserError(f"{path}: is a folder; name a file in it")
    if not stat.S_ISREG(facts.st_mode):
        raise UserError(f"{path}: is not a regular file; copy its content into one")
    if sys.platform != "win32" and facts.st_size > max(LARGE, 512 * facts.st_blocks * EMPTY):
        raise UserError(
            f"{path}: says that it has {facts.st_size / 1e9:.3g} GB, but nearly nothing of it was ever written; "
            "make it again"
        )


def sha256(path: Path) -> str:
    """The checksum as `sha256sum` prints it."""
    regular(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {_reason(error)}") from None


def record(path: Path) -> dict[str, Any]:
    """The record of a user's file for data.json."""
    return {"path": str(path.resolve()), "bytes": path.stat().st_size, "sha256": sha256(path)}


def verify(path: Path, recorded: Mapping[str, Any]) -> None:
    """Raise UserError unless the file at `path` has the size and the SHA-256 of `record`."""
    regular(path)
    size = path.stat().st_size
    if size != recorded.get("bytes"):
        difference = f"{size} bytes, then {recorded.get('bytes')}"
    elif sha256(path) != recorded.get("sha256"):
        difference = f"its sha256 is not {recorded.get('sha256')}"
    else:
        return
    raise UserError(
        f"{path}: not the file that the run was trained with ({difference}); name the right one with --data PATH"
    )


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
