"""A fake disk: records file operations, stops at any of them, and simulates power cuts."""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Operation:
    """A file operation; `path` and `target` are relative to the observed folder."""

    kind: str  # create, open, write, truncate, fsync, replace, unlink, mkdir
    path: str
    data: bytes = b""
    size: int = 0
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {steady(self.target or self.path)}"


def steady(path: str) -> str:
    """A temporary file's name without its random part: `.status.json.~`."""
    return re.sub(r"((?:^|/)\..+\.)[a-z0-9_]{8}$", r"\1~", path)


class Disk:
    """Context in which `before` is called before each operation below `root`.

    `before` may raise or kill. With `half`, half of the bytes are written before it is called.
    Nothing is really synchronized: a kill of the process does not need it.
    """

    def __init__(self, root: Path, before: Callable[[Operation], None], half: bool = False):
        self.root, self.before, self.half = root.resolve(), before, half
        self._paths: dict[int, str] = {}
        self._real: dict[str, Any] = {}

    def __enter__(self) -> Disk:
        names = ("open", "fsync", "replace", "unlink", "mkdir")
        self._real = {name: getattr(os, name) for name in names} | {"io.open": io.open}
        for name in names:
            setattr(os, name, getattr(self, f"_{name}"))
        io.open = self._io_open
        return self

    def __exit__(self, *_: object) -> None:
        io.open = self._real.pop("io.open")
        for name, function in self._real.items():
            setattr(os, name, function)

    def do(self, kind: str, path: str | None, **facts: Any) -> None:
        if path is not None:
            self.before(Operation(kind, path, **facts))

    def _below(self, path: Any, dir_fd: int | None = None) -> str | None:
        """The path relative to the root, None for one outside; `dir_fd` is the folder that it begins in."""
        if isinstance(path, int):
            return self._paths.get(path)
        if dir_fd is not None:
            if dir_fd not in self._paths:
                return None
            path = self.root / self._paths[dir_fd] / path
        path = Path(os.path.abspath(path))
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else None

    def _open(self, path: Any, flags: int, *rest: Any, dir_fd: int | None = None) -> int:
        below = self._below(path, dir_fd)
        if flags & os.O_CREAT:
            self.do("create", below)
        elif flags & (os.O_WRONLY | os.O_RDWR):
            self.do("open", below)
        handle = self._real["open"](path, flags, *rest, dir_fd=dir_fd)
        self._paths.pop(handle, None)
        if below is not None:
            self._paths[handle] = below
        return handle

    def _io_open(self, path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        below = self._below(path)
        writes = bool(set(mode) & set("wa+"))
        if writes and not isinstance(path, int):
            self.do("create" if "w" in mode else "open", below)
        file = self._real["io.open"](path, mode, *rest, **options)
        if below is None:
            self._paths.pop(file.fileno(), None)
            return file
        self._paths[file.fileno()] = below
        return _File(file, below, self) if writes else file

    def _fsync(self, handle: int) -> None:
        self.do("fsync", self._below(handle))

    def _replace(self, path: Any, target: Any, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        self.do("replace", self._below(path, src_dir_fd), target=self._below(target, dst_dir_fd))
        self._real["replace"](path, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def _unlink(self, path: Any, dir_fd: int | None = None) -> None:
        if _is_there(path, dir_fd):
            self.do("unlink", self._below(path, dir_fd))
        self._real["unlink"](path, dir_fd=dir_fd)

    def _mkdir(self, path: Any, *rest: Any, dir_fd: int | None = None) -> None:
        if not _is_there(path, dir_fd):
            self.do("mkdir", self._below(path, dir_fd))
        self._real["mkdir"](path, *rest, dir_fd=dir_fd)


def _is_there(path: Any, dir_fd: int | None) -> bool:
    try:
        os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


class _File:
    """A file opened for writing, without buffering."""

    def __init__(self, file: Any, path: str, disk: Disk):
        self._file, self._path, self._disk = file, path, disk

    def write(self, data: bytes) -> int:
        first = len(data) // 2 if self._disk.half else 0
        self._file.write(data[:first])
        self._file.flush()
        self._disk.do("write", self._path, data=data)
        self._file.write(data[first:])
        self._file.flush()
        return len(data)

    def truncate(self, size: int) -> None:
        self._disk.do("truncate", self._path, size=size)
        self._file.truncate(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@dataclass(eq=False)
class _Inode:
    """A file's content on the disk, and the changes that were not synchronized."""

    durable: bytes = b""
    pending: list[Operation] = field(default_factory=list)

    def content(self, kept: str) -> bytes:
        """`kept` of the changes are there: "all", "none", "half" of the last, or "zeros" in place of its bytes."""
        content = self.durable
        for operation in self.pending if kept != "none" else []:
            last = operation is self.pending[-1]
            if operation.kind == "truncate":
                content = content[: operation.size]
            elif last and kept == "half":
                content += operation.data[: len(operation.data) // 2]
            else:
                content += bytes(len(operation.data)) if last and kept == "zeros" else operation.data
        return content


Entries = dict[str, _Inode | None]  # None is a folder
Tree = dict[str, bytes | None]


class Platter:
    """Possible disk contents after a power cut: everything synchronized, and any part of the rest.

    Each folder's changes are lost or kept one by one, as POSIX allows; real file systems lose less.
    """

    def __init__(self, root: Path) -> None:
        """Start with the files below `root`, all synchronized."""
        self.durable: Entries = {
            str(path.relative_to(root)): None if path.is_dir() else _Inode(path.read_bytes())
            for path in root.rglob("*")
        }
        self.now: Entries = dict(self.durable)
        self.pending: list[tuple[str, Entries, str]] = []  # the folder, what is set in it, what is gone

    def do(self, operation: Operation) -> None:
        path = operation.path
        match operation.kind:
            case "mkdir":
                self._change(path, None)
            case "create" | "open" if path not in self.now:
                self._change(path, _Inode())
            case "create":
                self._inode(path).pending.append(Operation("truncate", path, size=0))
            case "write" | "truncate":
                self._inode(path).pending.append(operation)
            case "replace":
                self._change(operation.target, self.now[path], gone=path)
            case "unlink":
                self._change(path, None, gone=path)
            case "fsync" if isinstance(inode := self.now.get(path), _Inode):
                inode.durable, inode.pending = inode.content("all"), []
            case "fsync":
                for change in [change for change in self.pending if change[0] == path]:
                    self.durable = _applied(self.durable, change)
                    self.pending.remove(change)

    def states(self) -> Iterator[Tree]:
        for chosen in self._subsets():
            entries = self.durable
            for change in chosen:
                entries = _applied(entries, change)
            reachable = {path: inode for path, inode in entries.items() if self._reachable(path, entries)}
            unsynced = any(inode and inode.pending for inode in reachable.values())
            for kept in ("all", "none", "half", "zeros") if unsynced else ("all",):
                yield {path: inode.content(kept) if inode else None for path, inode in reachable.items()}

    def _subsets(self) -> Iterator[Sequence[tuple[str, Entries, str]]]:
        if len(self.pending) <= 4:
            for size in range(len(self.pending) + 1):
                yield from itertools.combinations(self.pending, size)
            return
        for i in range(len(self.pending)):
            yield self.pending[:i]  # in order
            yield self.pending[:i] + self.pending[i + 1 :]  # one lost
            yield [self.pending[i]]  # one kept
        yield self.pending

    def _change(self, path: str, inode: _Inode | None, gone: str = "") -> None:
        made: Entries = {} if path == gone else {path: inode}
        change = (str(Path(path).parent), made, gone)
        self.now = _applied(self.now, change)
        self.pending.append(change)

    def _inode(self, path: str) -> _Inode:
        inode = self.now[path]
        assert inode
        return inode

    @staticmethod
    def _reachable(path: str, entries: Entries) -> bool:
        return all(str(parent) in entries for parent in list(Path(path).parents)[:-1])


def _applied(entries: Entries, change: tuple[str, Entries, str]) -> Entries:
    _, made, gone = change
    return {path: inode for path, inode in entries.items() if path != gone} | made


def lay(tree: Tree, folder: Path) -> None:
    """Write the files of `tree` into the empty `folder`."""
    for path, content in sorted(tree.items()):
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)
