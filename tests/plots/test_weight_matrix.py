"""Layers as matrices: applied to a sample they give what the layer gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.plots.weight_matrix import WeightMatrix, matrix
from tests.analysis.runs import random_run
from tests.plots.runs import written

NET = """
    data: {name: digits, train: 60, validation: 30, test: 20}
    model:
      kind: classifier
      layers:
        - Conv2D: {filters: 2, kernel_size: 3, padding: same}
        - Conv2D: {filters: 3, kernel_size: [2, 4], strides: [2, 1], padding: same}
        - Conv2D: {filters: 2, kernel_size: 2, dilation_rate: 2}
        - Flatten
        - Dense: {units: 10, activation: softmax}
"""


def test_the_matrix_of_a_convolution_gives_what_the_layer_gives(tmp_path: Path):
    run = random_run(tmp_path, NET)
    outputs = run.trained.layers(run.dataset().validation.x[:3])
    before = run.dataset().validation.x[:3]
    for row in run.rows[:3]:
        found = matrix(row, run.weights[f"{row.name}.kernel"]) @ before.transpose(0, 3, 1, 2).reshape(3, -1).T
        height, width, filters = row.output_shape
        images = found.T.reshape(3, filters, height, width).transpose(0, 2, 3, 1) + run.weights[f"{row.name}.bias"]
        assert images == pytest.approx(outputs[row.name], rel=1e-4, abs=1e-3)
        before = outputs[row.name]


def test_connections_and_different_weights_are_counted_and_the_table_has_every_connection(tmp_path: Path):
    text = NET.replace("filters: 2, kernel_size: 3, padding: same", "filters: 1, kernel_size: 3")
    with theme.applied():
        (picture,) = WeightMatrix().draw(random_run(tmp_path, text))
    titles = [axes.get_title(loc="left") for axes in picture.figure.axes]
    assert titles[0] == "Conv2D: 324 connections,\n9 different weights"
    assert titles[-1].startswith("Dense: ")
    assert picture.table["layer"].count("layers.0.Conv2D") == 36 * 9


def test_without_weights_there_is_no_matrix(tmp_path: Path):
    text = "    data: {name: digits}\n    model: {kind: transform, layers: [{MaxPooling2D: 2}]}\n"
    with pytest.raises(NotApplicable, match="it has no layer Dense, Conv2D or FixedConv2D"):
        WeightMatrix().check(written(tmp_path, text).loaded)


def test_a_dense_layer_is_its_kernel(tmp_path: Path):
    run = random_run(tmp_path, NET)
    kernel = np.arange(6.0).reshape(3, 2)
    row = next(row for row in run.rows if row.name.endswith("Dense"))
    assert matrix(row, kernel).tolist() == kernel.T.tolist()
