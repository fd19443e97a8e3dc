"""FITS (Pence et al. 2010): images by the names of their HDUs, the columns of tables by theirs."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import math
import os
import warnings
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from mlphys.io.formats.content import Described, Unreadable, plain

MOST_HDUS = 1000
MOST_COLUMNS = 10_000
MOST_AXES = 999  # of the standard
BLOCK = 2880  # bytes
PACKED: dict[bytes, Any] = {b"\x1f\x8b\x08": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
ARCHIVES = (b"PK\x03\x04", b"\x1f\x9d")  # zip, and .Z


def describe(file: BinaryIO) -> dict[str, Described]:
    """Describe all arrays. The dtypes of scaled values are not in the headers, so data are read."""
    descriptions = {}
    for name, place in _arrays(file):
        values, refusal = _values(*place)
        descriptions[name] = Described(refusal=refusal) if refusal else Described(values.shape, values.dtype.str)
    return descriptions


def read(file: BinaryIO, names: list[str]) -> Iterator[np.ndarray]:
    arrays = dict(_arrays(file))
    for name in names:
        values, refusal = _values(*arrays[name])
        if refusal:
            raise Unreadable(f"{name} {refusal}")
        yield values


def _values(hdu: Any, column: str | None) -> tuple[np.ndarray, str]:
    """The numbers or texts of an image or a column, or the reason why they cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = np.asarray(hdu.data if column is None else hdu.data[column])
        except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
            raise Unreadable(f"damaged, or truncated ({error}); copy it again") from None
    if values.dtype.kind not in "buifSU":
        what = (
            "has rows of different lengths" if values.dtype.kind == "O" else f"holds {values.dtype.newbyteorder('=')}"
        )
        return np.empty(0), f"{what}; expected as many real numbers, or a text, in each"
    if column is not None and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    return plain(values), ""


def _arrays(file: BinaryIO) -> Iterator[tuple[str, tuple[Any, str | None]]]:
    """The HDU of each array, and its column; the columns of the only table need no name of the HDU."""
    try:
        from astropy.io import fits
    except ImportError:
        raise Unreadable("FITS is read by astropy; `pip install 'mlphys[fits]'` brings it") from None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if (axes := max(_numbers_of_axes(_unpacked(file)), default=0)) > MOST_AXES:  # astropy would count to it
            raise Unreadable(f"a header with {axes} axes, more than {MOST_AXES}; copy it again")
        file.seek(0)
        try:
            hdus = fits.open(file, mode="readonly", memmap=False, lazy_load_hdus=False)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Unreadable(f"not a FITS file, or a damaged one ({error}); copy it again") from None
        if len(hdus) > MOST_HDUS:
            raise Unreadable(f"has {len(hdus)} HDUs, more than {MOST_HDUS}; save fewer")
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]  # no packed images
        for i, hdu in enumerate(hdus):
            name = (hdu.name or "").strip() or f"HDU{i}"
            if hdu in tables:
                if len(hdu.columns) > MOST_COLUMNS:
                    raise Unreadable(f"{name} has {len(hdu.columns)} columns, more than {MOST_COLUMNS}")
                for column in hdu.columns.names:
                    yield (column if len(tables) == 1 else f"{name}/{column}"), (hdu, column)
            elif hdu.is_image and hdu.shape:
                yield name, (hdu, None)


def _unpacked(file: BinaryIO) -> BinaryIO:
    """The file, or what is packed in it: astropy reads that too, whatever the name of the file."""
    file.seek(0)
    begin = file.read(6)
    file.seek(0)
    if begin.startswith(ARCHIVES):
        raise Unreadable("is an archive, zip or .Z; unpack it")
    return next((opened(file) for magic, opened in PACKED.items() if begin.startswith(magic)), file)


def _numbers_of_axes(file: BinaryIO) -> Iterator[int]:
    """NAXIS of each HDU, as far as the file is sound: what follows is refused by astropy."""
    from astropy.io import fits

    damaged = (EOFError, OSError, ValueError, TypeError, KeyError, OverflowError, zlib.error, lzma.LZMAError)
    with contextlib.suppress(*damaged, fits.VerifyError):
        for _ in range(MOST_HDUS):
            header = fits.Header.fromfile(file)
            yield (axes := int(header.get("NAXIS", 0)))
            lengths = [header[f"NAXIS{i}"] for i in range(1, axes + 1)]
            if lengths and lengths[0] == 0 and header.get("GROUPS"):  # random groups, whose first axis is no axis
                lengths = lengths[1:]
            values = header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + math.prod(lengths)) if lengths else 0
            size = abs(header["BITPIX"]) // 8 * values
            file.seek(math.ceil(size / BLOCK) * BLOCK, os.SEEK_CUR)
