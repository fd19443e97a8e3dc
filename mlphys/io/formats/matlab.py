"""MATLAB's files: the numeric arrays of version 5 by SciPy, of version 7.3, which is HDF5, by h5py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from mlphys.io.formats import hdf5
from mlphys.io.formats.content import Described, Unreadable, plain

NUMBERS = {
    "double": "<f8", "single": "<f4", "int8": "<i1", "uint8": "<u1", "int16": "<i2", "uint16": "<u2",
    "int32": "<i4", "uint32": "<u4", "int64": "<i8", "uint64": "<u8", "logical": "|b1",
}  # fmt: skip
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def describe(file: BinaryIO) -> dict[str, Described]:
    if _is_hdf5(file):
        return {
            name: Described(_vector(array.shape[::-1]), array.dtype, array.refusal)
            for name, array in hdf5.describe(file).items()
            if not name.startswith("#")  # the contents of cells and objects
        }
    from scipy.io import whosmat

    descriptions = {}
    for name, shape, kind in _guarded(lambda: whosmat(file)):
        if kind in NUMBERS:
            descriptions[str(name)] = Described(_vector(tuple(int(n) for n in shape)), NUMBERS[kind])
        else:
            descriptions[str(name)] = Described(
                refusal=f"is a {kind}; expected real numbers; in MATLAB: cell2mat, or x = s.x"
            )
    return descriptions


def read(file: BinaryIO, names: list[str]) -> Iterator[np.ndarray]:
    if _is_hdf5(file):
        for values in hdf5.read(file, names):
            yield _as_vector(plain(values.T))
        return
    from scipy.io import loadmat

    variables = _guarded(
        lambda: loadmat(file, variable_names=names, struct_as_record=True, verify_compressed_data_integrity=True)
    )
    for name in names:
        values = np.asarray(variables[name])
        if values.dtype.kind not in "buif":
            raise Unreadable(f"{name} holds {values.dtype}; expected real numbers")
        yield _as_vector(plain(values))


def _is_hdf5(file: BinaryIO) -> bool:
    """Version 7.3 has HDF5's signature behind 512 bytes of its own."""
    start = file.read(520)
    file.seek(0)
    return start[512:] == HDF5_MAGIC or start.startswith(HDF5_MAGIC)


def _guarded(call: Any) -> Any:
    try:
        return call()
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make SciPy raise arbitrary exceptions
        raise Unreadable(f"not a MATLAB file, or a damaged one ({error}); save it again") from None


def _vector(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A row or a column as a vector, which MATLAB does not have."""
    return (max(shape),) if len(shape) == 2 and min(shape) == 1 else shape


def _as_vector(values: np.ndarray) -> np.ndarray:
    return values.reshape(_vector(values.shape))
