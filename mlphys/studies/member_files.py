"""The files that a member needs beside its config, found on the machine that trains it, or sent there once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlphys.config.completion import parsed
from mlphys.errors import UserError
from mlphys.io import atomic, checksum
from mlphys.io.download import fetch, keep, locate
from mlphys.io.run_files import WEIGHTS
from mlphys.schema.data import RemoteFile
from mlphys.schema.document import Document

OF_RUNS = ("config.yaml", "data.json", "status.json", WEIGHTS)  # of one that a training begins with


@dataclass(frozen=True)
class NeededFile:
    """A file of the machine that conducts the study; `source` if it is one of a public dataset."""

    path: str
    size: int
    sha256: str
    source: RemoteFile | None = None


def needed(document: Document) -> tuple[Document, tuple[NeededFile, ...]]:
    """The config with absolute paths, and the files that they name. Raises UserError for one that is missing."""
    experiment = parsed(document)
    data = experiment.data
    files = [_needed(fetch(source), source) for source in data.sources()]
    if path := getattr(data, "path", None) if data.PATH_KEYS else None:
        for key in {*data.PATH_KEYS} & {*document.data["data"]}:  # where the member is trained, they start elsewhere
            document = document.with_value(("data", key), getattr(data, key), document.name)
        inside = _inside(Path(path)) if Path(path).is_dir() or not data.files() else ()
        files += [_needed(file) for file in (*data.files(), *inside)]
    initial = experiment.training.initial
    if initial and initial.file:
        document = document.with_value(("training", "initial", "file"), initial.file, document.name)
        files.append(_needed(Path(initial.file)))
    for block in (experiment.model.pretrained_encoder(), initial):
        if block and block.run:
            files += [_needed(Path(block.run).absolute() / name) for name in OF_RUNS]
    return document, tuple(files)


def missing(files: Sequence[NeededFile]) -> list[int]:
    """Those that this machine does not have. Raises UserError where it has another file in the place of one."""
    return [number for number, file in enumerate(files) if not _there(file)]


def place(file: NeededFile, content: bytes) -> None:
    """Write a file to where the config names it. Raises UserError where that is not possible."""
    if file.source:
        keep(file.source, content)
        return
    path = Path(file.path)
    atomic.make(path.parent)
    atomic.write(path, content)
    _there(file)


def _needed(path: Path, source: RemoteFile | None = None) -> NeededFile:
    digest = _sha256(path)
    return NeededFile(str(path), path.stat().st_size, digest, source)


def _sha256(path: Path) -> str:
    """Computed once, as long as the file does not change: hundreds of members may need it."""
    checksum.regular(path)
    return _computed(path, checksum.version(path))


@lru_cache(maxsize=100_000)
def _computed(path: Path, version: checksum.Version) -> str:
    return checksum.sha256(path)


def _inside(folder: Path) -> list[Path]:
    return sorted(Path(where, name) for where, _, names in os.walk(folder) for name in names)


def _there(file: NeededFile) -> bool:
    if file.source:
        return locate(file.source) is not None  # verified when it is read
    path = Path(file.path)
    if not os.path.lexists(path):
        return False
    if path.stat().st_size != file.size or _sha256(path) != file.sha256:
        raise UserError(
            f"{path}: is another file there (sha256 differs); remove it there, or give it another name here"
        )
    return True
