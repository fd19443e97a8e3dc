"""npy, npz and IDX files that lie about their size, hold objects, or are cut."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tests.hostile.case import Case
from tests.hostile.inputs import PCA, write


def npy(header: str, body: bytes = bytes(800), version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    text = header.encode("latin-1", "replace")
    form = "<H" if version[0] == 1 else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(text) if length is None else length) + text + body


def header(descr: str = "'<f4'", order: str = "False", shape: str = "(10, 20)", more: str = "") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {more}}}\n"


SOUND = npy(header())
NPY: dict[str, bytes] = {
    "empty": b"",
    "only its magic": b"\x93NUMPY",
    "another magic": b"\x93NUMPX" + SOUND[6:],
    "version 0": npy(header(), version=(0, 0)),
    "version 9": npy(header(), version=(9, 9)),
    "a header of 4 GB": npy(header(), version=(2, 0), length=2**32 - 1),
    "a header longer than the file": npy(header(), length=60_000),
    "an empty header": npy(""),
    "a header that is no block": npy("[1]\n"),
    "a header of code": npy("__import__('os').system('touch hacked')\n"),
    "a header of deep brackets": npy("(" * 5000 + ")" * 5000),
    "a header of many digits": npy(header(shape=f"({'9' * 5000},)")),
    "a header of zeros": npy("\0" * 100),
    "a header that multiplies": npy("9**9**9**9\n"),
    "a header of two keys": npy("{'descr': '<f4'}\n"),
    "a header of more keys": npy(header(more="'x': 1")),
    "objects": npy(header("'|O'")),
    "records": npy(header("[('a', '<f4'), ('b', '|O')]")),
    "a record in a record": npy(header("[('a', [('b', '<f4')])]")),
    "times": npy(header("'<M8[s]'")),
    "complex numbers": npy(header("'<c8'")),
    "text": npy(header("'<U20'")),
    "voids": npy(header("'|V4'")),
    "a type of no sense": npy(header("'<f3'")),
    "a type of text": npy(header("'os.system'")),
    "a type of escapes": npy(header("'\\x1b[2J'")),
    "an order that is text": npy(header(order="'yes'")),
    "a shape of a terabyte": npy(header(shape="(10**6, 10**6)")),
    "a shape of 10^12": npy(header(shape="(1000000, 1000000)")),
    "a shape beyond int64": npy(header(shape="(99999999999, 99999999999)")),
    "a shape that overflows to nothing": npy(header(shape="(4294967296, 4294967296)")),
    "a negative shape": npy(header(shape="(-10, -20)")),
    "a shape of fractions": npy(header(shape="(10.0, 20)")),
    "a shape of text": npy(header(shape="('10', 20)")),
    "a shape of true": npy(header(shape="(True, 200)")),
    "no axis": npy(header(shape="()"), bytes(4)),
    "no sample": npy(header(shape="(0, 20)"), b""),
    "no feature": npy(header(shape="(10, 0)"), b""),
    "a hundred axes": npy(header(shape=f"({'1, ' * 100}200)")),
    "half of its numbers": SOUND[:-400],
    "a number too many": SOUND + bytes(4),
    "half a number": SOUND[:-2],
    "nan": npy(header(), np.full(200, np.nan, "f4").tobytes()),
    "infinity": npy(header(), np.full(200, np.inf, "f4").tobytes()),
    "numbers beyond float32": npy(header("'<f8'"), np.full(200, 1e300).tobytes()),
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
    "an npz": b"PK\x03\x04" + bytes(100),
    "a huge sparse one": npy(header(shape="(1000, 1000)"), bytes(100)),
}


def zipped(members: dict[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packed) as archive:
        for name, each in members.items():
            archive.writestr(name, each)
    return content.getvalue()


def _patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


def _encrypted() -> bytes:
    content = bytearray(zipped({"x.npy": SOUND}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


ARCHIVE = zipped({"x.npy": SOUND})
NPZ: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "an archive of nothing": lambda: zipped({}),
    "no npy inside": lambda: zipped({"x.txt": b"x"}),
    "objects": lambda: zipped({"x.npy": NPY["objects"]}),
    "a bomb": lambda: zipped({"x.npy": npy(header(shape="(10, 50000000)"), bytes(50_000_000))}),
    "a claimed terabyte": lambda: zipped({"x.npy": NPY["a shape of 10^12"]}),
    "a name that leaves": lambda: zipped({"../../x.npy": SOUND}),
    "an absolute name": lambda: zipped({"/etc/x.npy": SOUND}),
    "a name of escapes": lambda: zipped({"\x1b[2J.npy": SOUND}),
    "a long name": lambda: zipped({f"{'x' * 60_000}.npy": SOUND}),
    "a name of nothing": lambda: zipped({".npy": SOUND}),
    "ten thousand members": lambda: zipped({f"a{i}.npy": b"" for i in range(10_000)}),
    "an encrypted member": _encrypted,
    "lzma": lambda: zipped({"x.npy": SOUND}, zipfile.ZIP_LZMA),
    "bzip2": lambda: zipped({"x.npy": SOUND}, zipfile.ZIP_BZIP2),
    "cut at the end": lambda: ARCHIVE[:-10],
    "cut in the middle": lambda: ARCHIVE[: len(ARCHIVE) // 2],
    "cut at the begin": lambda: ARCHIVE[50:],
    "a byte wrong": lambda: ARCHIVE[:80] + b"\xff\xff" + ARCHIVE[82:],
    "an archive in an archive": lambda: zipped({"x.npz": ARCHIVE}),
    "a false checksum": lambda: _patched(ARCHIVE, zlib.crc32(SOUND).to_bytes(4, "little"), b"abcd"),
    "a false size": lambda: _patched(ARCHIVE, len(SOUND).to_bytes(4, "little"), (2**31).to_bytes(4, "little")),
    "a false number of members": lambda: ARCHIVE[:-12] + b"\xff\xff\xff\xff" + ARCHIVE[-8:],
    "something before it": lambda: b"#!/bin/sh\n" + zipped({"y.npy": SOUND}),
    "x and y of other lengths": lambda: zipped({"x.npy": SOUND, "y.npy": npy(header(shape="(11,)"), bytes(44))}),
    "labels of objects": lambda: zipped({"x.npy": SOUND, "y.npy": npy(header("'|O'", shape="(10,)"))}),
    "a tar": lambda: b"x" * 257 + b"ustar" + bytes(300),
    "a pickle": lambda: NPY["a pickle"],
}


def idx(kind: int = 8, axes: tuple[int, ...] = (10, 8, 8), body: bytes = bytes(640)) -> bytes:
    return bytes([0, 0, kind, len(axes)]) + b"".join(struct.pack(">I", axis) for axis in axes) + body


IDX = {
    "empty": b"",
    "only its begin": idx()[:3],
    "no axes": idx(axes=(), body=b""),
    "255 axes": bytes([0, 0, 8, 255]) + bytes(1020),
    "axes beyond the file": idx(axes=(2**32 - 1, 2**32 - 1)),
    "axes that overflow": idx(axes=(2**31, 2**31, 4)),
    "an unknown type": idx(7),
    "half of it": idx()[:300],
    "a byte too many": idx() + b"x",
    "nothing in it": idx(axes=(0, 8, 8), body=b""),
    "a first byte": b"\x01" + idx()[1:],
}


def cases() -> Iterator[Case]:
    for what, content in NPY.items():
        yield _of(f"npy: {what}", "x.npy", partial(write, "x.npy", content))
    for what, made in NPZ.items():
        yield _of(f"npz: {what}", "x.npz", lambda made=made: write("x.npz", made()))
    for what, content in IDX.items():
        yield _of(f"idx: {what}", "t-images-idx3-ubyte", partial(write, "t-images-idx3-ubyte", content))
        zipped_ = gzip.compress(content, mtime=0)
        yield _of(f"idx.gz: {what}", "t-images-idx3-ubyte.gz", partial(write, "t-images-idx3-ubyte.gz", zipped_))
    for what, content in {
        "cut": zipped_[:-9],
        "no gzip": b"x" * 50,
        "a bomb": gzip.compress(idx(axes=(10**5, 8, 8), body=bytes(3 * 10**7)), mtime=0),
    }.items():
        yield _of(f"idx.gz: {what}", "t-images-idx3-ubyte.gz", partial(write, "t-images-idx3-ubyte.gz", content))
    yield _of("a sparse npy of a terabyte", "x.npy", _sparse, gist="nearly nothing of it")
    for what, names in {
        "no npy files": (),
        "a hidden one": (".x.npy",),
        "only labels": ("y.npy",),
        "a name of escapes": ("\x1b[2J.npy",),
    }.items():
        yield _of(f"folder: {what}", "d", partial(_folder, names))


def _of(name: str, path: str, prepare: Callable[[], object], gist: str | None = None) -> Case:
    def both() -> None:
        prepare()
        write("c.yaml", f"data: {{name: array, path: {path}}}\n{PCA}")

    return Case(name, ("data", "check", "c.yaml"), re.escape(path.split("-")[0]) if gist is None else gist, both)


def _sparse() -> None:
    write("x.npy", npy(header("'|u1'", shape="(1000000, 1000000)"), b""))
    with open("x.npy", "ab") as file:
        file.truncate(file.tell() + 10**12)


def _folder(names: tuple[str, ...]) -> None:
    Path("d").mkdir()
    for name in names:
        Path("d", name).write_bytes(SOUND)
