"""Light of simulated galaxies and stars: surface brightness on a grid of pixels, point spread, noise, stretch."""

from __future__ import annotations

import math

import numpy as np

SOFTENING = 0.3  # pixels, added in squares to every radius: what a pixel averages of a cusp
MOFFAT = 3.0  # beta of the point spread
SHARPNESS = 2.5  # k of the arms: one is brighter than half over a quarter of the way to the next

Column = np.ndarray  # (n, 1, 1), a number of each image


def squared_radius(x: np.ndarray, y: np.ndarray, angle: Column, axis_ratio: Column) -> np.ndarray:
    """(x' ^2 + (y' / q)^2) of places relative to the centre, in pixels^2; the major axis is at `angle` to x."""
    along, across = turned(x, y, angle)
    return along**2 + (across / axis_ratio) ** 2


def turned(x: np.ndarray, y: np.ndarray, angle: Column) -> tuple[np.ndarray, np.ndarray]:
    """The coordinates along a direction at `angle` to x, and across it."""
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def sersic(squared: np.ndarray, radius: Column, index: Column, axis_ratio: Column) -> np.ndarray:
    """A profile exp(-b (R / R_e)^(1/n)) of total flux 1 (Sersic 1963), from the squared elliptical radius R^2.

    Half of the flux is within R_e = `radius`; the flux is 2 pi n q R_e^2 Gamma(2n) b^(-2n).
    """
    b = half_light(index)
    log_flux = np.log(2 * np.pi * index * axis_ratio * radius**2) - 2 * index * np.log(b) + _log_gamma(2 * index)
    scaled = np.log((squared + SOFTENING**2) / radius**2) / (2 * index)
    return np.exp(-b * np.exp(scaled) - log_flux)


def half_light(index: np.ndarray) -> np.ndarray:
    """b of a Sersic profile, for n > 0.5 right to 1e-4 (Ciotti & Bertin 1999)."""
    return 2 * index - 1 / 3 + 4 / (405 * index) + 46 / (25515 * index**2)


def _log_gamma(value: np.ndarray) -> np.ndarray:
    return np.vectorize(math.lgamma, otypes=[np.float32])(value)


def gaussian(x: np.ndarray, y: np.ndarray, width: Column) -> np.ndarray:
    """A round Gaussian of total flux 1 and standard deviation `width`."""
    return np.exp(-(x**2 + y**2) / (2 * width**2)) / (2 * np.pi * width**2)


def spiral(along: np.ndarray, across: np.ndarray, arms: Column, pitch: Column, phase: Column) -> np.ndarray:
    """exp(k (cos(m (phi - ln r / tan pitch) - phase) - 1)) over its mean: crests of m logarithmic spirals.

    `along`, `across` are coordinates in the plane of the disc, in units of any length; `pitch` in radians.
    """
    log_r = np.log(along**2 + across**2 + 1e-4) / 2
    crest = arms * (np.arctan2(across, along) - log_r / np.tan(pitch)) - phase
    mean = np.i0(SHARPNESS) * math.exp(-SHARPNESS)
    return np.exp(SHARPNESS * (np.cos(crest) - 1)) / mean


def blurred(images: np.ndarray, seeing: float) -> np.ndarray:
    """Images (n, size, size, bands) under a Moffat (1969) point spread with a full width at half maximum of `seeing`
    pixels."""
    if seeing <= 0:
        return images
    size = images.shape[1]
    offset = np.minimum(np.arange(size), size - np.arange(size)).astype(np.float64)
    scale = seeing / (2 * math.sqrt(2 ** (1 / MOFFAT) - 1))
    spread = (1 + (offset[:, None] ** 2 + offset**2) / scale**2) ** -MOFFAT
    transfer = np.fft.rfft2(spread / spread.sum())[..., None]
    return np.fft.irfft2(np.fft.rfft2(images, axes=(1, 2)) * transfer, s=(size, size), axes=(1, 2))


def exposed(images: np.ndarray, noise: float, electrons: float, generator: np.random.Generator) -> np.ndarray:
    """Brightness in units of the sky's noise, with Gaussian noise of variance noise^2 (1 + brightness / electrons)."""
    variance = 1 + np.maximum(images, 0) / electrons
    return images + noise * np.sqrt(variance) * generator.standard_normal(images.shape, np.float32)


def stretched(images: np.ndarray, soft: float, white: float, black: float) -> np.ndarray:
    """asinh(I / soft) (Lupton et al. 2004), from `black` at 0 and clipped to [0, 1], 1 at `white`; float32."""
    scaled = np.arcsinh(images / soft) / math.asinh(white / soft)
    return np.clip(black + (1 - black) * scaled, 0, 1).astype(np.float32)
