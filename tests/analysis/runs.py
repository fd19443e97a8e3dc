"""Runs for analyses, written as files with given weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlphys.runs.run import Run
from tests.plots.runs import written

TIED = """
    data: {name: moons, samples: 60, validation: 20, test: 20}
    model:
      kind: autoencoder
      encoder: [{Dense: {units: 5, activation: tanh}}]
      decoder: [{Dense: {units: 2}}]
      tied: true
"""
UNTIED = TIED.replace("tied: true", "tied: false")
WHITENED = """
    data:
      name: photo_patches
      size: 6
      samples: 300
      validation: 20
      test: 20
      preprocess: [{whiten: {kind: pca, components: 20}}]
    model:
      kind: autoencoder
      encoder: [{Dense: {units: 5, activation: tanh}}]
      decoder: [{Dense: {units: 20}}]
      tied: true
"""
KERNELS = """
    data: {name: digits, train: 60, validation: 30, test: 20}
    model:
      kind: classifier
      layers:
        - Conv2D: {filters: 3, kernel_size: 7}
        - GlobalAveragePooling2D
        - Dense: {units: 10, activation: softmax}
"""
CODES = """
    data: {name: digits, train: 60, validation: 30, test: 20}
    model:
      kind: autoencoder
      encoder: [{Dense: {units: 5, activation: tanh}}]
      decoder: [{Dense: {units: 64, activation: sigmoid}}]
"""
CLASSIFIER = """
    data: {name: moons, samples: 60, validation: 20, test: 20}
    model: {kind: classifier, layers: [{Dense: {units: 2, activation: softmax}}]}
"""
IMAGES = """
    data: {name: digits, train: 60, validation: 30, test: 20, preprocess: [{scale: 2}]}
    model:
      kind: classifier
      layers:
        - Conv2D: {filters: 2, kernel_size: 3, activation: relu}
        - Flatten
        - Dense: {units: 10, activation: softmax}
"""
LINEAR_IMAGES = """
    data: {name: digits, train: 60, validation: 30, test: 20, preprocess: [{scale: 2}]}
    model: {kind: classifier, layers: [Flatten, {Dense: {units: 10, activation: softmax}}]}
"""


def random_run(path: Path, text: str, seed: int = 0) -> Run:
    """A run of `text` whose weights are drawn from N(0, 1)."""
    random = np.random.default_rng(seed)
    return written(path, text, _drawn(path / "shapes", text, random))


def _drawn(path: Path, text: str, random: np.random.Generator) -> Sequence[np.ndarray]:
    return [random.normal(size=shape) for shape in written(path, text).loaded.weight_shapes().values()]
