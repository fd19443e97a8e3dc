"""Image files, also a stranger's: a few formats, no more pixels than their headers may claim, one frame each."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlphys.errors import UserError
from mlphys.io import atomic, checksum

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
NAMES = "PNG, JPEG, TIFF, BMP, GIF or WebP"
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")
MOST_PIXELS = 50_000_000
MOST_SCANS = 100  # of a JPEG: each goes through all pixels; usual are 1 to 12
WHITE_OF_16_BITS = 65535.0
DEEPEST = 20  # folders in folders
NAMED = 4  # kinds of other files
THREADS = min(4, os.cpu_count() or 1)

AS_ARRAY = "save all as one array with np.save, and write data: {name: array, path: ...}"

Size = tuple[int, int]  # height, width


def header(path: Path) -> Size:
    """Height and width after EXIF rotation, from the header alone. Raises UserError as `decode` does."""
    with _quiet(), _opened(path) as image:
        return _shown_size(image)


def below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images in a folder and in its folders, and the other files, both sorted, without hidden ones.

    Raises UserError for a folder that cannot be read.
    """
    images: list[Path] = []
    others: list[Path] = []
    waiting, seen = [(folder, 0)], {folder.resolve()}
    while waiting:
        here, depth = waiting.pop()
        for path in listed(here):
            if not path.is_dir():
                (images if path.suffix.lower() in SUFFIXES else others).append(path)
            elif depth < DEEPEST and (real := path.resolve()) not in seen:  # a link may lead in a circle
                seen.add(real)
                waiting.append((path, depth + 1))
    return sorted(images), sorted(others)


def listed(folder: Path) -> list[Path]:
    """What is in a folder, sorted, without what is hidden. Raises UserError for a folder that cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise UserError(f"{folder}: no such folder; a relative path starts at {Path.cwd()}") from None
    except NotADirectoryError:
        raise UserError(f"{folder}: is a file; name the folder that holds the images") from None
    except ValueError as error:  # NUL, or a character that no file name has
        raise UserError(f"{folder}: cannot be read: {error}; name another folder") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror or error}") from None


def left_out(folder: Path, others: Sequence[Path]) -> str:
    """A line that counts the files of other types by their endings; empty where there are none."""
    if not others:
        return ""
    kinds = Counter(path.suffix.lower() or path.name for path in others)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(NAMED))
    more = f" and {len(kinds) - NAMED} other types" if len(kinds) > NAMED else ""
    return f"{folder.name}: {len(others)} files are no images and are not read: {counted}{more}"


def largest_of_16_bits(paths: Sequence[Path]) -> int | None:
    """The largest grey value of the images of 16 bits, None where there are none; damaged ones are passed over."""

    def attempt(path: Path) -> int | None:
        try:
            with _opened(path) as image:
                return int(np.asarray(image).max(initial=0)) if image.mode.startswith("I") else None
        except UserError:
            return None

    with _quiet(), ThreadPoolExecutor(THREADS) as pool:
        return max((found for found in pool.map(attempt, paths) if found is not None), default=None)


def decode(
    path: Path, greyscale: bool, size: Size | None = None, white_of_16_bits: float = WHITE_OF_16_BITS
) -> np.ndarray:
    """The pixels: float32 in [0, 1], (height, width, 1) or (height, width, 3), rotated according to EXIF.

    With a `size` the image is stretched or shrunk to it. Greyscale is the luma of ITU-R BT.601;
    transparent pixels become white; of an animation the first frame is read. Grey values of 16
    bits are divided by `white_of_16_bits`. Raises UserError unless `path` is an image of one of the
    FORMATS, whole, of at most MOST_PIXELS pixels.
    """
    with _quiet():
        return _decoded(path, greyscale, size, white_of_16_bits)


def write(folder: Path, names: Sequence[str], pixels: np.ndarray) -> None:
    """Images uint8 (n, height, width, 1 or 3) as png files of a new folder. Raises UserError where that cannot be."""
    from PIL import Image

    atomic.make(folder)
    for name, image in zip(names, pixels, strict=True):
        content = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(content, "png")
        atomic.write(folder / name, content.getvalue())


def quiet_in_threads() -> None:
    """Disable Pillow's warnings before threads decode: warning filters are global."""
    warnings.filterwarnings("ignore", module="PIL")


def decode_each(
    paths: Sequence[Path],
    greyscale: bool,
    size: Size | None = None,
    white_of_16_bits: float = WHITE_OF_16_BITS,
) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """The result or exception of `decode` for each image, in order, by several threads."""

    def attempt(path: Path) -> np.ndarray | UserError:
        try:
            return _decoded(path, greyscale, size, white_of_16_bits)
        except UserError as error:
            return error

    with _quiet(), ThreadPoolExecutor(THREADS) as pool:
        yield from zip(paths, pool.map(attempt, paths), strict=True)


def _decoded(path: Path, greyscale: bool, size: Size | None, white_of_16_bits: float) -> np.ndarray:
    from PIL import Image

    with _opened(path) as image:
        turned = _turn(image)
        image.load()
        if turned is not None:
            image = image.transpose(turned)
        # Beyond 8 bits Pillow has one channel only, and converting it would clip.
        deep = image.mode.startswith("I")
        image = _deep(path, image) if deep else _on_white(image, greyscale)
        if size is not None:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.float32) / np.float32(white_of_16_bits if deep else 255)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels if greyscale or not deep else pixels.repeat(3, axis=2)


def _deep(path: Path, image: Image.Image) -> Image.Image:
    """Grey values of 16 bits as float32. Raises UserError for values of more bits."""
    from PIL import Image

    values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > WHITE_OF_16_BITS):
        raise UserError(f"{path}: has values from {values.min()} to {values.max()}, more than 16 bits; {AS_ARRAY}")
    return Image.fromarray(values.astype(np.float32))


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

    transposes = Image.Transpose
    by_orientation: dict[int | None, Image.Transpose] = {
        2: transposes.FLIP_LEFT_RIGHT,
        3: transposes.ROTATE_180,
        4: transposes.FLIP_TOP_BOTTOM,
        5: transposes.TRANSPOSE,
        6: transposes.ROTATE_270,
        7: transposes.TRANSVERSE,
        8: transposes.ROTATE_90,
    }
    # the method of the base class: PNG's own decodes the whole image
    return by_orientation.get(Image.Image.getexif(image).get(0x0112))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    checksum.regular(path)
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_pixels(path, image.size)
            if image.mode == "F":
                raise UserError(f"{path}: has fractions as values, and it is unknown which is white; {AS_ARRAY}")
            if image.format in ("JPEG", "MPO"):
                _check_scans(path)
            yield image
    except (UserError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UserError(f"{path}: not a {NAMES} image; save it as PNG, or leave it out") from None
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


def _check_scans(path: Path) -> None:
    """Raise UserError for a JPEG of thousands of scans: a small file that takes hours."""
    if (scans := path.read_bytes().count(b"\xff\xda")) > MOST_SCANS:
        raise UserError(f"{path}: a JPEG of {scans} scans, more than {MOST_SCANS}; save it again")


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
