"""Which files this process opens, and whether it talks to others: heard by an audit hook."""

from __future__ import annotations

import os
import socket
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlphys

ROOT = Path(mlphys.__file__).parents[1]
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
SYSTEM = (
    *(os.path.realpath(folder) for folder in (sys.prefix, sys.base_prefix, ROOT, sysconfig.get_path("stdlib"))),
    "/usr/lib",
    "/lib",
    "/usr/local/lib",
    "/usr/share",
    "/proc",
    "/sys",
    "/etc/localtime",
    "/etc/ld.so",
    "/dev/null",
    "/dev/urandom",
)
CHANGING = {
    "os.remove": 1,
    "os.rename": 2,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "shutil.rmtree": 1,
    "shutil.move": 2,
    "shutil.copyfile": 2,
}  # how many of the first arguments are paths
RUNNING = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.startfile",
    "pty.spawn",
    "webbrowser.open",
    "pickle.find_class",
}
TALKING = {
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "ftplib.connect",
}
CHILDREN = {os.path.realpath(sys.executable), "git", "fc-list"}  # the last one by matplotlib, for its fonts

_heard: list[list[tuple[str, tuple[object, ...]]]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if not _heard:
        return
    if event == "open" or event in CHANGING or event in RUNNING or event.startswith(("socket.", "subprocess.")):
        _heard[-1].append((event, arguments))


sys.addaudithook(_hear)


@contextmanager
def listening() -> Iterator[list[tuple[str, tuple[object, ...]]]]:
    """What happens inside the context, to be judged after it."""
    _heard.append([])
    try:
        yield _heard[-1]
    finally:
        _heard.pop()


def offences(
    events: Sequence[tuple[str, tuple[object, ...]]],
    readable: Sequence[Path],
    writable: Sequence[Path],
    forbidden: Path,
) -> list[str]:
    """What a command must not have done: talk, run programs, open files elsewhere, or any below `forbidden`."""
    found = []
    for event, arguments in events:
        if event == "open":
            path, writes = _path(arguments[0]), int(arguments[2] or 0) & WRITES  # type: ignore[call-overload]
            found += _opened(path, bool(writes), readable, writable, forbidden) if path else []
        elif event in CHANGING:
            paths = [path for each in arguments[: CHANGING[event]] if (path := _path(each))]
            found += [f"{event} {path}" for path in paths if not _below(path, writable)]
        elif event == "subprocess.Popen":
            program = str(arguments[0])
            if os.path.realpath(program) not in CHILDREN and os.path.basename(program) not in CHILDREN:
                found.append(f"starts {arguments[1]!r}")
        elif event in TALKING or event in RUNNING:
            found.append(f"{event} {arguments!r}")
        elif event == "socket.__new__" and arguments[1] not in (socket.AF_UNIX, -1):
            found.append(f"makes a socket {arguments[1:]!r}")
    return list(dict.fromkeys(found))


def _opened(path: str, writes: bool, readable: Sequence[Path], writable: Sequence[Path], forbidden: Path) -> list[str]:
    if writes and path != os.devnull and not _below(path, writable):
        return [f"opens {path} for writing"]
    if _below(path, [forbidden]) or (not path.startswith(SYSTEM) and not _below(path, readable)):
        return [f"opens {path}"]
    return []


def _path(value: object) -> str | None:
    """An absolute path without links; None for a handle. What is named in an open folder lies in the working folder."""
    return os.path.realpath(os.fsdecode(value)) if isinstance(value, str | bytes | os.PathLike) else None


def _below(path: str, folders: Sequence[Path]) -> bool:
    return any(path == str(folder) or path.startswith(f"{folder}/") for folder in folders)
