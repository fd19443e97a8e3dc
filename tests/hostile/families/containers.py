"""HDF5, MATLAB and FITS files: links out of them, lies about sizes, cuts and wrong bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from tests.hostile.case import Case
from tests.hostile.inputs import PCA, after, write, wrote

X = np.arange(200, dtype="f4").reshape(10, 20)


def hdf5(fill: Callable[[Any], object]) -> bytes:
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def _set(name: str, value: Any) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        file[name] = value

    return fill


def _link(kind: str, *arguments: str) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        import h5py

        file["x"] = getattr(h5py, kind)(*arguments)

    return fill


def _external(file: Any) -> None:
    file.create_dataset("x", (10, 20), "f4", external=[("../mine/thesis.txt", 0, 800)])


def _virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((10, 20), "f4")
    layout[:] = h5py.VirtualSource("../mine/secret.h5", "x", (10, 20))
    file.create_virtual_dataset("x", layout)


def _claims(*shape: int, **options: Any) -> Callable[[Any], None]:
    return lambda file: file.create_dataset("x", shape, "f4", **options)


def _deep(file: Any) -> None:
    for _ in range(300):
        file = file.create_group("g")
    file["x"] = X


def _circle(file: Any) -> None:
    group = file.create_group("a")
    group["b"] = file["/"]


def _many(file: Any) -> None:
    for i in range(3000):
        file.create_group(f"g{i}")


def _objects(file: Any) -> None:
    import h5py

    file.create_dataset("x", (3,), h5py.special_dtype(ref=h5py.Reference))


def _compound(file: Any) -> None:
    file["x"] = np.zeros(10, [("a", "f4"), ("b", "S3")])


HDF5: dict[str, Callable[[Any], object]] = {
    "nothing in it": lambda file: None,
    "a link to another file": _link("ExternalLink", "../mine/secret.h5", "x"),
    "a link to a device": _link("ExternalLink", "/dev/zero", "x"),
    "a link to nothing": _link("SoftLink", "/nowhere"),
    "a link to itself": _link("SoftLink", "/x"),
    "data in another file": _external,
    "a virtual data set": _virtual,
    "a claimed terabyte": _claims(10**6, 10**6),
    "a claimed exabyte": _claims(10**9, 10**9),
    "a claimed terabyte in chunks": _claims(10**6, 10**6, chunks=(10, 10), compression="gzip"),
    "no samples": _claims(0, 20),
    "no features": _claims(10, 0),
    "one number": _set("x", 3.0),
    "text": _set("x", "text"),
    "30 axes": _claims(*[1] * 30),
    "groups in groups": _deep,
    "a circle": _circle,
    "3,000 groups": _many,
    "references": _objects,
    "records": _compound,
    "nan": _set("x", np.full((10, 20), np.nan, "f4")),
    "complex numbers": _set("x", X.astype("c8")),
    "a name of escapes": _set("\x1b[2J", X),
    "a long name": _set("n" * 60_000, X),
    "a group called x": lambda file: file.create_group("x"),
    "an empty data set": lambda file: file.create_dataset("x", dtype="f4"),
}


@cache
def _sound(kind: str) -> bytes:
    content = io.BytesIO()
    if kind == "h5":
        return hdf5(_set("x", X))
    if kind == "mat":
        from scipy.io import savemat

        savemat(content, {"x": X})
    else:
        from astropy.io import fits

        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(X, name="x")]).writeto(content)
    return content.getvalue()


def _damaged(kind: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for share in (0, 0.01, 0.1, 0.3, 0.6, 0.9):
        yield f"cut at {share:.0%}", lambda share=share: _sound(kind)[: int(len(_sound(kind)) * share)]
    yield "a byte less", lambda: _sound(kind)[: len(_sound(kind)) // 2 - 1]
    yield "zeros in place of its begin", lambda: bytes(300) + _sound(kind)[300:]
    yield "ones in place of its begin", lambda: b"\xff" * 40 + _sound(kind)[40:]
    yield "its begin twice", lambda: _sound(kind)[:100] + _sound(kind)
    yield "another format", lambda: b"PK\x03\x04" + bytes(3000)
    yield "a pickle", lambda: b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."
    yield "lines of text", lambda: b"x,y\n1,2\n" * 500


def fits(*cards: str, body: bytes = bytes(2880)) -> bytes:
    """A FITS file of one header."""
    return "".join(card.ljust(80)[:80] for card in (*cards, "END")).ljust(2880).encode("latin-1") + body


FITS = {
    "no END": fits()[:80] * 36,
    "a claimed terabyte": fits(
        "SIMPLE  =   T", "BITPIX  =  -32", "NAXIS   = 2", "NAXIS1  = 1000000", "NAXIS2  = 1000000"
    ),
    "negative axes": fits("SIMPLE  =   T", "BITPIX  =  -32", "NAXIS   = 2", "NAXIS1  = -5", "NAXIS2  = -5"),
    "999 axes": fits("SIMPLE  =   T", "BITPIX  =  -32", "NAXIS   = 999"),
    "axes that are not there": fits("SIMPLE  =   T", "BITPIX  =  -32", "NAXIS   = 2"),
    "an unknown type": fits("SIMPLE  =   T", "BITPIX  =  7", "NAXIS   = 1", "NAXIS1  = 5"),
    "axes of text": fits("SIMPLE  =   T", "BITPIX  =  -32", "NAXIS   = 'a'"),
    "axes of many digits": fits("SIMPLE  =   T", "BITPIX  =  -32", f"NAXIS   = {'9' * 60}"),
    "a header without end": fits("SIMPLE  =   T", *["COMMENT x"] * 30_000)[:-5000],
    "escapes": fits("SIMPLE  =   T", "BITPIX  =  -32", "NAXIS   = 0", "EXTNAME = '\x1b[2J'"),
    "a continued card": fits("SIMPLE  =   T", "BITPIX  = 8", "NAXIS   = 0", *["CONTINUE  'x&'"] * 3000),
}


def _mat_of(name: str, values: Any) -> Callable[[], bytes]:
    def made() -> bytes:
        from scipy.io import savemat

        content = io.BytesIO()
        savemat(content, {name: values})
        return content.getvalue()

    return made


MAT: dict[str, Callable[[], bytes]] = {
    "cells": _mat_of("x", np.array([1, "a"], dtype=object)),
    "a struct": _mat_of("x", {"a": 1}),
    "text": _mat_of("x", "text"),
    "no x": _mat_of("z", X),
    "nothing": _mat_of("x", np.zeros((0, 0))),
    "complex numbers": _mat_of("x", X.astype("c8")),
    "nan": _mat_of("x", X * np.nan),
    "a size of 4 GB": lambda: _sound("mat")[:132] + b"\xff\xff\xff\x7f" + _sound("mat")[136:],
    "a negative size": lambda: _sound("mat")[:132] + b"\xff\xff\xff\xff" + _sound("mat")[136:],
    "axes beyond memory": lambda: _sound("mat").replace(
        (10).to_bytes(4, "little") + (20).to_bytes(4, "little"), (2**30).to_bytes(4, "little") * 2
    ),
    "an unknown type": lambda: _sound("mat")[:128] + b"\x63" + _sound("mat")[129:],
    "version 4": lambda: bytes(20) + b"x\0" + bytes(100),
}


# Damage to a part that need not be looked at.
EITHER = ("ones in place of its begin", "cut at 90%", "a size of 4 GB", "a negative size")


def cases() -> Iterator[Case]:
    for what, fill in HDF5.items():
        yield _of("h5", what, lambda fill=fill: hdf5(fill))
    for kind in ("h5", "mat", "fits"):
        for what, made in _damaged(kind):
            yield _of(kind, what, made)
    for what, made in MAT.items():
        yield _of("mat", what, made)
    for what, content in FITS.items():
        yield _of("fits", what, lambda content=content: content)


def _of(kind: str, what: str, made: Callable[[], bytes]) -> Case:
    config = wrote("c.yaml", f"data: {{name: array, path: x.{kind}}}\n{PCA}")
    prepare = after(config, lambda: write(f"x.{kind}", made()))
    return Case(
        f"{kind}: {what}", ("data", "check", "c.yaml"), rf"x\.{kind}|c\.yaml", prepare, None if what in EITHER else 2
    )
