"""Simulated galaxies: what they look like is drawn at random, and their light is computed from it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mlphys.datasets import _galaxy_light as light

NO_GALAXY, SPIRAL, ELLIPTICAL, IRREGULAR = range(4)
# brightness in the bands i, r, g, shown as red, green and blue; the mean of each is 1
RED, YELLOW, BLUE = (1.30, 1.05, 0.65), (1.15, 1.0, 0.85), (0.80, 0.95, 1.25)
THICKNESS = 0.15  # of a disc, over its radius (Hubble 1926)
SCALE_LENGTHS = 1.678  # half of the light of an exponential disc is within so many
ARM_NUMBERS, HOW_OFTEN = (1, 2, 3, 4, 5), (0.05, 0.6, 0.15, 0.1, 0.1)
CLUMPS = 7
FAINT_NEIGHBOUR = 30.0  # its flux, in units of the sky's noise
EUCLIDEAN = 1.5  # flux > F is as frequent as F^-1.5 where space is filled evenly


@dataclass(frozen=True)
class Morphology:
    """n objects; every field is an array (n,), lengths are in pixels, angles in radians."""

    kind: np.ndarray
    star: np.ndarray  # of no galaxy: a star, else empty sky
    merger: np.ndarray  # of irregulars: two galaxies, else one with clumps
    flux: np.ndarray  # in units of the sky's noise
    radius: np.ndarray  # half of the light is within it
    index: np.ndarray  # Sersic's n, of ellipticals and bulges
    axis_ratio: np.ndarray  # q of the image
    inclination: np.ndarray  # of a disc: 0 is face-on, pi from behind
    angle: np.ndarray  # of the major axis
    bulge: np.ndarray  # its part of the light
    arms: np.ndarray  # their number
    pitch: np.ndarray
    contrast: np.ndarray  # of the arms, from 0 to 1
    bar: np.ndarray  # its part of the light
    x: np.ndarray  # of the centre, from the middle of the image
    y: np.ndarray

    def at(self, rows: np.ndarray | slice) -> Morphology:
        """Some of the objects."""
        return Morphology(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def column(self, name: str) -> np.ndarray:
        """A field as (n, 1, 1), to be combined with images."""
        values: np.ndarray = getattr(self, name)
        return values[:, None, None].astype(np.float32)


def drawn(kind: np.ndarray, size: int, random: np.random.Generator) -> Morphology:
    """Objects of these kinds in images of `size` x `size` pixels.

    Discs are seen from directions that are evenly distributed on the sphere, so cos i is from U(-1, 1); the arms of
    those that are seen from behind wind the other way.
    """
    n = len(kind)
    radius = size * random.uniform(0.1, 0.22, n)
    face = random.uniform(-1, 1, n)
    disc = np.sqrt((1 - THICKNESS**2) * face**2 + THICKNESS**2)
    axis_ratio = np.where(kind == SPIRAL, disc, random.uniform(0.3, 1, n))
    brightness = np.exp(random.uniform(np.log(3), np.log(40), n))  # mean within the half-light radius
    merger = random.random(n) < 0.4
    bulge = np.where(kind == SPIRAL, random.beta(1.2, 3, n), kind == ELLIPTICAL)
    x, y = size * random.uniform(-0.05, 0.05, (2, n))
    return Morphology(
        kind=kind,
        star=(kind == NO_GALAXY) & (random.random(n) < 0.5),
        merger=(kind == IRREGULAR) & merger,
        flux=2 * np.pi * radius**2 * axis_ratio * brightness,
        radius=radius,
        index=np.where(kind == SPIRAL, random.uniform(1, 4, n), random.uniform(2, 6, n)),
        axis_ratio=axis_ratio,
        inclination=np.arccos(face),
        angle=random.uniform(0, 2 * np.pi, n),
        bulge=bulge,
        arms=random.choice(ARM_NUMBERS, n, p=HOW_OFTEN),
        pitch=np.deg2rad(random.uniform(8, 35, n)),
        contrast=random.uniform(0.3, 1, n),
        bar=np.where(random.random(n) < 0.4, random.uniform(0.05, 0.2, n), 0),
        x=x,
        y=y,
    )


def pictured(of: Morphology, frame: int, random: np.random.Generator) -> np.ndarray:
    """The light of each object in frames of `frame` x `frame` pixels: float32 (n, frame, frame, 3 bands), no noise."""
    images = np.zeros((len(of.kind), frame, frame, 3), np.float32)
    pixel = np.arange(frame, dtype=np.float32) - (frame - 1) / 2
    for chosen, paint in (
        (of.star, _star),
        (of.kind == ELLIPTICAL, _elliptical),
        (of.kind == SPIRAL, _spiral),
        ((of.kind == IRREGULAR) & of.merger, _merger),
        ((of.kind == IRREGULAR) & ~of.merger, _clumpy),
    ):
        some = of.at(chosen)
        if len(some.kind):
            x, y = pixel - some.column("x"), pixel[:, None] - some.column("y")
            images[chosen] = some.flux[:, None, None, None] * paint(some, x, y, random)
    return images


def _star(of: Morphology, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    warmth = random.random((len(of.kind), 1, 1, 1))  # from blue to red
    width = np.full((len(of.kind), 1, 1), 0.5, np.float32)  # of what one pixel averages
    return light.gaussian(x, y, width)[..., None] * (warmth * np.array(RED) + (1 - warmth) * np.array(BLUE))


def _elliptical(of: Morphology, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    q = of.column("axis_ratio")
    squared = light.squared_radius(x, y, of.column("angle"), q)
    return _coloured(light.sersic(squared, of.column("radius"), of.column("index"), q), RED)


def _spiral(of: Morphology, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A red bulge, a yellow bar, an exponential disc whose blue arms wind from the end of the bar outwards."""
    q, angle, bulge, bar = (of.column(name) for name in ("axis_ratio", "angle", "bulge", "bar"))
    length = of.column("radius") / SCALE_LENGTHS
    along, across = light.turned(x, y, angle)
    across = across / q * np.sign(np.cos(of.column("inclination")))  # in the plane of the disc
    r = np.sqrt(along**2 + across**2)
    disc = np.exp(-r / length) / (2 * np.pi * length**2 * q)
    inner = np.where(bar > 0, 1.2, 0.5) * length  # arms begin there
    contrast = of.column("contrast") * (1 - np.exp(-((r / inner) ** 4)))
    phase = random.uniform(0, 2 * np.pi, (len(q), 1, 1)).astype(np.float32)
    crests = light.spiral(along / inner, across / inner, of.column("arms"), of.column("pitch"), phase)
    # the bar ends where the arms begin, in the direction of a crest
    bar_along, bar_across = light.turned(along, across, phase / of.column("arms"))
    boxes = np.exp(-(((bar_along / (1.2 * length)) ** 2 + (bar_across / (0.35 * length)) ** 2) ** 2))
    boxes /= np.pi**1.5 / 2 * 1.2 * 0.35 * length**2 * q
    round_q = 1 - 0.2 * (1 - q)
    centre = light.squared_radius(x, y, angle, round_q)
    centre = light.sersic(centre, 0.3 * of.column("radius"), of.column("index"), round_q)
    return (
        _coloured(bulge * centre, RED)
        + _coloured((1 - bulge) * bar * boxes, YELLOW)
        + _coloured((1 - bulge) * (1 - bar) * disc * (1 - contrast), YELLOW)
        + _coloured((1 - bulge) * (1 - bar) * disc * contrast * crests, BLUE)
    )


