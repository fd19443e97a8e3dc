"""The files of one run's folder, reached without following links: nothing outside of it is read, written or removed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from mlphys.errors import UserError
from mlphys.io import atomic

STUDY = "study.json"  # with it a folder is a study, with config.yaml a run

# POSIX has these on every system that mlphys runs on. Where Python lacks `dir_fd` (Windows), files would have to be
# opened by path after a look at each folder, which leaves a gap between look and use.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without waiting: to open a pipe that nobody writes to would never end.
NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class RunFolder:
    """A folder and what is in it. Files are named by their path inside: "metrics.json", "analysis/size.json".

    The folder itself may be reached by a link, which is the user's own choice; below it a link raises UserError,
    as does what is not a regular file.
    """

    def __init__(self, path: Path):
        self.path = path

    def has(self, name: str) -> bool:
        """Whether something of this name is there, be it a file that can be read or not."""
        try:
            with self._folder(name) as (folder, last):
                os.stat(last, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from None
        return True

    def names(self, folder: str = ".") -> list[str]:
        """The names in the run's folder, or in one inside, sorted; none where it is missing."""
        try:
            with self._opened_folder(folder) as handle:
                return sorted(os.listdir(handle))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreadable(folder, error) from None

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """A regular file, to be read. Raises UserError when it is missing, unreadable, or something else."""
        with self._handle(name, os.O_RDONLY) as handle, os.fdopen(handle, "rb", closefd=False) as file:
            yield file

    def read(self, name: str, most: int | None = None) -> bytes:
        """The content of a file. Raises UserError when it is larger than `most` bytes, by default half the memory."""
        most = most or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        with self.opened(name) as file:
            try:
                content = file.read(min(os.fstat(file.fileno()).st_size, most + 1))  # that much is allocated at once
            except OSError as error:
                raise self._unreadable(name, error) from None
        if len(content) > most:
            raise UserError(f"{self.path / name}: larger than {most} bytes, so not the file of a run")
        return content

    def size(self, name: str) -> int:
        """Bytes of a regular file."""
        with self.opened(name) as file:
            return os.fstat(file.fileno()).st_size

    def write(self, name: str, content: bytes | str) -> None:
        """Replace the file, whole or not at all. Raises UserError when it cannot be written."""
        try:
            with self._folder(name) as (folder, last):
                atomic.write_in(folder, last, content)
        except (OSError, ValueError) as error:
            raise atomic.unwritable(self.path / name, error) from None

    def write_json(self, name: str, value: object) -> None:
        self.write(name, atomic.as_json(value))

    def append(self, name: str, content: bytes, new: bool) -> None:
        """Write at the end of the file; with `new` it begins with this.

        Raises UserError when it cannot be written, and for a file that has a second name (a hard link) elsewhere.
        """
        flags = os.O_WRONLY | (os.O_CREAT | os.O_TRUNC if new else os.O_APPEND)
        if new:
            self._drop_second_name(name)
        try:
            with (
                self._handle(name, flags) as handle,
                os.fdopen(handle, "wb" if new else "ab", closefd=False) as file,
            ):
                file.write(content)
            if new:
                with self._folder(name) as (folder, _):
                    os.fsync(folder)
        except OSError as error:
            raise atomic.unwritable(self.path / name, error) from None

    def truncate(self, name: str, size: int) -> None:
        """Cut the file to so many bytes; one with a second name elsewhere is copied first, and only the copy is cut."""
        if self._names_of(name) > 1:
            self.write(name, self.read(name, max(size, self.size(name)))[:size])
            return
        with self._handle(name, os.O_RDWR) as handle, os.fdopen(handle, "r+b", closefd=False) as file:
            try:
                file.truncate(size)
            except OSError as error:
                raise atomic.unwritable(self.path / name, error) from None

    def remove(self, name: str) -> None:
        """Remove a file, or a link, that may be gone already. Raises UserError when that is not allowed."""
        try:
            with self._folder(name) as (folder, last):
                os.unlink(last, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(f"{self.path / name}: cannot be removed: {error.strerror}") from None

    def clear(self, folder: str = ".") -> None:
        """Remove everything inside; of a link only the link. Raises UserError when that is not allowed."""
        for name in self.names(folder):
            inner = str(PurePosixPath(folder, name))
            if not self.is_folder(inner):
                self.remove(inner)
                continue
            self.clear(inner)
            try:
                with self._folder(inner) as (parent, last):
                    os.rmdir(last, dir_fd=parent)
            except OSError as error:
                raise UserError(f"{self.path / inner}: cannot be removed: {error.strerror}") from None

    def make(self, folder: str) -> None:
        """Make a folder inside that outlasts a power cut. It may be there already, but as a folder, not a link."""
        try:
            with self._folder(folder) as (parent, last), contextlib.suppress(FileExistsError):
                os.mkdir(last, dir_fd=parent)
                os.fsync(parent)
            with self._opened_folder(folder):
                pass
        except OSError as error:
            raise atomic.unwritable(self.path / folder, error) from None

    def is_folder(self, name: str) -> bool:
        """Whether it is a folder inside, and not a link to one."""
        return self._kind(name) == stat.S_IFDIR

    def torn(self) -> list[str]:
        """The temporary files that killed writes left in the folder and in those inside of it."""
        folders = [".", *(name for name in self.names() if self.is_folder(name))]
        inside = [str(PurePosixPath(folder, name)) for folder in folders for name in self.names(folder)]
        return [name for name in inside if atomic.is_temporary(Path(name).name) and self._kind(name) == stat.S_IFREG]

    def _kind(self, name: str) -> int:
        """The kind of file as in `stat.S_IFMT`, without following links; 0 where there is none."""
        return stat.S_IFMT(facts.st_mode) if (facts := self._facts(name)) else 0

    def _names_of(self, name: str) -> int:
        return facts.st_nlink if (facts := self._facts(name)) else 0

    def _facts(self, name: str) -> os.stat_result | None:
        try:
            with self._folder(name) as (folder, last):
                return os.stat(last, dir_fd=folder, follow_symlinks=False)
        except (OSError, ValueError):
            return None

    def _drop_second_name(self, name: str) -> None:
        if self._names_of(name) > 1 and self._kind(name) == stat.S_IFREG:
            self.remove(name)

    @contextlib.contextmanager
    def _folder(self, name: str) -> Iterator[tuple[int, str]]:
        """A handle of the folder that the file is in, and its name there."""
        path = PurePosixPath(name)
        with self._opened_folder(str(path.parent)) as handle:
            yield handle, path.name

    @contextlib.contextmanager
    def _opened_folder(self, folder: str) -> Iterator[int]:
        """A handle of the run's folder, or of one inside; no link is followed below the former."""
        handle = os.open(self.path, FOLDER)
        try:
            for number, part in enumerate(parts := PurePosixPath(folder).parts, 1):
                assert part != "..", "names lead into the run"
                try:
                    inner = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=handle)
                except OSError:
                    self._refuse_link(handle, part, "/".join(parts[:number]))
                    raise
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _handle(self, name: str, flags: int) -> Iterator[int]:
        """A handle of a regular file inside."""
        try:
            with self._folder(name) as (folder, last):
                with contextlib.suppress(FileNotFoundError) if flags & os.O_CREAT else contextlib.nullcontext():
                    self._require_regular(os.stat(last, dir_fd=folder, follow_symlinks=False), name)
                handle = os.open(last, flags | NO_LINK, 0o666, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{self.path / name}: not there; {self.path} is not a run, or an unfinished one") from None
        except (OSError, ValueError) as error:
            failed = (
                self._unreadable(name, error) if flags == os.O_RDONLY else atomic.unwritable(self.path / name, error)
            )
            raise failed from None
        try:
            facts = os.fstat(handle)
            self._require_regular(facts, name)
            if flags & (os.O_WRONLY | os.O_RDWR) and facts.st_nlink > 1:
                raise UserError(f"{self.path / name}: has a second name, a hard link; copy it, which leaves one each")
            yield handle
        finally:
            os.close(handle)

    def _require_regular(self, facts: os.stat_result, name: str) -> None:
        if stat.S_ISLNK(facts.st_mode):
            raise self._is_link(name)
        if not stat.S_ISREG(facts.st_mode):
            raise UserError(f"{self.path / name}: not a regular file")

    def _refuse_link(self, folder: int, last: str, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
                raise self._is_link(name)

    def _is_link(self, name: str) -> UserError:
        return UserError(
            f"{self.path / name}: is a link, and what it points to is not touched; put there what it points to"
        )

    def _unreadable(self, name: str, error: OSError | ValueError) -> UserError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return UserError(f"{self.path / name}: cannot be read: {reason}")
