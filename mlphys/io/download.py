"""Files of public datasets: located or downloaded, and always verified."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError

from mlphys.errors import UserError
from mlphys.io import atomic, checksum
from mlphys.schema.data import RemoteFile

KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16

Progress = Callable[[int, int], None]  # bytes done, total bytes (0: unknown)
Version = tuple[str, checksum.Version]

_verified: set[tuple[str, Version]] = set()  # by this process, with the checksum


def places(source: RemoteFile) -> list[Path]:
    """The candidate paths: below MLPHYS_DATA if it is set, and in Keras's cache."""
    own, keras = os.environ.get("MLPHYS_DATA"), os.environ.get("KERAS_HOME")
    roots = [_root("MLPHYS_DATA", own)] if own else []
    if keras or not own or "HOME" in os.environ:
        roots.append(_root("KERAS_HOME", keras or "~/.keras") / "datasets")
    return [root / source.folder / source.name for root in roots]


def _root(variable: str, path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{variable}: no home folder is known for {path}; set it to a folder of yours") from None


def locate(source: RemoteFile) -> Path | None:
    """The first existing candidate, unverified; None if there is none."""
    return next((path for path in places(source) if os.path.isfile(path)), None)


def fetch(source: RemoteFile, progress: Progress | None = None) -> Path:
    """The verified file, downloaded if none exists.

    Raises UserError, with checksum and paths, for a wrong file or a failed download.
    """
    existing = locate(source)
    if existing is None:
        path, created = _target(source)
        try:
            return _download(source, path, progress or (lambda done, total: None))
        except UserError:
            for folder in created:
                with suppress(OSError):  # another process may have put something there
                    folder.rmdir()
            raise
    if fault := _fault(source, existing):
        raise UserError(f"{existing}: {fault}; remove it, then {_remedy(source)}")
    return existing


def keep(source: RemoteFile, content: bytes) -> Path:
    """Write the content of a file where it is found from now on. Raises UserError for another content."""
    path, _ = _target(source)
    atomic.write(path, content)
    if fault := _fault(source, path):
        path.unlink()
        raise UserError(f"{path}: {fault}; nothing was kept; {_remedy(source)}")
    return path


def _fault(source: RemoteFile, path: Path) -> str | None:
    """What is wrong with the file; one that has not changed since this process verified it is not read again."""
    version = _version(path)
    if version and (source.sha256, version) in _verified:
        return None
    try:
        digest = (source.digest or checksum.sha256)(path)
    except UserError as error:  # without its remedy, which is for the user's own files
        return str(error).removeprefix(f"{path}: ").partition(";")[0]
    if digest != source.sha256:
        return f"damaged or another file (sha256 of {source.digested}: {digest})"
    if version and version == _version(path):
        _verified.add((source.sha256, version))
    return None


def _version(path: Path) -> Version | None:
    try:
        return str(path), checksum.version(path)
    except OSError:
        return None


def _remedy(source: RemoteFile) -> str:
    folders = " or ".join(str(path.parent) for path in places(source))
    return (
        f"`mlphys data fetch {source.dataset}` downloads it where there is a network; "
        f"or put {source.name} into {folders} (expected sha256 of {source.digested}: {source.sha256})"
    )


def _target(source: RemoteFile) -> tuple[Path, list[Path]]:
    """The first writable candidate path, and the folders that were made for it, the innermost first."""
    for path in places(source):
        missing = [folder for folder in path.parents if not os.path.exists(folder)]
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.isdir(path.parent) and os.access(path.parent, os.W_OK):
            return path, missing
    folders = " nor ".join(str(path.parent) for path in places(source))
    raise UserError(
        f"{source.name}: cannot write to {folders}; set MLPHYS_DATA to a folder of yours, then {_remedy(source)}"
    )


def _download(source: RemoteFile, path: Path, progress: Progress) -> Path:
    """Download beside `path`, verify, rename: the file at `path` is always complete."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            for chunk in _chunks(source, progress):
                file.write(chunk)
        if fault := _fault(source, partial):
            raise UserError(f"{source.url}: {fault}; nothing was kept; {_remedy(source)}")
        partial.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}; "
            f"free some space or set MLPHYS_DATA to another folder, then {_remedy(source)}"
        ) from None
    finally:
        with suppress(OSError):  # the folder may not exist
            partial.unlink()
    return path


def _chunks(source: RemoteFile, progress: Progress) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(source.url, timeout=TIMEOUT) as response:
            done, total = 0, int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(CHUNK):
                done += len(chunk)
                progress(done, total)
                yield chunk
        reason = f"the connection broke off after {done} of {total} bytes" if done < total else None
    except HTTPError as error:
        error.close()
        reason = f"the server says {error.code} {error.reason}"
    except URLError as error:
        reason = str(getattr(error.reason, "strerror", None) or error.reason)
    except (OSError, HTTPException) as error:
        reason = str(error) or type(error).__name__
    if reason:
        raise UserError(f"{source.name}: cannot be downloaded from {source.url}: {reason}; {_remedy(source)}")
