"""A tied autoencoder's field has an energy, an untied one's has none (Poincare's lemma)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.integrability import Integrability
from mlphys.figures import theme
from mlphys.runs.run import Run
from tests.analysis.runs import TIED, UNTIED, random_run
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> tuple[dict, str]:
    with theme.applied():
        result = Integrability(**settings).measure(run)
    return dict(result.numbers), result.summary


def test_tied_weights_have_a_symmetric_jacobian_and_no_loop_integral(tmp_path: Path):
    numbers, output_name = found(random_run(tmp_path, TIED))
    assert numbers["r"]["antisymmetric_part"]["max"] < 1e-6
    assert numbers["r"]["loop_integral"]["max"] < 1e-4
    assert "(symmetric, there is an energy)" in output_name


STACK = """
    data: {name: moons, samples: 60}
    model:
      kind: stacked_autoencoder
      stages:
        - {encoder: [{Dense: {units: 4, activation: linear}}], tied: true}
        - {encoder: [{Dense: {units: 3, activation: linear}}], tied: true}
"""


def test_a_stack_of_tied_stages_has_an_energy_only_where_it_is_linear(tmp_path: Path):
    """Of a linear one dr/dx = W V V^T W^T with the kernels W and V of both stages."""
    numbers, summary = found(random_run(tmp_path / "linear", STACK))
    assert numbers["r"]["antisymmetric_part"]["max"] < 1e-6
    assert "(symmetric, there is an energy)" in summary
    numbers, summary = found(random_run(tmp_path / "tanh", STACK.replace("linear", "tanh")))
    assert numbers["r"]["antisymmetric_part"]["mean"] > 0.01
    assert "(not symmetric, there is no energy)" in summary


def test_the_antisymmetric_part_of_a_linear_net_is_that_of_its_matrix_and_stokes_theorem_is_exact(tmp_path: Path):
    linear = UNTIED.replace("tanh", "linear")
    w, v = np.array([[1.0, 0, 2, 0, 0], [0, 1, 0, 0, 1]]), np.array([[0.5, 1], [-2, 0.3], [0, 0], [1, 1], [0, 0]])
    numbers, output_name = found(written(tmp_path, linear, [w, np.zeros(5), v, np.zeros(2)]), radius=0.3)
    jacobian = (w @ v).T
    expected = np.linalg.norm(jacobian - jacobian.T) / np.linalg.norm(jacobian)
    assert numbers["r"]["antisymmetric_part"]["mean"] == pytest.approx(expected, rel=1e-5)
    assert numbers["r"]["loop_integral"]["mean"] == pytest.approx(
        numbers["r"]["loop_integral_by_stokes"]["mean"], rel=1e-4
    )
    assert "(not symmetric, there is no energy)" in output_name


def test_a_rotation_has_a_loop_integral_of_one(tmp_path: Path):
    """r(x) - x = A x with A a quarter turn."""
    text = UNTIED.replace("units: 5, activation: tanh", "units: 2")
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    run = written(tmp_path, text, [np.eye(2), np.zeros(2), np.eye(2) + turn, np.zeros(2)])
    numbers, _ = found(run)
    assert numbers["r"]["loop_integral"]["mean"] == pytest.approx(1, rel=1e-4)


def test_with_a_sigmoid_output_it_is_the_field_before_it_that_has_an_energy(tmp_path: Path):
    text = TIED.replace("units: 2", "units: 2, activation: sigmoid")
    numbers, output_name = found(random_run(tmp_path / "of_dense", text))
    assert numbers["a"]["antisymmetric_part"]["max"] < 1e-6
    assert numbers["r"]["antisymmetric_part"]["mean"] > 0.01
    assert "da/dx before the last activation" in output_name
    text = TIED.replace("{units: 2}}", "{units: 2}}, {Activation: sigmoid}")
    assert found(random_run(tmp_path / "of_its_own", text))[0] == numbers
