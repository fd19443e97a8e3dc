"""Nets whose answer is known: a step of the magnetization, and components along it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis._finite_size import combined
from mlphys.analysis.transition import Transition, crossing_with_error, crossings, squared_correlation
from mlphys.datasets import _ising_lattice as lattice
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.numerics.randomness import rng
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER
from tests.plots.runs import written

ISING = "data: {name: ising, temperatures: [1.0, 2.0, 3.0, 5.0], samples_per_temperature: 20, size: 6}"
PCA = f"""
    {ISING}
    model: {{kind: pca, components: 2}}
"""
TEMPERATURES = [1.0, 2.0, 3.0]


def test_a_curve_crosses_one_half_where_its_straight_line_does():
    curves = np.array([[0.0, 0.25, 0.75], [0.1, 0.5, 1.0], [0.6, 0.2, 0.6], [0.0, 0.1, 0.2], [1.0, 0.7, 0.6]])
    np.testing.assert_allclose(crossings(TEMPERATURES, curves), [2.5, 2.0, 2.75, math.nan, math.nan])


def test_the_error_of_the_crossing_is_the_spread_over_repetitions():
    random = np.random.default_rng(0)
    chances = np.array([0.2, 0.4, 0.8])[:, None]
    found = [
        crossing_with_error(TEMPERATURES, (random.random((3, 100)) < chances).astype(float), rng(i, "bootstrap"))
        for i in range(40)
    ]
    values, errors = np.array(found).T
    assert values.mean() == pytest.approx(2.25, abs=4 * values.std() / math.sqrt(40))
    assert errors.mean() == pytest.approx(values.std(), rel=0.4)


def test_values_that_stay_below_one_half_have_no_crossing():
    assert crossing_with_error(TEMPERATURES, np.full((3, 10), 0.2), rng(0, "bootstrap")) is None


def test_squared_correlation_is_one_for_a_line_and_zero_for_a_constant():
    a = np.arange(5.0)
    assert squared_correlation(a, 3 - 2 * a) == pytest.approx(1)
    assert squared_correlation(a, np.ones(5)) == 0
    assert squared_correlation(np.array([-1.0, 0, 1]), np.array([1.0, 0, 1])) == pytest.approx(0)


def test_it_takes_data_with_a_transition_and_models_that_say_something_of_it(tmp_path: Path):
    with pytest.raises(NotApplicable, match=r"^data\.name: moons has no phase transition; it takes name: ising$"):
        Transition().check(written(tmp_path / "moons", CLASSIFIER).loaded)
    regressor = f"""
    {ISING.replace("size: 6", "size: 6, target: temperature")}
    model: {{kind: regressor, layers: [Flatten, {{Dense: {{units: 1}}}}]}}
"""
    with pytest.raises(NotApplicable, match=r"^kind: regressor gives neither probabilities of two phases nor a code$"):
        Transition().check(written(tmp_path / "regressor", regressor).loaded)
    Transition().check(written(tmp_path / "pca", PCA).loaded)


STEP = f"""
    {ISING}
    model:
      kind: classifier
      layers:
        - Flatten
        - Dense: {{units: 2, activation: relu}}
        - Dense: {{units: 2, activation: softmax}}
