"""A run directory as one archive, which comes from another machine: nothing in it leaves the run's folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.run_folder import RunFolder
from mlphys.runs import snapshots

MOST_FILES = 10_000
DEEPEST = 3  # parts of a name, such as analysis/energy.json
UNFINISHED = ("config.yaml", "data.json", "status.json", "environment.json", "initial.safetensors")
CHECKPOINTS = "checkpoints"


def packed(folder: Path) -> bytes:
    """All files of a run that is not being trained."""
    run = RunFolder(folder)
    torn = set(run.torn())
    return _archive(run, [name for name in _files(run) if name not in torn])


def packed_unfinished(folder: Path) -> bytes | None:
    """What another machine needs to resume a run that may be training meanwhile; None without a checkpoint."""
    run = RunFolder(folder)
    checkpoints = [name for name in run.names(CHECKPOINTS) if not atomic.is_temporary(name)]
    if not checkpoints or not run.has("config.yaml"):
        return None
    # the rows of history last: a checkpoint counts only with those up to its epoch
    names = [f"{CHECKPOINTS}/{checkpoints[-1]}", *(name for name in UNFINISHED if run.has(name))]
    try:
        return _archive(run, [*names, *snapshots.files(run), "history.csv"])
    except UserError:  # a newer checkpoint has taken its place just now, or training has ended
        return None


def unpack(content: bytes, folder: Path) -> None:
    """Write the files of an archive into `folder`, instead of those of the same names, and of older checkpoints.

    Raises UserError for one that holds anything but regular files inside of a run.
    """
    run = RunFolder(folder)
    atomic.make(folder)
    written = set[str]()
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for entry in archive:
                name = _checked(entry, len(content), len(written), folder)
                file = archive.extractfile(entry)
                assert file
                for parent in reversed(PurePosixPath(name).parents[:-1]):
                    run.make(str(parent))
                run.write(name, file.read())
                written.add(name)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise UserError(f"{folder}: what came back of the run is damaged: {error}; train it again") from None
    for name in run.names(CHECKPOINTS):
        if f"{CHECKPOINTS}/{name}" not in written:
            run.remove(f"{CHECKPOINTS}/{name}")


def _checked(entry: tarfile.TarInfo, size: int, before: int, folder: Path) -> str:
    """The name of an entry that is a plain file inside of the run."""
    path = PurePosixPath(entry.name)
    inside = not path.is_absolute() and ".." not in path.parts and 1 <= len(path.parts) <= DEEPEST
    plain = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE)  # no link, no device, no file with holes
    if not inside or not plain or "\0" in entry.name or entry.size > size or before >= MOST_FILES:
        raise UserError(f"{folder}: what came back of the run holds {entry.name[:100]!r}, which is no file of a run")
    return str(path)


def _files(run: RunFolder, folder: str = ".") -> list[str]:
    names: list[str] = []
    for name in run.names(folder):
        inner = str(PurePosixPath(folder, name))
        names += _files(run, inner) if run.is_folder(inner) else [inner]
    return names


def _archive(run: RunFolder, names: list[str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in names:
            data = run.read(name)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()
