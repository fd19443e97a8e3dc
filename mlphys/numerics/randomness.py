"""Random generators by seed, purpose and epoch."""

from __future__ import annotations

import hashlib

import numpy as np


def rng(seed: int, purpose: str, epoch: int = 0) -> np.random.Generator:
    """An independent generator for each (seed, purpose, epoch): Philox (Salmon et al. 2011).

    The key holds seed and purpose, the counter's highest word the epoch, so streams never
    overlap and any epoch can be reproduced without the previous ones.
    """
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.Philox(key=[seed, word], counter=[0, 0, 0, epoch]))
