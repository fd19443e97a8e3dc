"""Files that hold arrays by name: an npz file, a folder of npy files, one npy file. Headers first, then the data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlphys.io import npz
from mlphys.io.npz import Header


def apart(path: Path) -> dict[str, Path]:
    """The npy files that hold one array each, by the names of the arrays; none where one file holds them all."""
    if os.path.isdir(path):  # unlike Path's own, it answers for any path
        return {file.stem: file for file in sorted(path.glob("*.npy")) if not file.name.startswith(".")}
    return {"x": path} if path.suffix == ".npy" else {}


def headers(path: Path) -> dict[str, Header]:
    """All arrays by name, their data unread. Raises UserError for what cannot be read."""
    files = apart(path)
    if files or os.path.isdir(path):
        return {name: npz.npy_header(file) for name, file in files.items()}
    return npz.headers(path)


def read(path: Path, headers: Mapping[str, Header]) -> dict[str, np.ndarray]:
    """The arrays that `headers` names. Raises UserError for what is damaged, or larger than the memory that is free."""
    files = apart(path)
    return {name: npz.read_npy(files[name]) for name in headers} if files else npz.read(path, headers)
