"""Untrusted image files: PNG and JPEG only, with a bounded number of pixels."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG")
SUFFIXES = (".png", ".jpg", ".jpeg")
MOST_PIXELS = 50_000_000
THREADS = min(4, os.cpu_count() or 1)

Size = tuple[int, int]  # height, width


def header(path: Path) -> Size:
    """Height and width after EXIF rotation, from the header alone. Raises UserError as `decode` does."""
    with _quiet(), _opened(path) as image:
        return _shown_size(image)


def decode(path: Path, greyscale: bool, size: Size | None = None) -> np.ndarray:
    """The pixels: float32 in [0, 1], (height, width, 1) or (height, width, 3), rotated according to EXIF.

    With a `size` the image is resized. Greyscale is the luma of ITU-R BT.601; transparent pixels
    are composited on white. Raises UserError unless `path` is a complete PNG or JPEG image of
    at most MOST_PIXELS pixels.
    """
    with _quiet():
        return _decoded(path, greyscale, size)


def quiet_in_threads() -> None:
    """Disable Pillow's warnings before threads decode: warning filters are global."""
    warnings.filterwarnings("ignore", module="PIL")


def decode_each(
    paths: Sequence[Path], greyscale: bool, size: Size | None = None
) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """The result or exception of `decode` for each image, in order, by several threads."""

    def attempt(path: Path) -> np.ndarray | UserError:
        try:
            return _decoded(path, greyscale, size)
        except UserError as error:
            return error

    with _quiet(), ThreadPoolExecutor(THREADS) as pool:
        yield from zip(paths, pool.map(attempt, paths), strict=True)


def _decoded(path: Path, greyscale: bool, size: Size | None) -> np.ndarray:
    from PIL import Image

    with _opened(path) as image:
        turned = _turn(image)
        image.load()
        if turned is not None:
            image = image.transpose(turned)
        # Beyond 8 bits Pillow has one channel only, and converting it would clip.
        deep = image.mode.startswith("I")
        image = Image.fromarray(np.asarray(image, np.float32)) if deep else _on_white(image, greyscale)
        if size is not None:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.float32) / np.float32(65535 if deep else 255)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels if greyscale or not deep else pixels.repeat(3, axis=2)


def _on_white(image: Image.Image, greyscale: bool) -> Image.Image:
    """The image in mode L or RGB, 8 bits per channel, composited on white."""
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if greyscale else "RGB")


def _shown_size(image: Image.Image) -> Size:
    from PIL.Image import Transpose

    sideways = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
    return image.size if _turn(image) in sideways else image.size[::-1]


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The rotation or reflection for the EXIF orientation (Exif 2.32, tag 0x0112)."""
    from PIL import Image

    turns = Image.Transpose
    operations: dict[int | None, Image.Transpose] = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }
    # the method of the base class: PNG's own decodes the whole image
    return operations.get(Image.Image.getexif(image).get(0x0112))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    checksum.regular(path)
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_pixels(path, image.size)
            yield image
    except (UserError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UserError(f"{path}: not a PNG or JPEG image; save it as PNG, or leave it out") from None
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except Image.DecompressionBombError:
        raise UserError(_too_large(path, "it")) from None
    except Exception as error:  # damaged bytes make Pillow raise arbitrary exceptions
        raise UserError(f"{path}: damaged: {error}; copy it again, or leave it out") from None


def _check_pixels(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise UserError(_too_large(path, f"its size [{height}, {width}]"))


def _too_large(path: Path, what: str) -> str:
    return f"{path}: {what} has more than the {MOST_PIXELS} pixels that an image may have; save it smaller"


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Pillow's warnings: irrelevant, or refused here anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield  # the filters are global
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield
