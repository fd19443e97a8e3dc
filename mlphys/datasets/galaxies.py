"""Simulated galaxies with the votes of simulated volunteers, in place of Galaxy Zoo (Willett et al. 2013)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mlphys.datasets import _galaxy_light as light
from mlphys.datasets import _galaxy_morphology as morphology
from mlphys.datasets import _galaxy_votes as votes
from mlphys.datasets import _galaxy_zoo_tree as tree
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, GeneratedImages
from mlphys.schema.fields import NotNegative
from mlphys.schema.samples import Samples

AT_ONCE = 500  # images that are drawn together; a part of the definition of the samples
BLURRED = 50  # images whose Fourier transforms are in memory together
MARGIN = 6  # pixels around an image, so that light of the outside spreads into it
ELECTRONS = 5.0  # of the source per pixel at the noise of the sky: beyond it its own noise is the larger one
SOFT, WHITE, BLACK = 3.0, 80.0, 0.1  # of the display, in units of the sky's noise


class Galaxies(GeneratedImages):
    """Simulated spirals, ellipticals, irregulars and sky with stars; as classes, or as votes of volunteers.

    A quarter of the samples each is: no galaxy, a star or empty sky; a spiral, a Sersic bulge and an exponential disc
    with logarithmic arms, some with a bar, at any inclination; an elliptical, a Sersic profile with n from U(2, 6); an
    irregular, clumps of star formation or two galaxies that merge. Half-light radii are from U(0.1, 0.22) of the
    width of the image, the mean brightness within them is 3 to 40 times the noise of the sky in a pixel. `neighbours`
    are other stars and galaxies; `seeing` spreads all light; the noise of sky and photons is added, and the display is
    asinh (Lupton et al. 2004), clipped to [0, 1]. The three channels are the bands i, r and g.
    `targets: fractions` gives the 37 vote fractions of Galaxy Zoo 2, Class1.1 to Class11.6.
    """

    name: Literal["galaxies"]
    size: Annotated[int, Field(ge=8, le=1000)] = 32
    targets: Literal["classes", "fractions"] = "classes"
    """What the network is to predict of an image: one of four classes, or the share of each of 37 answers."""
    greyscale: bool = False
    """true makes one channel, the mean of the three bands."""
    seeing: Annotated[float, Field(ge=0, le=20)] = 1.5
    """The full width at half maximum of a point source, in pixels."""
    noise: NotNegative = 1.0
    """The noise of sky and photons, in units of the usual one; 0: none."""
    neighbours: Annotated[float, Field(ge=0, le=20)] = 1.0
    """The mean number of other stars and galaxies in an image."""
    volunteers: Annotated[int, Field(ge=1, le=10_000)] = 40
    """How many volunteers classify each image, where the targets are fractions."""

    def images(self) -> int:
        return self.samples * (1 if self.greyscale else 3)

    def describe(self) -> Description:
        shape = (self.size, self.size, 1 if self.greyscale else 3)
        return tree.described(shape, self.samples, self.targets == "fractions")

    def load(self) -> Samples:
        x = np.empty((self.samples, self.size, self.size, 1 if self.greyscale else 3), np.float32)
        kinds = np.arange(self.samples, dtype=np.int32) % len(tree.CLASSES)
        shares = np.empty((self.samples, len(tree.COLUMNS)), np.float32)
        for number, start in enumerate(range(0, self.samples, AT_ONCE)):
            some = slice(start, start + AT_ONCE)
            random = rng(self.sample_seed, "galaxies", number)
            objects = morphology.drawn(kinds[some], self.size, random)
            x[some] = self._photographed(objects, random)
            if self.targets == "fractions":
                shares[some] = votes.fractions(objects, self.volunteers, self.seeing, random)
        return Samples(x, shares if self.targets == "fractions" else kinds)

    def targets_stay(self) -> bool:
        return True

    def target_names(self) -> tuple[str, ...]:
        return tree.COLUMNS if self.targets == "fractions" else ()

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "galaxies", "samples": 40, "size": 12}

    def _photographed(self, objects: morphology.Morphology, random: np.random.Generator) -> np.ndarray:
        images = morphology.pictured(objects, self.size + 2 * MARGIN, random)
        morphology.add_neighbours(images, self.size, self.neighbours, random)
        pieces = (images[start : start + BLURRED] for start in range(0, len(images), BLURRED))
        return np.concatenate([self._recorded(piece, random) for piece in pieces])

    def _recorded(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        images = light.blurred(images, self.seeing)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        if self.greyscale:
            images = images.mean(axis=-1, keepdims=True)
        return light.stretched(light.exposed(images, self.noise, ELECTRONS, random), SOFT, WHITE, BLACK)
