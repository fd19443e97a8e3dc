"""Volunteers who classify simulated galaxies by the questions of Galaxy Zoo 2 (Willett et al. 2013)."""

from __future__ import annotations

import numpy as np

from mlphys.datasets import _galaxy_zoo_tree as tree
from mlphys.datasets._galaxy_morphology import ELLIPTICAL, IRREGULAR, NO_GALAXY, SPIRAL, Morphology

LARGEST_EXPONENT = 50.0


def fractions(of: Morphology, volunteers: int, seeing: float, random: np.random.Generator) -> np.ndarray:
    """Each answer's share of the votes of `volunteers` who see each galaxy: float32 (n, 37), multiples of 1/volunteers.

    Everybody answers the first question; who answers what comes next follows the tree, so the answers to a question
    sum to the share of those who reached it. Given the answer's probability, votes are multinomial.
    """
    chance = probabilities(of, seeing)
    votes = np.zeros((len(of.kind), len(tree.COLUMNS)), np.int64)

    def ask(question: int, voters: np.ndarray) -> np.ndarray:
        counted = random.multinomial(voters, chance[question])
        tree.answers(votes, question)[:] = counted
        return counted

    smooth, features, _ = ask(1, np.full(len(votes), volunteers)).T
    edge_on, not_edge_on = ask(2, features).T
    ask(3, not_edge_on)
    arms, _ = ask(4, not_edge_on).T
    for question, voters in ((10, arms), (11, arms), (5, not_edge_on), (7, smooth), (9, edge_on)):
        ask(question, voters)
    odd, _ = ask(6, smooth + features).T
    ask(8, odd)
    return (votes / volunteers).astype(np.float32)


def probabilities(of: Morphology, seeing: float) -> dict[int, np.ndarray]:
    """How probably a volunteer gives each answer to each question, if it is put: (n, answers), rows sum to 1.

    A trait t answers yes with 1 / (1 + exp(-(t - threshold) / width)): what is far from the threshold is clear to all.
    """
    face = np.abs(np.cos(of.inclination))
    visible = np.where(of.kind == SPIRAL, of.contrast * face * (1 - of.bulge), 0.0)  # what there is to see of the arms
    bulge = np.where(of.kind == IRREGULAR, 0.0, of.bulge)
    edge = np.where(of.kind == SPIRAL, face, of.axis_ratio)
    return {
        1: _smooth_features_star(of, seeing),
        2: _yes_no(0.35 - edge, 0.0, 0.05),
        3: _yes_no(np.where(of.kind == SPIRAL, of.bar * face * (1 - of.bulge), 0.0), 0.06, 0.02),
        4: _yes_no(visible, 0.2, 0.06),
        5: _ordered(bulge, (0.1, 0.3, 0.6), 0.05),
        6: _yes_no(np.where(of.kind == IRREGULAR, 0.75, 0.1), 0.45, 0.12),
        7: _ordered(1 - of.axis_ratio, (0.2, 0.6), 0.05),
        8: _odd_feature(of),
        9: _at_edge(bulge),
        10: _ordered(np.rad2deg(of.pitch), (15.0, 25.0), 2.0),
        11: _arm_number(of, visible),
    }


def _share(trait: np.ndarray, threshold: float, width: float) -> np.ndarray:
    """1 / (1 + exp(-(t - threshold) / width))."""
    exponent = np.clip((threshold - trait) / width, -LARGEST_EXPONENT, LARGEST_EXPONENT)
    shares: np.ndarray = 1 / (1 + np.exp(exponent))
    return shares


def _yes_no(trait: np.ndarray, threshold: float, width: float) -> np.ndarray:
    yes = _share(trait, threshold, width)
    return np.stack([yes, 1 - yes], axis=1)


def _ordered(trait: np.ndarray, thresholds: tuple[float, ...], width: float) -> np.ndarray:
    """Answers in the order of a trait, the first below the first threshold (McCullagh 1980)."""
    above = [np.ones(len(trait)), *(_share(trait, threshold, width) for threshold in thresholds), np.zeros(len(trait))]
    return -np.diff(np.stack(above, axis=1), axis=1)


def _smooth_features_star(of: Morphology, seeing: float) -> np.ndarray:
    """Clear arms or clumps are features, a flattened elliptical may be taken for a disc, a tiny galaxy for a star."""
    structure = np.select(
        [of.kind == SPIRAL, of.kind == ELLIPTICAL, of.kind == IRREGULAR],
        [(1 - of.bulge) * (0.4 + 0.6 * of.contrast), 0.25 * (1 - of.axis_ratio), np.full(len(of.kind), 0.5)],
        0.1,
    )
    features = _share(structure, 0.35, 0.08)
    small = 0.5 * _share(-of.radius / max(seeing, 0.5), -1.2, 0.3)
    star = np.where(of.kind == NO_GALAXY, np.where(of.star, 0.94, 0.85), 0.01 + small)
    return np.stack([(1 - star) * (1 - features), (1 - star) * features, star], axis=1)


def _odd_feature(of: Morphology) -> np.ndarray:
    """Ring, lens or arc, disturbed, irregular, other, merger, dust lane."""
    merger = np.array([0.02, 0.06, 0.2, 0.05, 0.02, 0.64, 0.01])
    clumpy = np.array([0.02, 0.01, 0.15, 0.7, 0.07, 0.04, 0.01])
    else_ = np.array([0.2, 0.1, 0.1, 0.1, 0.25, 0.1, 0.15])
    irregular = (of.kind == IRREGULAR)[:, None]
    return np.where(irregular & of.merger[:, None], merger, np.where(irregular, clumpy, else_))


def _at_edge(bulge: np.ndarray) -> np.ndarray:
    """The bulge of a disc that is seen from its edge: rounded, boxy, or none."""
    probability = _share(bulge, 0.1, 0.04)
    return np.stack([0.85 * probability, 0.15 * probability, 1 - probability], axis=1)


def _arm_number(of: Morphology, visible: np.ndarray) -> np.ndarray:
    """1, 2, 3, 4, more than 4, or "can't tell" where there is little to see."""
    sure = _share(visible, 0.25, 0.08)[:, None]
    counted = np.eye(6)[np.minimum(of.arms, 5) - 1]
    unsure = np.array([0.05, 0.25, 0.0, 0.0, 0.0, 0.7])
    return sure * counted + (1 - sure) * unsure
