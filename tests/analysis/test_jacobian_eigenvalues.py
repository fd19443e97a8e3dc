"""Eigenvalues of dr/dx where the matrix is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.jacobian_eigenvalues import JacobianEigenvalues
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, TIED, UNTIED, random_run
from tests.plots.runs import written

LINEAR = UNTIED.replace("units: 5, activation: tanh", "units: 2")


def found(run: Run) -> AnalysisResult:
    JacobianEigenvalues().check(run.loaded)
    with theme.applied():
        return JacobianEigenvalues().measure(run)


def of(path: Path, matrix: np.ndarray) -> AnalysisResult:
    """Of r(x) = x matrix."""
    return found(written(path, LINEAR, [np.eye(2), np.zeros(2), matrix, np.zeros(2)]))


def test_a_linear_net_has_the_eigenvalues_of_its_matrix_at_every_sample(tmp_path: Path):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    result = of(tmp_path, turn @ np.diag([1.5, 0.25]) @ turn.T)
    assert result.pictures[0].table["mean"] == pytest.approx([1.5, 0.25], rel=1e-5)
    assert result.pictures[0].table["first_quartile"] == pytest.approx([1.5, 0.25], rel=1e-5)
    assert (result.numbers["above_1"], result.numbers["samples_below_1"]) == (1, 0)
    assert result.numbers["largest_imaginary_part"] == 0
    assert len(result.pictures[0].figure.axes) == 1


def test_a_rotation_has_complex_eigenvalues_and_their_plane_is_drawn(tmp_path: Path):
    result = of(tmp_path, np.array([[0.5, -0.8], [0.8, 0.5]]))
    assert result.pictures[0].table["mean"] == pytest.approx([0.5, 0.5], rel=1e-5)
    assert result.numbers["largest_imaginary_part"] == pytest.approx(0.8, rel=1e-5)
    assert result.numbers["antisymmetric_part"] == pytest.approx(0.8 / np.hypot(0.5, 0.8), rel=1e-5)
    assert result.numbers["samples_below_1"] == 1
    assert len(result.pictures[0].figure.axes) == 2


def test_tied_weights_have_real_eigenvalues(tmp_path: Path):
    numbers = found(random_run(tmp_path, TIED)).numbers
    assert numbers["antisymmetric_part"] < 1e-6
    assert numbers["largest_imaginary_part"] == 0


def test_a_classifier_has_none(tmp_path: Path):
    with pytest.raises(NotApplicable, match="no r\\(x\\)"):
        JacobianEigenvalues().check(random_run(tmp_path, CLASSIFIER).loaded)
