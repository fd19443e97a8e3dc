"""Cache of compiled machine code, in files that only this user can have written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 100_000_000  # of all files together; the least recently used ones are removed
LARGEST = 20_000_000  # bytes of one file
_DIGEST = 32  # bytes of SHA-256, with which a file begins


@dataclass(frozen=True)
class CodeCache:
    """Object code by key, a hexadecimal digest. It is executed, so a folder or a file that belongs to another user, or
    that others may write to, counts as missing, as a damaged file does. `folder` None: nothing is kept.
    """

    folder: Path | None

    @classmethod
    def of_user(cls) -> CodeCache:
        """`$XDG_CACHE_HOME/mlphys/code`, by default under ~/.cache; none with MLPHYS_CACHE=off."""
        if os.name != "posix" or os.environ.get("MLPHYS_CACHE", "").lower() == "off":
            return cls(None)
        try:
            cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        except RuntimeError:  # there is no home
            return cls(None)
        return cls(cache / "mlphys" / "code" if cache.is_absolute() else None)

    def read(self, key: str) -> bytes | None:
        """The code; None if there is none that can be trusted."""
        with contextlib.suppress(OSError), self._opened() as folder:
            handle = os.open(key, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            with os.fdopen(handle, "rb") as file:
                facts = os.fstat(handle)
                if not (stat.S_ISREG(facts.st_mode) and _only_ours(facts)) or facts.st_size > LARGEST:
                    return None
                content = file.read(LARGEST)
                os.utime(handle)  # used now
            digest, code = content[:_DIGEST], content[_DIGEST:]
            if digest == _digest(key, code):
                return code
        return None

    def write(self, key: str, code: bytes) -> None:
        """Keep the code, in one step; where that fails, nothing is kept."""
        with contextlib.suppress(OSError):
            if self.folder is not None:
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.folder, 0o700)
            with self._opened() as folder:
                _write(folder, key, _digest(key, code) + code)
                _remove_oldest(folder)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """A handle of the folder. Raises OSError where it is not this user's alone."""
        if self.folder is None:
            raise FileNotFoundError
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self.folder, flags)
        try:
            if not _only_ours(os.fstat(handle)):
                raise PermissionError
            yield handle
        finally:
            os.close(handle)


def _only_ours(facts: os.stat_result) -> bool:
    """Whether a file belongs to this user, and nobody else may write to it."""
    return facts.st_uid == os.geteuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _write(folder: int, name: str, content: bytes) -> None:
    temporary = f".{name[:16]}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _remove_oldest(folder: int) -> None:
    """Remove the files that were not used for the longest time, until the rest is small enough."""
    facts = {name: os.stat(name, dir_fd=folder, follow_symlinks=False) for name in os.listdir(folder)}
    room = MOST_BYTES
    for name in sorted(facts, key=lambda name: facts[name].st_mtime, reverse=True):
        room -= facts[name].st_size
        if room < 0:
            os.unlink(name, dir_fd=folder)
