"""The field r(x) - x: fixed points that are known, and images that follow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.vector_field import VectorField
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import TIED, UNTIED, random_run
from tests.plots.runs import written

PLANE = UNTIED.replace("units: 5", "units: 2")
IMAGES = """
    data: {name: digits, train: 60, validation: 30, test: 20, preprocess: [{scale: 16}]}
    model: {kind: autoencoder, encoder: [{Dense: {units: 64}}], decoder: [{Dense: {units: 64}}]}
"""


def found(run: Run, **settings: Any) -> AnalysisResult:
    spec = VectorField(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


def test_a_saturating_net_has_the_nine_fixed_points_of_its_two_coordinates(tmp_path: Path):
    """r_i = x_i* tanh(3 x_i) / tanh(3 x_i*): each coordinate rests at 0, where it flees, and at +-x_i*."""
    rest = np.array([0.8, 0.5])
    weights = [3 * np.eye(2), np.zeros(2), np.diag(rest / np.tanh(3 * rest)), np.zeros(2)]
    result = found(written(tmp_path, PLANE, weights))
    points = result.numbers["fixed_points"]
    assert [points[i]["x"] for i in range(9)] == [
        pytest.approx([x, y], abs=1e-4) for x in (-0.8, 0, 0.8) for y in (-0.5, 0, 0.5)
    ]
    kinds = [
        "attracting",
        "saddle",
        "attracting",
        "saddle",
        "repelling",
        "saddle",
        "attracting",
        "saddle",
        "attracting",
    ]
    assert [point["kind"] for point in points] == kinds
    slopes = 3 * rest / np.tanh(3 * rest)
    (real, imaginary) = np.array(points[4]["eigenvalues"]).T
    assert sorted(real) == pytest.approx(sorted(slopes), rel=1e-5)
    assert imaginary == pytest.approx(0, abs=1e-6)
    assert "9 fixed points: 4 attracting, 4 saddle, 1 repelling" in result.summary


def test_the_field_of_a_linear_net_has_its_one_fixed_point_where_the_equation_has_it(tmp_path: Path):
    matrix, shift = np.array([[0.5, -0.8], [0.8, 0.5]]), np.array([0.3, 0.2])
    run = written(tmp_path, PLANE.replace("tanh", "linear"), [np.eye(2), np.zeros(2), matrix, shift])
    result = found(run)
    (point,) = result.numbers["fixed_points"]
    assert point["x"] == pytest.approx(np.linalg.solve(np.eye(2) - matrix.T, shift), abs=1e-5)
    assert point["kind"] == "attracting"
    assert sorted(point["eigenvalues"]) == [pytest.approx([0.5, -0.8]), pytest.approx([0.5, 0.8])]
    assert result.numbers["samples_below_1"] == 1.0
    table = result.pictures[0].table
    grid = [i for i, what in enumerate(table["what"]) if what == "grid"]
    x, field = (
        np.array([[table[name][i] for name in names] for i in grid]) for names in (("x1", "x2"), ("field1", "field2"))
    )
    assert field == pytest.approx(x @ matrix + shift - x, abs=1e-5)


def test_where_every_point_of_a_line_is_at_rest_the_line_is_found(tmp_path: Path):
    """r projects on the first axis."""
    run = written(tmp_path, PLANE.replace("tanh", "linear"), [np.eye(2), np.zeros(2), np.diag([1.0, 0.0]), np.zeros(2)])
    points = np.array([point["x"] for point in found(run).numbers["fixed_points"]])
    assert len(points) > 20
    assert points[:, 1] == pytest.approx(0, abs=1e-3)


def test_images_follow_the_field_as_the_formula_has_it(tmp_path: Path):
    """r(x) = x / 2: after t steps of eta, x is (1 - eta / 2)^t of what it was."""
    run = written(tmp_path, IMAGES, [np.eye(64), np.zeros(64), np.eye(64) / 2, np.zeros(64)])
    result = found(run, eta=0.2, steps=10, noise=0.0)
    strip, curve = result.pictures
    assert (strip.name, curve.name) == ("vector_field", "vector_field_descent")
    value = np.array(strip.table["value"]).reshape(10, 7, 8, 8, 1)
    assert value[:, 0] == pytest.approx(run.dataset().validation.x[:10], abs=1e-5)
    assert value[:, 1] == pytest.approx(value[:, 0], abs=1e-5)
    assert value[:, -1] == pytest.approx(0.9**10 * value[:, 0], abs=1e-4)
    mean = (run.trained.to_points(run.dataset().validation.x) ** 2).mean()
    assert result.numbers["squared_speed"][-1] == pytest.approx((0.5 * 0.9**10) ** 2 * mean, rel=1e-3)
    assert result.numbers["squared_distance_from_the_sample"][5] == pytest.approx((1 - 0.9**5) ** 2 * mean, rel=1e-3)
    assert result.numbers["nearest_after"] == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "    data: {name: blobs, samples: 60, features: 3, centers: 2}\n    model: {kind: pca, components: 1}\n",
            "a field on samples of 3 cannot be drawn; it takes 2 features, or images",
        ),
        (
            IMAGES.replace("{scale: 16}", "contrast_normalize"),
            "data.preprocess cannot be undone: what follows the field are no images",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        VectorField().check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason


def test_a_boltzmann_machine_has_a_field_too(tmp_path: Path):
    text = IMAGES.partition("    model")[0] + "    model: {kind: rbm, hidden: 4}\n"
    assert found(random_run(tmp_path, text), steps=5).numbers["samples"] == 30


def test_the_same_is_found_behind_preprocessing(tmp_path: Path):
    text = TIED.replace("test: 20}", "test: 20, preprocess: [standardize]}")
    assert "; behind data.preprocess" in found(random_run(tmp_path, text)).pictures[0].figure.get_supxlabel().replace(
        "\n", " "
    )
