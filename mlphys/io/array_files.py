"""Files with named arrays: an npz file, a folder of npy files, one npy file; headers first, then data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlphys.io import npz
from mlphys.io.npz import Header


def apart(path: Path) -> dict[str, Path]:
    """The npy files by array name, empty for an npz file."""
    if os.path.isdir(path):  # unlike Path.is_dir, it accepts any path
        return {file.stem: file for file in sorted(path.glob("*.npy")) if not file.name.startswith(".")}
    return {"x": path} if path.suffix == ".npy" else {}


def headers(path: Path) -> dict[str, Header]:
    """The headers of all arrays by name. Raises UserError for unreadable files."""
    files = apart(path)
    if files or os.path.isdir(path):
        return {name: npz.npy_header(file) for name, file in files.items()}
    return npz.headers(path)


def read(path: Path, headers: Mapping[str, Header]) -> dict[str, np.ndarray]:
    """The arrays named in `headers`. Raises UserError for damaged files, or arrays larger than the free memory."""
    files = apart(path)
    return {name: npz.read_npy(files[name]) for name in headers} if files else npz.read(path, headers)
