"""The runs in a folder of folders, such as one of what a class has handed in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mlphys.io.run_folder import STUDY
from mlphys.runs.run import Run
from mlphys.studies.member_runs import member_runs
from mlphys.studies.study_file import Study

DEEPEST = 4  # folders below the one that is named: STUDENT/runs/NAME/NUMBER


def runs_below(name: str) -> list[Run]:
    """All runs below a folder, members of studies too, by their paths; no link is followed."""
    return list(_below(Path(name), 0))


def _below(folder: Path, depth: int) -> Iterator[Run]:
    if os.path.lexists(folder / STUDY):
        yield from member_runs(Study(folder))
    elif os.path.lexists(folder / "config.yaml"):
        yield Run(folder)
    elif depth <= DEEPEST:
        for inner in _folders(folder):
            yield from _below(inner, depth + 1)


def _folders(folder: Path) -> list[Path]:
    """Those inside that are not hidden, numbers in their order; none of one that cannot be read."""
    try:
        folders = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    shown = [path for path in folders if not path.name.startswith(".")]
    return sorted(shown, key=lambda path: (int(path.name) if path.name.isdecimal() else 0, path.name))
