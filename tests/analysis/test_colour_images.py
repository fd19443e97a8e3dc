"""The analyses of images draw coloured ones too, and classes that a split lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.config.experiment import ANALYSES
from mlphys.figures import theme
from mlphys.runs.run import Run
from tests.analysis.runs import random_run

NET = """
    data: {name: array, path: PATH, test: 0.2, validation: 0.2}
    model:
      kind: classifier
      layers:
        - Conv2D: {filters: 2, kernel_size: 3, activation: relu, strides: 2}
        - Flatten
        - Dense: {units: 3, activation: softmax}
"""


def coloured(path: Path) -> Run:
    random = np.random.default_rng(0)
    np.savez(path / "data.npz", x=random.random((40, 9, 7, 3), np.float32), y=np.arange(40) % 3)
    return random_run(path, NET.replace("PATH", str(path / "data.npz")))


@pytest.mark.parametrize("name", ["class_evidence", "invariance", "maximal_excitation", "occlusion", "saliency"])
def test_images_of_three_channels_are_drawn(name: str, tmp_path: Path):
    run, analysis = coloured(tmp_path), ANALYSES[name]()
    analysis.check(run.loaded)
    with theme.applied():
        result = analysis.measure(run)
        for picture in result.pictures:
            picture.figure.savefig(tmp_path / f"{picture.name}.png")
    assert result.numbers["samples"] > 0
