"""Copies of the configs that come with mlphys."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlphys.config.experiment import NAME_PATTERN
from mlphys.config.shipped import shipped, shipped_studies
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.schema.suggestions import suggestion


def copy(name: str, folder: Path, new_name: str | None = None) -> Path:
    """Copy a shipped config into a folder, under a new name if one is given.

    Raises UserError rather than overwrite a file, and for what is no name.
    """
    known = shipped() | shipped_studies()
    if name not in known:
        near = suggestion(name, known) or "; `mlphys list configs` lists them"
        raise UserError(f"{name}: no such config{near}")
    if new_name is not None and not re.fullmatch(NAME_PATTERN, new_name):
        raise UserError(f"--name {new_name}: expected a-z, A-Z, 0-9, '.', '-' and '_', first a letter or digit")
    target = folder / f"{new_name or name}.yaml"
    if os.path.exists(target):
        raise UserError(f"{target}: exists; it is not overwritten; name another folder with --to, or a --name")
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder; --to names one that is there, --name the copy")
    text = known[name].read_text()
    atomic.write(target, renamed(text, new_name) if new_name else text)
    return target


def renamed(text: str, name: str) -> str:
    """A config under another name, without what the original is, was published as, and is expected to reach."""
    body = re.sub(r"^(#.*\n)+", "", text)
    body = re.sub(r"^(about|expect|published):.*\n([ \t#-].*\n|\n)*", "", body, flags=re.MULTILINE)
    return re.sub(r"^name:.*$", f"name: {name}", body, flags=re.MULTILINE)
