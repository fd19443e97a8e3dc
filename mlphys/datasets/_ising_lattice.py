"""The 2-D Ising model on a square lattice with periodic boundaries, sampled by clusters (Swendsen & Wang 1987)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

CRITICAL = 2 / math.log(1 + math.sqrt(2))  # in units of J / k_B (Kramers & Wannier 1941, Onsager 1944)
SITES_AT_ONCE = 2**20  # of the lattices that take a step together; what a step needs for them is 50 MB
STEPS_PER_DOUBLING = 6


def draw(temperature: float, count: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """`count` independent configurations of size x size spins at a temperature in units of J / k_B: int8 -1 or 1.

    Each is the end of a Markov chain of its own, which starts with all spins up, so no two are correlated and what
    remains is the memory of the start. It decays with the autocorrelation time, which at the critical temperature is 3,
    4 and 5 steps for L = 16, 32 and 64, and shorter where the correlation length is; `steps` is seven times as long.
    """
    spins = np.ones((count, size, size), np.int8)
    for start in range(0, count, lattices := max(1, SITES_AT_ONCE // size**2)):
        together = spins[start : start + lattices]
        for _ in range(steps(temperature, size)):
            flip_clusters(together, temperature, generator)
    return spins


def steps(temperature: float, size: int) -> int:
    """Steps from the start to a sample: 6 (1 + log2(1 + min(L, correlation length)))."""
    return math.ceil(STEPS_PER_DOUBLING * (1 + math.log2(1 + min(size, correlation_length(temperature)))))


def correlation_length(temperature: float) -> float:
    """1 / |ln coth(J / T) - 2 J / T| in lattice constants; half of it below the critical temperature (McCoy & Wu)."""
    beta = 1 / temperature
    inverse = abs(math.log(math.tanh(beta)) + 2 * beta)
    return 1 / inverse if inverse > 0 else math.inf


def flip_clusters(spins: np.ndarray, temperature: float, generator: np.random.Generator) -> None:
    """One step of all lattices (n, L, L), in place: each cluster is turned over with probability 1/2.

    A bond joins equal neighbours with probability 1 - exp(-2 J / T), as in the clusters of Wolff (1989). His algorithm
    grows one cluster and flips it; flipping half of all costs the same array operations for every lattice.
    """
    from scipy import ndimage, sparse  # takes a second

    count, size, _ = spins.shape
    right, down = bonds(spins, temperature, generator)
    # sites at even rows and columns, bonds between them: an image whose connected parts are the clusters
    image = np.zeros((count, 2 * size, 2 * size), bool)
    image[:, ::2, ::2], image[:, ::2, 1::2], image[:, 1::2, ::2] = True, right, down
    within_one_lattice = np.zeros((3, 3, 3), bool)
    within_one_lattice[1] = ndimage.generate_binary_structure(2, 1)
    labels, parts = ndimage.label(image, within_one_lattice)
    part = labels[:, ::2, ::2] - 1
    ends = [
        (part[:, :, -1][right[:, :, -1]], part[:, :, 0][right[:, :, -1]]),
        (part[:, -1][down[:, -1]], part[:, 0][down[:, -1]]),
    ]
    one, other = (np.concatenate(side) for side in zip(*ends, strict=True))
    around_the_edges = sparse.coo_array((np.ones(len(one), bool), (one, other)), shape=(parts, parts))
    clusters, cluster = sparse.csgraph.connected_components(around_the_edges, directed=False)
    sign = 1 - 2 * generator.integers(2, size=clusters, dtype=np.int8)
    spins *= sign[cluster][part]


def bonds(spins: np.ndarray, temperature: float, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Which sites of (n, L, L) are joined with the neighbour to the right, and which with the one below."""
    probability = -math.expm1(-2 / temperature)
    for axis in (2, 1):
        joined = generator.random(spins.shape, np.float32) < probability
        joined &= spins == np.roll(spins, -1, axis)
        yield joined


def energy(spins: np.ndarray) -> np.ndarray:
    """Energy per site of lattices (n, L, L), in units of J: float64 (n,), from -2 to 2."""
    neighbours = np.roll(spins, -1, 1) + np.roll(spins, -1, 2)
    return -(spins * neighbours).mean(axis=(1, 2), dtype=np.float64)


def magnetization(spins: np.ndarray) -> np.ndarray:
    """The mean spin of lattices (n, L, L): float64 (n,)."""
    return spins.mean(axis=(1, 2), dtype=np.float64)
