"""Images that are none, bombs, cut, or of formats that are not decoded, and folders of them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np

from tests.hostile.case import Case
from tests.hostile.inputs import PCA, write

FORMATS = ("png", "jpg", "bmp", "gif", "tif", "webp")
ANSWER = "photos"


@cache
def sound(ending: str) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    pixels = (np.arange(144).reshape(12, 12) % 250).astype(np.uint8)
    Image.fromarray(pixels).save(content, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
    return content.getvalue()


def png(
    width: int = 12, height: int = 12, depth: int = 8, colour: int = 0, body: bytes | None = None, more: bytes = b""
) -> bytes:
    pixels = zlib.compress(bytes((12 + 1) * 12) if body is None else body, 9)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


WRONG: dict[str, Callable[[], bytes]] = {
    "a bomb.png": lambda: png(20_000, 20_000, body=bytes(20_001 * 100)),
    "a claimed terapixel.png": lambda: png(2**31 - 1, 2**31 - 1),
    "no width.png": lambda: png(0, 12),
    "a width of 4 billion.png": lambda: png(2**32 - 1, 1),
    "no pixels.png": lambda: png(body=b""),
    "an unknown depth.png": lambda: png(depth=3),
    "an unknown colour.png": lambda: png(colour=9),
    "a wrong checksum.png": lambda: png()[:30] + b"\0\0" + png()[32:],
    "a text bomb.png": lambda: png(100, 100, more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9))),
    "a profile bomb.png": lambda: png(100, 100, more=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8), 9))),
    "a chunk of 4 GB.png": lambda: png()[:33] + b"\xff\xff\xff\xffIDAT" + bytes(50),
    "SVG.png": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "PostScript.png": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    "PDF.jpg": lambda: b"%PDF-1.4\n" + bytes(100),
    "a PPM.png": lambda: b"P6 12 12 255\n" + bytes(432),
    "a PSD.png": lambda: b"8BPS\0\1" + bytes(200),
    "an ICO.png": lambda: b"\0\0\1\0\1\0" + bytes(100),
    "a script.png": lambda: b"#!/bin/sh\ntouch hacked\n",
    "a pickle.png": lambda: b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
    "zeros.png": lambda: bytes(10_000),
    "empty.png": lambda: b"",
    "an FLI.gif": lambda: b"\x12\xaf" + bytes(200),
    "a DDS.bmp": lambda: b"DDS " + bytes(200),
    "a BMP of 4 GB.bmp": lambda: sound("bmp")[:18] + struct.pack("<ii", 2**30, 2**30) + sound("bmp")[26:],
    "a BMP of negative size.bmp": lambda: sound("bmp")[:18] + struct.pack("<ii", -5, -5) + sound("bmp")[26:],
    "a GIF of 65,535.gif": lambda: sound("gif")[:6] + b"\xff\xff\xff\xff" + sound("gif")[10:],
    "a TIFF whose directory is itself.tif": lambda: b"II*\0\x08\0\0\0" + b"\1\0" + bytes(12) + b"\x08\0\0\0",
    "a TIFF of many directories.tif": lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(500),
    "a big TIFF.tif": lambda: b"II+\0\x08\0\0\0" + b"\xff" * 8,
    "a JPEG of 65,535.jpg": lambda: sound("jpg").replace(b"\x00\x0c\x00\x0c", b"\xff\xff\xff\xff"),
}


def cases() -> Iterator[Case]:
    for what, made in WRONG.items():
        yield Case(what, ("data", "check", "c.yaml"), ANSWER, partial(_photos, what, made))
    for ending in FORMATS:
        for share in (0, 0.02, 0.3, 0.7):
            yield Case(
                f"{ending} cut at {share:.0%}", ("data", "check", "c.yaml"), ANSWER, partial(_cut, ending, share)
            )
        yield Case(f"{ending} of other bytes", ("data", "check", "c.yaml"), ANSWER, partial(_other, ending))
    for what, make in FOLDERS.items():
        yield Case(f"folder: {what}", ("config", "check", "c.yaml"), "photos|c.yaml", partial(_folder, make))


def _config() -> None:
    write("c.yaml", f"data: {{name: image_folder, path: photos}}\n{PCA}")


def _photos(name: str, made: Callable[[], bytes]) -> None:
    _config()
    for i in range(5):
        write(f"photos/{i}.png", sound("png"))
    write(f"photos/{name}", made())


def _cut(ending: str, share: float) -> None:
    _photos(f"9.{ending}", lambda: sound(ending)[: int(len(sound(ending)) * share)])


def _other(ending: str) -> None:
    _photos(f"9.{ending}", lambda: sound(ending)[:20] + bytes(range(256)) * 4)


def _folder(make: Callable[[], object]) -> None:
    _config()
    Path("photos").mkdir()
    make()


def _two(first: str, second: str) -> None:
    for name in (first, second):
        write(f"photos/{name}", sound("png"))


FOLDERS: dict[str, Callable[[], object]] = {
    "empty": lambda: None,
    "only hidden ones": lambda: write("photos/.a.png", sound("png")),
    "no images": lambda: write("photos/a.txt", b"x"),
    "a pipe": lambda: os.mkfifo("photos/a.png"),
    "a link to nothing": lambda: Path("photos/a.png").symlink_to("nowhere"),
    "a link to itself": lambda: Path("photos/a.png").symlink_to("a.png"),
    "a link to a device": lambda: Path("photos/a.png").symlink_to("/dev/zero"),
    "images of two sizes": lambda: [
        write("photos/a.png", sound("png")),
        write("photos/b.png", png(5, 5, body=bytes(30))),
    ],
    "images beside folders": lambda: _two("a.png", "b/c.png"),
    "a folder called a.png": lambda: Path("photos/a.png").mkdir(),
    "one class": lambda: [write("photos/a/x.png", b""), write("photos/a/y.png", b"")],
    "a class of escapes": lambda: [write("photos/\x1b[2J/x.png", b""), write("photos/b/x.png", sound("png"))],
    "an empty class": lambda: [Path("photos/a").mkdir(), write("photos/b/x.png", b"")],
    "a name of 250 signs": lambda: write(f"photos/{'n' * 246}.png", b""),
    "a name that is no text": lambda: write(os.fsdecode(b"photos/caf\xe9.png"), b""),
    "a circle": lambda: Path("photos/a").symlink_to("."),
}