"""


def step_at(magnetization: float) -> list[np.ndarray]:
    """Weights of a net that calls a lattice ordered whose |m| is above this one."""
    sharp = 1000.0
    mean = np.full(36, 1 / 36)
    return [
        np.stack([mean, -mean], axis=1),
        np.zeros(2),
        np.array([[sharp, 0], [sharp, 0]]),
        np.array([-sharp * magnetization, 0]),
    ]


def measured(run: Run, **settings: Any) -> AnalysisResult:
    with theme.applied():
        return Transition(**settings).measure(run)


def test_a_step_of_the_magnetization_crosses_one_half_where_its_median_passes_the_step(tmp_path: Path):
    run = written(tmp_path, STEP, step_at(0.5))
    result = measured(run, samples=400)
    spins = {t: lattice.draw(t, 2000, 6, rng(1, "other samples")) for t in (2.0, 3.0)}
    low, high = ((abs(lattice.magnetization(of_one)) < 0.5).mean() for of_one in spins.values())
    expected = 2 + (0.5 - low) / (high - low)
    crossing, rows = result.numbers["crossing"], result.numbers["disordered"]
    assert abs(crossing["temperature"] - expected) < 4 * crossing["stderr"] * math.sqrt(1 + 400 / 2000)
    assert rows[0]["probability"] == 0
    assert rows[2]["probability"] == pytest.approx(high, abs=4 * rows[2]["stderr"])
    assert result.numbers["exact"] == pytest.approx(2.269185, abs=1e-6)
    assert result.summary.startswith("mean probability of the disordered phase crosses 1/2 at T = 2.")
    assert result.pictures[0].table["probability"] == [row["probability"] for row in rows]
    cold = measured(run, samples=20, temperatures=[0.5, 1.0])
    assert cold.numbers["crossing"] is None
    assert "does not rise through 1/2 between 0.5 and 1; the infinite" in cold.summary


def test_a_component_along_the_magnetization_is_the_order_parameter(tmp_path: Path):
    staggered = 1 - 2.0 * (np.indices((6, 6)).sum(axis=0) % 2)
    run = written(tmp_path, PCA, [np.zeros(36), np.stack([staggered.ravel(), np.ones(36)]) / 6, np.ones(36)])
    result = measured(run)
    assert result.numbers["best"] == 1
    assert result.numbers["r2"][1] == pytest.approx(1, abs=1e-6)
    assert result.numbers["r2"][0] < 0.2
    code, order = (np.array(result.pictures[0].table[column]) for column in ("code", "magnetization"))
    np.testing.assert_allclose(code, 6 * order, atol=1e-5)


def test_the_order_of_a_code_ends_where_its_mean_modulus_falls_through_half(tmp_path: Path):
    run = written(tmp_path, PCA, [np.zeros(36), np.stack([np.zeros(36), np.ones(36)]) / 6, np.ones(36)])
    result = measured(run, samples=400)
    crossing, rows = result.numbers["crossing"], result.numbers["code"]
    spins = {t: lattice.draw(t, 2000, 6, rng(1, "other samples")) for t in (1.0, 2.0, 3.0)}
    cold, warm, hot = (abs(lattice.magnetization(of_one)).mean() for of_one in spins.values())
    assert rows[0]["modulus"] == pytest.approx(6 * cold, rel=0.01)
    assert warm > cold / 2 > hot
    expected = 2 + (warm - cold / 2) / (warm - hot)
    assert abs(crossing["temperature"] - expected) < 4 * crossing["stderr"] * math.sqrt(1 + 400 / 2000)
    assert result.pictures[1].table["modulus"] == [row["modulus"] for row in rows]
    assert "its mean modulus falls through half at T = 2." in result.summary


def test_a_code_that_says_nothing_has_no_crossing(tmp_path: Path):
    run = written(tmp_path, PCA, [np.zeros(36), np.zeros((2, 36)), np.ones(36)])
    result = measured(run, samples=20)
    assert result.numbers["crossing"] is None
    assert "does not fall through half" in result.summary


def crossing_of(length: int) -> tuple[float, float]:
    return 2.269 + 1.0 / length, 0.001


def test_the_limit_of_several_sizes_is_the_transition_of_the_infinite_system():
    with theme.applied():
        found = combined({length: [crossing_of(length)] * 3 for length in (10, 20, 40)}, 2.2692, 1.0)
    assert found.numbers["critical"]["temperature"] == pytest.approx(2.269)
    assert found.numbers["slope"]["value"] == pytest.approx(1)
    assert found.numbers["lengths"][0]["stderr"] == pytest.approx(0.001 / math.sqrt(3))
    assert found.numbers["deviation_percent"] == pytest.approx(100 * (2.269 / 2.2692 - 1))
    assert "over L = 10, 20, 40: T_c = 2.26" in found.summary
    assert found.pictures[0].table["length"] == [10, 20, 40]


def test_the_error_of_a_length_is_its_spread_over_nets_but_no_less_than_that_of_one():
    wide = [(2.3, 0.001), (2.4, 0.001)]
    with theme.applied():
        found = combined({10: wide, 20: [crossing_of(20)] * 2}, 2.2692, 1.0)
    assert found.numbers["lengths"][0]["stderr"] == pytest.approx(0.05)
    assert found.numbers["lengths"][1]["stderr"] == pytest.approx(0.001 / math.sqrt(2))


def test_nets_whose_output_does_not_cross_are_left_out_and_one_size_has_no_limit():
    with theme.applied():
        found = combined({10: [crossing_of(10), None], 20: [crossing_of(20)], 40: [None]}, 2.2692, 1.0)
    assert [row["length"] for row in found.numbers["lengths"]] == [10, 20]
    assert found.summary.endswith("; 2 nets whose output does not cross are left out")
    with pytest.raises(NotApplicable, match=r"^T\(L\) of 1 lengths L gives no limit"):
        combined({10: [crossing_of(10)], 20: [None]}, 2.2692, 1.0)


def test_outputs_that_jump_between_two_temperatures_have_no_error_to_weight_them_by():
    with pytest.raises(NotApplicable, match=r"^T\(L\) of L = 10 has no error: the outputs jump"):
        combined({10: [(2.25, 0.0)] * 2, 20: [crossing_of(20)]}, 2.2692, 1.0)


def test_the_members_of_a_study_say_together_what_the_infinite_system_does(tmp_path: Path):
    members = []
    for length in (6, 8):
        text = PCA.replace("size: 6", f"size: {length}")
        sites = length**2
        weights = [np.zeros(sites), np.stack([np.zeros(sites), np.ones(sites)]) / length, np.ones(sites)]
        run = written(tmp_path / str(length), text, weights)
        members.append((run, measured(run, samples=50)))
    with theme.applied():
        found = Transition().together(members)
    assert [row["length"] for row in found.numbers["lengths"]] == [6, 8]
    assert found.numbers["exact"] == pytest.approx(2.269185, abs=1e-6)
    with pytest.raises(NotApplicable, match="several kinds of model"):
        Transition().together([*members, (written(tmp_path / "step", STEP, step_at(0.5)), members[0][1])])
