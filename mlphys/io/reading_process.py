"""The process that parses one file with a C library, and returns its arrays as plain bytes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from mlphys.io import landlock, resource_limits
from mlphys.io.formats import fits, hdf5, matlab
from mlphys.io.formats.content import Unreadable

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/nix/store")
FORMATS: dict[str, Any] = {"hdf5": hdf5, "mat": matlab, "fits": fits}


def main() -> None:
    """A request on standard input, JSON; the answer on standard output: a line of JSON, then the bytes of arrays.

    The request has format, path, memory, seconds, and the names of the arrays that are read; all are described.
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries print to stderr
    request = json.load(sys.stdin)
    landlock.confine()
    try:
        with open(request["path"], "rb") as file:
            _import(request["format"])
            resource_limits.hold(request["memory"], request["seconds"])
            landlock.confine(readable=[*sys.path[1:], *LIBRARIES])  # libraries import modules when they need them
            _answer(out, FORMATS[request["format"]], file, request["names"])
    except Unreadable as error:
        _line(out, {"error": str(error)})
    except MemoryError:
        _line(out, {"error": f"takes more than {request['memory'] / 1e9:.3g} GB of memory to read; save fewer samples"})
    except Exception as error:  # damaged bytes make libraries raise arbitrary exceptions
        _line(out, {"error": f"damaged ({type(error).__name__}: {str(error)[:200]}); copy it again, or save it again"})
    out.flush()
    os._exit(0)  # skip the libraries' exit handlers


def _answer(out: BinaryIO, kind: Any, file: BinaryIO, names: list[str]) -> None:
    descriptions = kind.describe(file)
    _line(out, {"arrays": {name: [array.shape, array.dtype, array.refusal] for name, array in descriptions.items()}})
    if not names:
        return
    out.flush()  # the parent may refuse before anything is read
    file.seek(0)
    arrays: Iterable[np.ndarray] = kind.read(file, names)
    for values in arrays:
        _line(out, {"shape": values.shape, "dtype": values.dtype.str})
        out.write(values.reshape(-1).view(np.uint8).data)


def _line(out: BinaryIO, facts: dict[str, Any]) -> None:
    out.write(json.dumps(facts).encode() + b"\n")


def _import(kind: str) -> None:
    """Import before the limits hold: libraries map more memory than they use."""
    with contextlib.suppress(ImportError):
        match kind:
            case "hdf5":
                import h5py  # noqa: F401
            case "mat":
                import scipy.io  # noqa: F401
            case "fits":
                import astropy.io.fits  # noqa: F401
