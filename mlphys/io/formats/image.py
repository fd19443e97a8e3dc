"""PNG, JPEG, TIFF, BMP, GIF and WebP by Pillow: one frame, of a bounded number of pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.io.formats.content import Unreadable

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
NAMES = "PNG, JPEG, TIFF, BMP, GIF or WebP"
MOST_SCANS = 100  # of a JPEG: each goes through all pixels; usual are 1 to 12
LARGEST_OF_16_BITS = 65535
AS_ARRAY = "save all as one array with np.save, and write data: {name: array, path: ...}"

Size = tuple[int, int]  # height, width


def header(path: Path, most_pixels: int) -> dict[str, Any]:
    """Height and width after EXIF rotation, and the number of frames of an animated PNG, else 1."""
    with _opened(path, most_pixels) as image:
        # A JPEG may contain several pictures: phones append a preview.
        frames = getattr(image, "n_frames", 1) if image.format == "PNG" else 1
        return {"size": _shown_size(image), "frames": frames}


def largest_of_16_bits(path: Path, most_pixels: int) -> int | None:
    """The largest grey value of an image of 16 bits, None for others."""
    with _opened(path, most_pixels) as image:
        return int(np.asarray(image).max(initial=0)) if image.mode.startswith("I") else None


def pixels(path: Path, most_pixels: int, greyscale: bool, size: Size | None, crop: Size | None = None) -> np.ndarray:
    """uint8, (height, width) or (height, width, 3), composited on white; 16 bits of grey as float32 (height, width).

    Rotated according to EXIF, cropped to the middle `crop`, then resized to `size`. Raises Unreadable for an image that
    is smaller than `crop`.
    """
    from PIL import Image

    with _opened(path, most_pixels) as image:
        turned = _turn(image)
        image.load()
        if turned is not None:
            image = image.transpose(turned)
        # Beyond 8 bits Pillow has one channel only, and converting it would clip.
        image = _deep(image) if image.mode.startswith("I") else _on_white(image, greyscale)
        if crop is not None:
            image = _middle(image, crop)
        if size is not None:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(image)


def _middle(image: Image.Image, crop: Size) -> Image.Image:
    """The `crop` around the middle of the image. Raises Unreadable where it is smaller."""
    height, width = crop
    if image.height < height or image.width < width:
        has, needed = [image.height, image.width], list(crop)
        raise Unreadable(
            f"its size is {has}, smaller than the part {needed} that is cut out; leave it out, or crop less"
        )
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _deep(image: Image.Image) -> Image.Image:
    """Grey values of 16 bits as float32. Raises Unreadable for values of more bits."""
    from PIL import Image

    values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > LARGEST_OF_16_BITS):
        raise Unreadable(f"has values from {values.min()} to {values.max()}, more than 16 bits; {AS_ARRAY}")
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
def _opened(path: Path, most_pixels: int) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > most_pixels:
                raise Unreadable(_too_large(f"its size [{height}, {width}]", most_pixels))
            if image.mode == "F":
                raise Unreadable(f"has fractions as values, and it is unknown which is white; {AS_ARRAY}")
            if image.format in ("JPEG", "MPO"):
                _check_scans(path)
            yield image
    except (Unreadable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unreadable(f"not a {NAMES} image; save it as PNG, or leave it out") from None
    except PermissionError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    except Image.DecompressionBombError:
        raise Unreadable(_too_large("it", most_pixels)) from None
    except Exception as error:  # damaged bytes make Pillow raise arbitrary exceptions
        raise Unreadable(f"damaged: {str(error)[:1000]}; copy it again, or leave it out") from None


def _check_scans(path: Path) -> None:
    """Raise Unreadable for a JPEG of thousands of scans: a small file that takes hours."""
    if (scans := path.read_bytes().count(b"\xff\xda")) > MOST_SCANS:
        raise Unreadable(f"a JPEG of {scans} scans, more than {MOST_SCANS}; save it again")


def _too_large(what: str, most_pixels: int) -> str:
    return f"{what} has more than the {most_pixels} pixels that an image may have; save it smaller"
