from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures.picture import Picture
from mlphys.plots.fit_1d import Fit1D
from mlphys.runs.run import Run
from tests.plots.runs import ASKED, written

STRAIGHT = """
    data: {name: line, noise: 5}
    model: {kind: regressor, layers: [{Dense: {units: 1}}]}
"""
TANH = [np.array([2.0, -3.0]), np.array([0.5, 0.0]), np.array([1.0, -0.5]), np.array(0.25)]


def drawn(run: Run) -> Picture:
    (picture,) = Fit1D().draw(run)
    return picture


def columns(picture: Picture, part: str) -> dict[str, np.ndarray]:
    there = np.array(picture.table["part"]) == part
    return {name: np.array(column, dtype=object)[there] for name, column in picture.table.items()}


def test_the_curve_of_a_linear_net_is_w_x_plus_b(tmp_path: Path):
    curve = columns(drawn(written(tmp_path, STRAIGHT, [np.array(19.0), np.array(7.0)])), "curve")
    assert curve["y"].astype(float) == pytest.approx(19 * curve["x"].astype(float) + 7, rel=1e-5)
    assert len(curve["y"]) > 400


def test_preprocessing_is_part_of_the_function(tmp_path: Path):
    text = STRAIGHT.replace("noise: 5", "noise: 5, preprocess: [standardize]")
    run = written(tmp_path, text, [np.array(2.0), np.array(-1.0)])
    x = run.dataset().train.x
    curve = columns(drawn(run), "curve")
    expected = 2 * (curve["x"].astype(float) - x.mean()) / x.std() - 1
    assert curve["y"].astype(float) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_curve_is_solid_over_the_training_samples_and_dashed_beyond(tmp_path: Path):
    run = written(tmp_path, STRAIGHT)
    low, high = run.dataset().train.x.min(), run.dataset().train.x.max()
    axes = drawn(run).figure.axes[0]
    solid, left, right = axes.lines
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--", "--"]
    ends = [(line.get_xdata()[0], line.get_xdata()[-1]) for line in (left, solid, right)]
    wide = 0.15 * (high - low)
    assert np.ravel(ends) == pytest.approx([low - wide, low, low, high, high, high + wide], rel=1e-5)


def test_the_samples_are_those_of_training_and_of_the_best_split(tmp_path: Path):
    run = written(tmp_path, STRAIGHT)
    picture = drawn(run)
    assert sorted(set(picture.table["part"])) == ["curve", "train", "validation"]
    (tmp_path / "predictions_test.npz").touch()
    picture = drawn(run)
    for name, split in (("train", run.dataset().train), ("test", run.dataset().test)):
        assert (columns(picture, name)["x"] == split.x[:, 0]).all()
        assert (columns(picture, name)["y"] == split.y[:, 0]).all()
    legend = [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()]
    assert legend == ["112 training samples", "32 test samples", "the net"]


def test_without_validation_the_training_samples_stand_alone(tmp_path: Path):
    picture = drawn(written(tmp_path, STRAIGHT.replace("noise: 5", "validation: 0")))
    assert sorted(set(picture.table["part"])) == ["curve", "train"]


def test_the_hidden_units_are_drawn_on_the_right_axis(tmp_path: Path):
    picture = drawn(written(tmp_path, ASKED["fit_1d"], TANH))
    curve = {name: values.astype(float) for name, values in columns(picture, "curve").items() if name != "part"}
    units = np.tanh(curve["x"][:, None] * TANH[0] + TANH[1])
    assert curve["unit 0"] == pytest.approx(units[:, 0], abs=1e-5)
    assert curve["unit 1"] == pytest.approx(units[:, 1], abs=1e-5)
    assert curve["y"] == pytest.approx(units @ TANH[2] + 0.25, abs=1e-5)
    assert set(columns(picture, "train")["unit 0"]) == {""}
    right = picture.figure.axes[1]
    assert np.stack([line.get_ydata() for line in right.lines], axis=1) == pytest.approx(units, abs=1e-5)
    assert picture.figure.get_supxlabel().endswith("; thin: the 2 units of the last hidden layer (right axis)")


@pytest.mark.parametrize(
    ("layers", "units"),
    [
        ("{Dense: {units: 9, activation: relu}}, {Dense: {units: 1}}", 0),
        ("{Dense: {units: 9, activation: relu}}, {Dense: {units: 8}}, Softmax, {Dense: {units: 1}}", 8),
        ("{Dense: {units: 1}}, Flatten", 0),
    ],
)
def test_of_the_last_hidden_layer_at_most_eight_units_are_drawn(layers: str, units: int, tmp_path: Path):
    text = f"data: {{name: line}}\nmodel: {{kind: regressor, layers: [{layers}]}}\n"
    picture = drawn(written(tmp_path, text))
    assert len([name for name in picture.table if name.startswith("unit")]) == units
    if units:  # what the last layer is fed
        assert {name: columns(picture, "curve")[name][0] for name in ("unit 0", "unit 7")} == pytest.approx(
            {"unit 0": 1 / 8, "unit 7": 1 / 8}
        )


def test_the_title_has_the_error_of_the_split(tmp_path: Path):
    run = written(tmp_path, STRAIGHT)
    (tmp_path / "metrics.json").write_text('{"validation": {"mse": 0.0123, "mse_stderr": 0.0004}}')
    title = drawn(run).figure.get_suptitle().replace("\n", " ")
    assert title == f"{run.name}: fit, validation mse 0.01230 ± 0.00040"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ASKED["decision_boundary"], "only a model of kind: regressor fits a function"),
        (ASKED["image_fit"], "a sample of 2 and a target of 1; a curve needs one number each"),
    ],
)
def test_what_is_no_function_of_one_variable_is_refused(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        drawn(written(tmp_path, text))
    assert str(refused.value) == reason
