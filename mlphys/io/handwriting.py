"""Photographs of characters, normalized as in MNIST (LeCun, Bottou, Bengio & Haffner 1998, III.A).

White on black, scaled into a box without a change of its proportions, its centre of mass in the middle of the frame.
"""

from __future__ import annotations

import math

import numpy as np

from mlphys.schema.data import Frame

WORKED_ON = 320  # pixels of the longer side at which paper and ink are separated
INK = 0.5  # of the deepest ink: paler pixels are paper, its lines, or its shadow
DEEPEST = 0.003  # of all pixels: those from which the depth of the ink is measured
SPECK = 0.08  # of the largest stroke's area: smaller ones are dirt
THINNEST = 1.7  # pixels of the frame: thinner strokes vanish when they are scaled down
FITTED_ON = 64  # pixels of the longer side to which the paper's brightness is fitted
DIMMEST = 0.05  # light of a paper on which ink can be seen
ROUNDS = 12
ASYMMETRY = 0.02  # weight of pixels on the ink's side of the paper (Eilers & Boelens 2005)


def holds(frame: Frame, image: np.ndarray) -> bool:
    """Whether an image (height, width) in [0, 1] already is as the frame describes: of its size, on black."""
    return image.shape == (frame.size, frame.size) and float(np.median(_border(image))) < 0.5


def prepared(image: np.ndarray, frame: Frame) -> np.ndarray:
    """A grey photograph (height, width) in [0, 1] of one character, float32 (size, size) in [0, 1].

    An image that the frame holds is given back unchanged; its negative is turned. All else is levelled (the paper's
    light is a quadratic surface), cropped to the ink, scaled and centred. Raises ValueError where there is no ink.
    """
    if holds(frame, image):
        return image
    if holds(frame, 1 - image) and float(_border(image).min()) > 0.9:
        return np.float32(1) - image
    ink = _strokes(_ink(_reduced(image)))
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("no ink on it")
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centred(_boxed(_thickened(cut, frame.box), frame.box), frame.size)


def _reduced(image: np.ndarray) -> np.ndarray:
    """Averaged over blocks of pixels until it is small enough to work on."""
    height, width = image.shape
    factor = max(1, math.ceil(max(height, width) / WORKED_ON))
    if factor == 1:
        return image.astype(np.float64)
    image = image[: max(1, height // factor) * factor, : max(1, width // factor) * factor].astype(np.float64)
    rows, columns = min(factor, height), min(factor, width)
    return image.reshape(image.shape[0] // rows, rows, image.shape[1] // columns, columns).mean(axis=(1, 3))


def _ink(image: np.ndarray) -> np.ndarray:
    """The fraction of the paper's brightness that the ink absorbs, or adds to dark paper; 0 on paper."""
    light, dark = _paper(image, above=True), _paper(image, above=False)
    on_light = (light - image) / np.maximum(light, DIMMEST)
    on_dark = (image - dark) / np.maximum(1 - dark, DIMMEST)
    return (on_light if _is_light(image, light, dark) else on_dark).clip(0, 1)


def _is_light(image: np.ndarray, light: np.ndarray, dark: np.ndarray) -> bool:
    """Whether most of the border is nearer to the lightest paper than to the darkest."""
    nearer = np.abs(image - light) <= np.abs(image - dark)
    return bool(_border(nearer).mean() + 0.1 >= 0.5)  # ink on white paper is commoner


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])


def _paper(image: np.ndarray, above: bool) -> np.ndarray:
    """The quadratic surface below or above which there is almost nothing: asymmetric least squares."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = math.ceil(max(image.shape) / FITTED_ON)
    values, some = image[::step, ::step].ravel(), terms[::step, ::step].reshape(-1, 6)
    fitted = np.full(values.size, np.quantile(values, 0.8 if above else 0.2))
    for _ in range(ROUNDS):
        beyond = values > fitted if above else values < fitted
        scale = 1.4826 * float(np.median(np.abs(values - fitted)[beyond])) if beyond.any() else 0.0
        is_ink = ~beyond & (np.abs(values - fitted) > 3 * max(scale, 0.01))
        weighted = some * np.where(is_ink, ASYMMETRY, 1.0)[:, None]
        coefficients = np.linalg.solve(weighted.T @ some + 1e-6 * len(some) * np.eye(6), weighted.T @ values)
        fitted = some @ coefficients
    return np.asarray(terms @ coefficients)


def _strokes(depth: np.ndarray) -> np.ndarray:
    """Ink from 0 to 1, without lines of the paper, specks, and what is beside the strokes."""
    from scipy import ndimage

    count = min(max(4, round(DEEPEST * depth.size)), depth.size)
    deepest = float(np.median(np.partition(depth.ravel(), -count)[-count:]))
    if deepest < 0.05:
        return np.zeros_like(depth)
    labels, number = ndimage.label(depth > INK * deepest, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=number + 1)
    areas[0] = 0
    ink = np.isin(labels, np.flatnonzero(areas >= SPECK * areas.max()))
    pale = 0.6 * INK * deepest
    soft = ((depth - pale) / (deepest - pale)).clip(0, 1)
    return soft * ndimage.binary_dilation(ink, iterations=max(1, round(max(depth.shape) / 150)))


def _thickened(ink: np.ndarray, box: int) -> np.ndarray:
    """Strokes that would be thinner than a pixel or two in the box, made thicker."""
    from scipy import ndimage

    distances = ndimage.distance_transform_edt(np.pad(ink > INK, 1))
    ridge = distances[(distances >= ndimage.maximum_filter(distances, 3)) & (distances > 0)]
    scale = box / max(ink.shape)
    width = 2 * float(np.median(ridge)) * scale if len(ridge) else THINNEST
    missing = round((THINNEST - width) / scale / 2)
    if missing < 1:
        return ink
    padded = np.pad(ink, missing)
    return np.asarray(ndimage.maximum_filter(padded, footprint=_disc(missing)))


def _disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius


def _boxed(ink: np.ndarray, box: int) -> np.ndarray:
    """Scaled so that the longer side is the box's."""
    from PIL import Image

    scale = box / max(ink.shape)
    height, width = (max(1, round(n * scale)) for n in ink.shape)
    scaled = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(scaled, np.float32)
    return (pixels / max(float(np.quantile(pixels, 0.98)), 0.3)).clip(0, 1)


def _centred(ink: np.ndarray, size: int) -> np.ndarray:
    """The centre of mass in the middle of the frame, as far as the frame holds all of it."""
    frame = np.zeros((size, size), np.float32)
    total = float(ink.sum())
    starts = []
    for axis, length in enumerate(ink.shape):
        mass = ink.sum(axis=1 - axis)
        centre = float((mass * np.arange(length)).sum()) / total if total else (length - 1) / 2
        starts.append(min(max(round((size - 1) / 2 - centre), 0), size - length))
    frame[starts[0] : starts[0] + ink.shape[0], starts[1] : starts[1] + ink.shape[1]] = ink
    return frame
