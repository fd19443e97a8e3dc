"""The process that decodes one image after the other, and returns their pixels as plain bytes."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mlphys.io import landlock, resource_limits
from mlphys.io.formats import image
from mlphys.io.formats.content import Unreadable

LENGTH = 4  # bytes, little-endian


def main() -> None:
    """Requests on standard input, a line of JSON each; the answers on standard output until the input ends.

    A request has images, the path and the limits of each, most_pixels, and what is wanted of all: header, largest, or
    pixels, with greyscale, size and crop. An answer about one image is LENGTH bytes that say the length of its JSON,
    the JSON, and the bytes of the array that it describes, if any.
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries print to stderr
    warnings.simplefilter("ignore")
    _import()
    landlock.confine()  # images may be anywhere, so that reading stays possible
    for line in sys.stdin.buffer:
        request = json.loads(line)
        for path, limits in request["images"]:
            resource_limits.hold(**limits)
            _send(out, *_answer(Path(path), request))
    os._exit(0)  # skip the libraries' exit handlers


def _send(out: BinaryIO, facts: dict[str, Any], values: np.ndarray | None) -> None:
    text = json.dumps(facts).encode()
    out.write(len(text).to_bytes(LENGTH, "little") + text)
    if values is not None:
        out.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    out.flush()


def _answer(path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
    most_pixels = request["most_pixels"]
    try:
        match request["wanted"]:
            case "header":
                return image.header(path, most_pixels), None
            case "largest":
                return {"largest": image.largest_of_16_bits(path, most_pixels)}, None
            case _:
                size, crop = (value and tuple(value) for value in (request["size"], request["crop"]))
                values = image.pixels(path, most_pixels, request["greyscale"], size, crop)
                return {"shape": values.shape, "dtype": values.dtype.str}, values
    except Unreadable as error:
        return {"error": str(error)}, None
    except MemoryError:
        return {"out_of_memory": True}, None


def _import() -> None:
    """Import before the limits hold, and only the formats that are read: Pillow would import all."""
    from PIL import (  # noqa: F401
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        MpoImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )
