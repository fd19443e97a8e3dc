"""Integrated gradients: complete, and for a linear net the weights times the pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.class_evidence import ClassEvidence
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import IMAGES, LINEAR_IMAGES, random_run


def found(run: Run, **settings: Any) -> AnalysisResult:
    spec = ClassEvidence(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


def evidence(result: AnalysisResult) -> np.ndarray:
    """(samples, classes, pixels)."""
    return np.array(result.pictures[0].table["evidence"]).reshape(-1, 10, 64)


@pytest.mark.parametrize("baseline", ["mean", "zeros"])
def test_the_evidence_of_a_linear_net_is_its_weights_times_what_the_sample_has_more_than_the_baseline(
    baseline: str, tmp_path: Path
):
    run = random_run(tmp_path, LINEAR_IMAGES)
    result = found(run, per_class=1, baseline=baseline, steps=3)
    weights = run.weights["layers.1.Dense.kernel"].astype(float)
    split = run.dataset().validation
    x = np.array([split.x[split.y == k][0].ravel() for k in range(10)]) / 2
    b = run.dataset().train.x.mean(axis=0).ravel() / 2 if baseline == "mean" else np.zeros(64)
    expected = (weights - weights.mean(axis=1, keepdims=True)).T * (x - b)[:, None]
    assert evidence(result) == pytest.approx(expected, abs=1e-5)
    assert result.numbers["largest_incompleteness"] < 1e-5


def test_its_sums_are_the_differences_of_the_scores_and_come_closer_with_more_steps(tmp_path: Path):
    run = random_run(tmp_path, IMAGES.replace("relu", "tanh"))
    rough, fine = (found(run, per_class=1, steps=steps).numbers["largest_incompleteness"] for steps in (2, 100))
    assert fine < 1e-3
    assert fine < rough / 30


def test_evidence_for_one_class_is_evidence_against_the_others(tmp_path: Path):
    assert evidence(found(random_run(tmp_path, IMAGES))).sum(axis=1) == pytest.approx(0, abs=1e-5)
