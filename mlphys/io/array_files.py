"""Files that hold arrays by name: npz, npy, IDX, HDF5, MATLAB's, FITS, or a folder of npy or IDX files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlphys.errors import UserError
from mlphys.io import confined, idx, npz
from mlphys.io.npz import Header

# Formats that a process of its own reads, by the ending.
CONFINED = {
    ".h5": "hdf5", ".hdf5": "hdf5", ".he5": "hdf5", ".nxs": "hdf5", ".nx5": "hdf5", ".mat": "mat",
    ".fits": "fits", ".fit": "fits", ".fts": "fits", ".fits.gz": "fits", ".fit.gz": "fits", ".fits.fz": "fits",
}  # fmt: skip
ENDINGS = (".npy", ".npz", ".idx", *CONFINED)
IDX_NAMES = {"images": "x", "labels": "y", "train": "train", "t10k": "test", "test": "test"}

# Unsupported formats, with the line of Python that converts them.
SAVE = "np.savez('{stem}.npz', x=x, y=y)"
RUNS_CODE = "can run code when it is opened, so it is not; if you trust it: "
CONVERSIONS = {
    ".pkl": f"{RUNS_CODE}import numpy as np, pickle; x, y = pickle.load(open('{{name}}', 'rb')); {SAVE}",
    ".joblib": f"{RUNS_CODE}import joblib, numpy as np; x, y = joblib.load('{{name}}'); {SAVE}",
    ".pt": f"is PyTorch's; import numpy as np, torch; x, y = torch.load('{{name}}', weights_only=True); {SAVE}",
    ".root": "is ROOT's; import numpy as np, uproot; "
    "np.savez('{stem}.npz', **uproot.open('{name}')['TREE'].arrays(library='np'))",
    ".parquet": "is a table of another format; import pandas; "
    "pandas.read_parquet('{name}').to_csv('{stem}.csv', index=False), and data: {{name: table, path: {stem}.csv}}",
    ".xlsx": "is a spreadsheet; save it as CSV, and write data: {{name: table, path: {stem}.csv}}",
    ".csv": "is a table; write data: {{name: table, path: {name}}}",
    ".tfrecord": "is TensorFlow's; read it with tf.data.TFRecordDataset, and import numpy as np; " + SAVE,
    ".tif": "is an image; put those of each class into a folder, and write data: {{name: image_folder, path: ...}}",
    ".zip": "is an archive; unpack it, and name what is in it",
}
SAME = {
    ".pickle": ".pkl", ".p": ".pkl", ".pth": ".pt", ".feather": ".parquet", ".xls": ".xlsx", ".ods": ".xlsx",
    ".tsv": ".csv", ".txt": ".csv", ".dat": ".csv", ".tfrecords": ".tfrecord", ".tiff": ".tif", ".png": ".tif",
    ".jpg": ".tif", ".jpeg": ".tif", ".gif": ".tif", ".bmp": ".tif", ".webp": ".tif", ".tar": ".zip", ".tgz": ".zip",
}  # fmt: skip


def is_known(path: Path) -> bool:
    """Whether a file of this name holds arrays."""
    return path.suffix.lower() in (".npy", ".npz") or idx.is_idx(path) or _confined(path) is not None


def apart(path: Path) -> dict[str, Path]:
    """The npy files by array name, empty for an npz file."""
    if os.path.isdir(path):  # unlike Path.is_dir, it accepts any path
        return {file.stem: file for file in sorted(path.glob("*.npy")) if not file.name.startswith(".")}
    return {"x": path} if path.suffix == ".npy" else {}


def parts(path: Path) -> dict[str, Path]:
    """All files that hold one array each, by the names of the arrays; none where one file holds them all."""
    return {**apart(path), **_idx_files(path)}


def headers(path: Path) -> dict[str, Header]:
    """The headers of all arrays by name. Raises UserError for unreadable files."""
    if kind := _confined(path):
        return confined.headers(path, kind)
    files, packed = apart(path), _idx_files(path)
    if files or packed or os.path.isdir(path):
        npy_headers = {name: npz.npy_header(file) for name, file in files.items()}
        return {**npy_headers, **{name: idx.header(file) for name, file in packed.items()}}
    _check_format(path)
    return npz.headers(path)


def unread(path: Path) -> dict[str, str]:
    """The arrays that are no numbers, or lead out of the file, each with the reason."""
    kind = _confined(path)
    return {name: why for name, (_, why) in confined.described(path, kind).items() if why} if kind else {}


def read(path: Path, headers: Mapping[str, Header]) -> dict[str, np.ndarray]:
    """The arrays named in `headers`. Raises UserError for damaged files, or arrays larger than the free memory."""
    if kind := _confined(path):
        return confined.read(path, kind, list(headers)) if headers else {}
    files, packed = apart(path), _idx_files(path)
    if files or packed:
        return {name: npz.read_npy(files[name]) if name in files else idx.read(packed[name]) for name in headers}
    return npz.read(path, headers)


def one(path: Path, preferred: str) -> np.ndarray:
    """The samples of a file: the array `preferred`, else x, else the only one. Raises UserError where there is none."""
    available = headers(path)
    name = next((name for name in (preferred, "x") if name in available), next(iter(available), ""))
    if name not in available or (name not in (preferred, "x") and len(available) > 1):
        have = ", ".join(list(available)[:20]) or "none"
        raise UserError(f"{path}: expected an array {preferred}, or one array alone; received {have}")
    return read(path, {name: available[name]})[name]


def _confined(path: Path) -> str | None:
    if os.path.isdir(path):
        return None
    return CONFINED.get("".join(path.suffixes[-2:]).lower()) or CONFINED.get(path.suffix.lower())


def _idx_files(path: Path) -> dict[str, Path]:
    """IDX files by the names of their arrays: train-images is x_train, t10k-labels y_test, others keep their names."""
    if not os.path.isdir(path):
        return {"x": path} if idx.is_idx(path) else {}
    return {_idx_name(file): file for file in sorted(path.iterdir()) if idx.is_idx(file)}


def _idx_name(path: Path) -> str:
    stem = re.split(r"[-._]idx", path.name.lower())[0]
    words = [IDX_NAMES.get(word, word) for word in re.split(r"[-._]", stem)]
    return "_".join(sorted(words, key=lambda word: word not in ("x", "y")))


def _check_format(path: Path) -> None:
    """Raise UserError with the line of Python that converts a file of a format that is not read."""
    ending = path.suffix.lower()
    remedy = CONVERSIONS.get(SAME.get(ending, ending))
    if remedy and os.path.isfile(path):
        raise UserError(f"{path}: {remedy.format(name=path.name, stem=path.stem)}")
