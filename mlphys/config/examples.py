"""The configs that come with mlphys."""

from __future__ import annotations

import os
from pathlib import Path

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.schema.messages import suggestion


def shipped() -> dict[str, Path]:
    """The configs that come with mlphys, by name."""
    return {path.stem: path for path in sorted(_folder().glob("*.yaml"))}


def shipped_studies() -> dict[str, Path]:
    """The configs of studies that come with mlphys, by name."""
    return {path.stem: path for path in sorted((_folder() / "studies").glob("*.yaml"))}


def _folder() -> Path:
    package = Path(__file__).parents[1]
    inside, beside = package / "configs", package.parent / "configs"
    return inside if inside.is_dir() else beside


def copy(name: str, folder: Path) -> Path:
    """Copy a shipped config into a folder. Raises UserError rather than overwrite a file."""
    known = shipped() | shipped_studies()
    if name not in known:
        raise UserError(f"{name}: no such config; there are {', '.join(known)}{suggestion(name, known)}")
    target = folder / f"{name}.yaml"
    if os.path.exists(target):
        raise UserError(f"{target}: exists; it is not overwritten; name another folder with --to")
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder")
    atomic.write(target, known[name].read_bytes())
    return target
