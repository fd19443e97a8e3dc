"""Small pictures of samples as PNG inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether a sample of this shape is an image of one or three channels."""
    return len(shape) == 3 and shape[-1] in (1, 3) and min(shape[:2]) > 1


def grey_levels(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values from low to high as uint8 from 0 to 255."""
    span = high - low if high > low else 1.0
    return np.round((images.astype(np.float64) - low) * (255 / span)).clip(0, 255).astype(np.uint8)


def address(pixels: np.ndarray) -> str:
    """uint8 (height, width, 1 or 3) as the address of a PNG."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(content, "PNG", optimize=False)
    return address_of(content.getvalue())


def address_of(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def mosaic(pixels: np.ndarray, columns: int) -> np.ndarray:
    """uint8 images (n, height, width, channels) in rows of so many, with a gap of one pixel."""
    n, height, width, channels = pixels.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), 127, np.uint8)
    for i, image in enumerate(pixels):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet
