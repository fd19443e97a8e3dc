"""Image files, also a stranger's: a few formats, no more pixels than their headers may claim, one frame each."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.errors import UserError
from mlphys.io import atomic, image_decoders
from mlphys.io.formats.image import Size

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")
MOST_PIXELS = 50_000_000
WHITE_OF_16_BITS = 65535.0
DEEPEST = 20  # folders in folders
NAMED = 4  # kinds of other files
GROUP = 16  # images that are decoded per request


def header(path: Path) -> Size:
    """Height and width after EXIF rotation, from the header alone. Raises UserError as `decode` does."""
    height, width = _header(path)["size"]
    return height, width


def frames(path: Path) -> int:
    """The number of images of an animated PNG, else 1. Raises UserError as `decode` does."""
    return int(_header(path)["frames"])


def _header(path: Path) -> dict[str, Any]:
    facts, _ = image_decoders.answer(path, _request("header"))
    return facts


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

    def largest(group: Sequence[Path]) -> list[int]:
        answers = image_decoders.answers(group, _request("largest"))
        maxima = [answer[0]["largest"] for answer in answers if not isinstance(answer, UserError)]
        return [int(value) for value in maxima if value is not None]

    with ThreadPoolExecutor(image_decoders.PROCESSES) as pool:
        return max(chain.from_iterable(pool.map(largest, _groups(paths))), default=None)


def decode(
    path: Path,
    greyscale: bool,
    size: Size | None = None,
    white_of_16_bits: float = WHITE_OF_16_BITS,
    crop: Size | None = None,
) -> np.ndarray:
    """The pixels: float32 in [0, 1], (height, width, 1) or (height, width, 3), rotated according to EXIF.

    With a `crop` its middle is taken, with a `size` it is stretched or shrunk to that. Greyscale is
    the luma of ITU-R BT.601; transparent pixels become white; of an animation the first frame is
    read. Grey values of 16 bits are divided by `white_of_16_bits`. Raises UserError unless `path`
    is an image of one of the FORMATS, whole, of at most MOST_PIXELS pixels.
    """
    _, values = image_decoders.answer(path, _request("pixels", greyscale=greyscale, size=size, crop=crop))
    return _floats(values, greyscale, white_of_16_bits)


def write(folder: Path, names: Sequence[str], pixels: np.ndarray) -> None:
    """Images uint8 (n, height, width, 1 or 3) as png files of a new folder. Raises UserError where that cannot be."""
    from PIL import Image

    atomic.make(folder)
    for name, image in zip(names, pixels, strict=True):
        content = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(content, "png")
        atomic.write(folder / name, content.getvalue())


def decode_each(
    paths: Sequence[Path],
    greyscale: bool,
    size: Size | None = None,
    white_of_16_bits: float = WHITE_OF_16_BITS,
    crop: Size | None = None,
) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """The result or exception of `decode` for each image, in order, by several processes."""

    request = _request("pixels", greyscale=greyscale, size=size, crop=crop)

    def decoded(group: Sequence[Path]) -> list[np.ndarray | UserError]:
        answers = image_decoders.answers(group, request)
        return [a if isinstance(a, UserError) else _floats(a[1], greyscale, white_of_16_bits) for a in answers]

    with ThreadPoolExecutor(image_decoders.PROCESSES) as pool:
        yield from zip(paths, chain.from_iterable(pool.map(decoded, _groups(paths))), strict=True)


def _groups(paths: Sequence[Path]) -> list[Sequence[Path]]:
    """Images that one process decodes in turn; every process has some."""
    size = max(1, min(GROUP, len(paths) // image_decoders.PROCESSES))
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def _floats(values: np.ndarray | None, greyscale: bool, white_of_16_bits: float) -> np.ndarray:
    assert values is not None
    deep = values.dtype == np.float32
    pixels = values.astype(np.float32, copy=False) / np.float32(white_of_16_bits if deep else 255)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels if greyscale or not deep else pixels.repeat(3, axis=2)


def _request(requested: str, **settings: Any) -> dict[str, Any]:
    return {"wanted": requested, "most_pixels": MOST_PIXELS, **settings}
