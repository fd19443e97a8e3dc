"""Occlusion of a net that looks at one pixel only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis import occlusion
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import LINEAR_IMAGES
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> AnalysisResult:
    spec = occlusion.Occlusion(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


def looks_at(path: Path, row: int, column: int) -> Run:
    """A net whose score of class 1 is a pixel, and of all others 0."""
    kernel = np.zeros((8, 8, 10))
    kernel[row, column, 1] = 5
    return written(path, LINEAR_IMAGES, [kernel, np.zeros(10)])


def test_the_probability_changes_where_the_square_covers_the_one_pixel_that_the_net_sees(tmp_path: Path):
    run = looks_at(tmp_path, 4, 3)
    result = found(run, per_class=1, size=3)
    table = result.pictures[0].table
    p = np.array(table["probability"]).reshape(10, 6, 6)
    x = np.array([run.dataset().validation.x[run.dataset().validation.y == k][0] for k in range(10)])[:, 4, 3, 0] / 2
    scores = np.outer(x, np.eye(10)[1]) * 5
    whole = np.diag(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))
    expected = np.repeat(whole, 36).reshape(10, 6, 6)
    expected[:, 2:5, 1:4] = 0.1
    assert p == pytest.approx(expected, rel=1e-5)
    assert result.numbers["largest_drop"] == pytest.approx((whole - np.minimum(whole, 0.1)).mean(), abs=1e-6)
    assert (table["row"][-1], table["column"][-1]) == (5, 5)


def test_the_square_has_the_value_that_is_asked_for():
    x = np.arange(20.0).reshape(4, 5, 1)
    places = [(0, 0), (0, 2), (2, 0), (2, 3)]
    for image, (row, column) in zip(occlusion.occluded(x, places, 2, -1.0), places, strict=True):
        assert np.argwhere(image[..., 0] == -1).tolist() == [[row + i, column + j] for i in (0, 1) for j in (0, 1)]
        assert (image[image != -1] == x[image != -1]).all()


def test_the_square_goes_by_the_stride(tmp_path: Path):
    table = found(looks_at(tmp_path, 4, 3), per_class=1, stride=3).pictures[0].table
    assert sorted(set(zip(table["row"], table["column"], strict=True))) == [
        (row, column) for row in (0, 3, 6) for column in (0, 3, 6)
    ]


def test_the_square_is_a_quarter_of_the_image_where_nothing_is_said(tmp_path: Path):
    assert found(looks_at(tmp_path, 4, 3)).numbers["size"] == 2


def test_a_square_that_does_not_fit_is_refused(tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        occlusion.Occlusion(size=9).check(written(tmp_path, LINEAR_IMAGES).loaded)
    assert str(refused.value) == "a square of 9 does not fit into 8 x 8; use a smaller size"