def _clumpy(of: Morphology, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Blue clumps of star formation around a faint body that lies beside their middle."""
    q, radius = of.column("axis_ratio"), of.column("radius")
    n = len(q)
    aside = 0.4 * radius * random.standard_normal((2, n, 1, 1))
    squared = light.squared_radius(x - aside[0], y - aside[1], of.column("angle"), q)
    total = _coloured(0.4 * light.sersic(squared, radius, np.ones_like(radius), q), YELLOW)
    weights = random.exponential(size=(CLUMPS, n, 1, 1))
    weights *= 0.6 / weights.sum(axis=0)
    for weight in weights:
        dx, dy = 0.8 * radius * random.standard_normal((2, n, 1, 1))
        width = radius * random.uniform(0.12, 0.3, (n, 1, 1))
        total = total + _coloured(weight * light.gaussian(x - dx, y - dy, width), BLUE)
    return total


def _merger(of: Morphology, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two galaxies side by side, and an arc of stars that tides have pulled out of them."""
    radius, q = of.column("radius"), of.column("axis_ratio")
    n = len(q)
    share = random.uniform(0.3, 0.6, (n, 1, 1))
    distance, direction = radius * random.uniform(0.8, 1.8, (n, 1, 1)), random.uniform(0, 2 * np.pi, (n, 1, 1))
    dx, dy = distance * np.cos(direction) / 2, distance * np.sin(direction) / 2
    total = np.zeros((*x.shape[:1], y.shape[1], x.shape[2], 3), np.float32)
    for sign, part in ((1, share), (-1, 0.85 - share)):
        turn = random.uniform(0, 2 * np.pi, (n, 1, 1))
        squared = light.squared_radius(x - sign * dx, y - sign * dy, turn, q)
        index = random.uniform(1, 3, (n, 1, 1))
        total = total + _coloured(part * light.sersic(squared, 0.6 * radius, index, q), YELLOW)
    r, angle = np.sqrt(x**2 + y**2), np.arctan2(y, x)
    curve, width = 1.6 * radius, 0.2 * radius
    arc = np.exp(-0.5 * ((r - curve) / width) ** 2 + 2 * (np.cos(angle - direction) - 1))
    around = np.i0(2.0) * np.exp(-2.0)
    return total + _coloured(0.15 * arc / ((2 * np.pi) ** 1.5 * around * curve * width), BLUE)


def _coloured(brightness: np.ndarray, bands: tuple[float, float, float]) -> np.ndarray:
    return brightness[..., None] * np.array(bands, np.float32)


def add_neighbours(images: np.ndarray, size: int, mean: float, random: np.random.Generator) -> None:
    """Stars and small galaxies, a Poisson number of `mean` in each image, at least a quarter of `size` from its middle.

    Their fluxes are distributed as F^-2.5, those of sources that fill space evenly.
    """
    n, frame = images.shape[:2]
    counts = random.poisson(np.full(n, mean))
    pixel = np.arange(frame, dtype=np.float32) - (frame - 1) / 2
    for number in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > number)
        place = (len(rows), 1, 1)
        distance = size * np.sqrt(random.uniform(0.25**2, 0.6**2, place))
        direction, turn = random.uniform(0, 2 * np.pi, (2, *place))
        x, y = pixel - distance * np.cos(direction), pixel[:, None] - distance * np.sin(direction)
        flux = FAINT_NEIGHBOUR * np.minimum(random.random(place) ** (-1 / EUCLIDEAN), 30)
        q, radius = random.uniform(0.3, 1, place), size * random.uniform(0.02, 0.05, place)
        point = light.gaussian(x, y, np.full(place, 0.5))
        galaxy = light.sersic(light.squared_radius(x, y, turn, q), radius, np.ones(place), q)
        shape = np.where(random.random(place) < 0.5, point, galaxy)
        warmth = random.random((len(rows), 1, 1, 1))
        bands = warmth * np.array(RED) + (1 - warmth) * np.array(BLUE)
        images[rows] += ((flux * shape)[..., None] * bands).astype(np.float32)
