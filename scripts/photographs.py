"""How many photographs of handwritten digits a run of MNIST reads right: `python -m scripts.photographs RUN`.

The photographs are simulated from digits of the test set: grey values (height, width), uint8.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np


def ink(digit: np.ndarray, side: int = 560, blur: float = 7) -> np.ndarray:
    """How much of each pixel is ink, from 0 to 1: the digit enlarged."""
    from PIL import Image, ImageFilter

    large = Image.fromarray(digit).resize((side, side)).filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(large, float) / 255


def scan(digit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """On white paper, cut out as MNIST has it."""
    return _grey(255 * (1 - ink(digit)))


def shadow(digit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """On grey paper in a shadow."""
    y, x = np.mgrid[0:560, 0:560] / 560
    return _written(ink(digit), 190 - 50 * x - 30 * y)


def tight(digit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """On white paper, cut out where the ink ends."""
    found = ink(digit)
    rows, columns = np.where(found > 0.2)
    return _grey(255 * (1 - found[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]))


def page(digit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """On a page, 4:3, beside the middle."""
    whole = np.zeros((900, 1200))
    whole[300:720, 620:1040] = ink(digit, 420, 5)
    return _grey(255 * (1 - whole))


def tilted_light(digit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A lamp at one side, brighter on one edge than ink on the other is dark; a tilted camera, and noise."""
    from PIL import Image

    angle = random.uniform(-12, 12)
    turned = Image.fromarray((255 * ink(digit, 400, 5)).astype(np.uint8)).rotate(angle, Image.Resampling.BILINEAR)
    whole = np.zeros((600, 800))
    top, left = random.integers(0, 200), random.integers(0, 400)
    whole[top : top + 400, left : left + 400] = np.asarray(turned, float) / 255
    y, x = np.mgrid[0:600, 0:800] / 800
    light = 70 + 180 * np.exp(-1.2 * np.hypot(x - random.uniform(0, 1), y + 0.1))
    return _grey(light * (1 - 0.8 * whole) + 4 * random.normal(size=whole.shape))


def squared_paper(digit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Blue ink on squared paper: pale lines, in a slight shadow, with noise."""
    whole = np.zeros((700, 700))
    top, left = random.integers(20, 280, 2)
    whole[top : top + 400, left : left + 400] = ink(digit, 400, 5)
    y, x = np.mgrid[0:700, 0:700]
    lines = ((x + 13) % 50 < 3) | ((y + 29) % 50 < 3)
    paper = (225 - 30 * x / 700) * np.where(lines, 0.8, 1.0)
    return _grey(paper * (1 - 0.75 * whole) + 3 * random.normal(size=whole.shape))


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    kind.__name__: kind for kind in (scan, shadow, tight, page, tilted_light, squared_paper)
}


def _written(found: np.ndarray, paper: np.ndarray) -> np.ndarray:
    return _grey(paper * (1 - found) + 45 * found)


def _grey(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def main(run: str) -> None:
    from PIL import Image

    from mlphys.commands.predict import predict
    from mlphys.runs.run import Run, find

    found: Run = find(run)
    test = found.dataset().test.some(200)
    labels = test.y[:]
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:2] for digit in range(10)])
    for name, kind in KINDS.items():
        random = np.random.default_rng(0)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, f"{i}.png") for i in chosen]
            for i, path in zip(chosen, paths, strict=True):
                Image.fromarray(kind((255 * test.x[i, ..., 0]).round().astype(np.uint8), random)).save(path)
            said = predict(found, paths).arrays["probabilities"].argmax(axis=1)
        print(f"{name:14} {(said == labels[chosen]).sum()} of {len(chosen)} right")


if __name__ == "__main__":
    main(sys.argv[1])
