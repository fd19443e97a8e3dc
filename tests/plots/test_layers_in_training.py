"""The pictures gradient_norms, weight_norms and saturation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from mlphys.errors import NotApplicable, UserError
from mlphys.figures.layer_curves import _apart
from mlphys.figures.picture import Plot
from mlphys.plots.gradient_norms import GradientNorms
from mlphys.plots.saturation import Saturation
from mlphys.plots.weight_norms import WeightNorms
from mlphys.schema.document import dump
from tests.plots.runs import MadeRun, history, written

NORMS = {"1.Dense": [1e-6, 2e-6, 4e-6], "2.Dense": [1e-3, 1e-3, 1e-3], "3.Dense": [0.5, 0.2, 0.1]}


def run(column: str, by_layer: dict[str, list[float]]) -> MadeRun:
    rows = history([0.5, 0.3, 0.2][: len(next(iter(by_layer.values())))])
    for layer, values in by_layer.items():
        rows = [row | {f"{column}.layers.{layer}": value} for row, value in zip(rows, values, strict=True)]
    return MadeRun(history=rows)


def drawn(plot: Plot, made: MadeRun) -> Any:
    (picture,) = plot.draw(made)
    return picture


def test_each_layer_is_a_curve_over_the_epochs_with_its_name_at_the_end():
    picture = drawn(GradientNorms(), run("gradient_norm", NORMS))
    (axes,) = picture.figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == list(NORMS.values())
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2, 3]] * 3
    assert sorted(text.get_text() for text in axes.texts) == ["1 Dense", "2 Dense", "3 Dense"]
    assert axes.get_yscale() == "log"


def test_a_name_has_the_colour_of_its_curve_and_the_curves_become_lighter_towards_the_last_layer():
    (axes,) = drawn(GradientNorms(), run("gradient_norm", NORMS)).figure.axes
    names = {text.get_text(): text.get_color() for text in axes.texts}
    colours = [line.get_color() for line in axes.lines]
    assert [names[f"{i} Dense"] for i in (1, 2, 3)] == colours
    light = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue, _ in colours]
    assert light == sorted(light)
    assert light[-1] - light[0] > 0.4


def test_the_table_holds_the_columns_of_the_history():
    table = drawn(WeightNorms(), run("weight_norm", NORMS)).table
    assert list(table) == ["phase", "epoch", *(f"weight_norm.layers.{layer}" for layer in NORMS)]
    assert table["weight_norm.layers.1.Dense"] == NORMS["1.Dense"]


def test_fractions_have_an_axis_from_zero_to_one():
    (axes,) = drawn(Saturation(), run("saturation", {"1.Dense": [0.0, 0.5]})).figure.axes
    assert (axes.get_yscale(), axes.get_ylim()) == ("linear", (0, 1))


@pytest.mark.parametrize(
    ("values", "ticks"), [([1e-6, 1.0], ["10⁻⁶", "10⁻⁴", "10⁻²", "1"]), ([5.0, 15.0], ["5", "10"])]
)
def test_a_wide_axis_has_powers_of_ten_and_a_narrow_one_numbers_between_them(values: list[float], ticks: list[str]):
    (axes,) = drawn(GradientNorms(), run("gradient_norm", {"1.Dense": values})).figure.axes
    low, high = axes.get_ylim()
    places = [place for place in axes.get_yticks() if low <= place <= high]
    written = axes.yaxis.get_major_formatter().format_ticks(places)
    assert set(ticks) <= set(written)


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 1e-3], [math.inf, math.nan], [1.0]])
def test_a_gradient_of_zero_or_beyond_numbers_and_a_single_epoch_can_be_drawn(values: list[float]):
    drawn(GradientNorms(), run("gradient_norm", {"1.Dense": values})).figure.draw_without_rendering()


def test_of_many_layers_some_are_named_the_last_among_them():
    (axes,) = drawn(GradientNorms(), run("gradient_norm", {f"{i}.Dense": [0.1, 0.1] for i in range(50)})).figure.axes
    assert [text.get_text() for text in axes.texts] == [f"{i} Dense" for i in (*range(0, 50, 4), 49)]


def test_names_are_moved_apart_around_their_places_and_stay_beside_the_axis():
    assert _apart([0.2, 0.5, 0.5, 0.5, 0.9], 0.1) == pytest.approx([0.2, 0.4, 0.5, 0.6, 0.9])
    assert _apart([0.0, 0.0, 1.0, 1.0], 0.1) == pytest.approx([0.0, 0.1, 0.9, 1.0])
    assert _apart([0.97, 0.98, 0.99], 0.1) == pytest.approx([0.8, 0.9, 1.0])


@pytest.mark.parametrize(
    ("plot", "name"),
    [(GradientNorms(), "gradient_norms"), (WeightNorms(), "weight_norms"), (Saturation(), "saturation")],
)
def test_what_was_not_tracked_is_said_with_the_remedy(plot: Plot, name: str):
    with pytest.raises(NotApplicable) as refused:
        list(plot.draw(MadeRun(history=history([0.5]))))
    assert str(refused.value) == f"it was not recorded; retrain with training.track: [{name}]"
    with pytest.raises(NotApplicable) as refused:
        list(plot.draw(MadeRun()))
    assert str(refused.value) == "no epoch was trained; set training.epochs to at least 1"


def deep(layers: int, track: list[str], **more: Any) -> str:
    dense = [{"Dense": {"units": 4, **more}} for _ in range(layers)]
    net = {"kind": "classifier", "layers": [*dense, {"Dense": {"units": 2, "activation": "softmax"}}]}
    return dump({"data": {"name": "moons", "samples": 60}, "model": net, "training": {"track": track}})


def test_all_that_is_tracked_of_a_hundred_layers_can_be_read_back(tmp_path: Path):
    rows = history([0.5, 0.3])
    for name in ("gradient_norm", "saturation", "weight_norm"):
        rows = [row | {f"{name}.layers.{i}.Dense": 0.1 * i for i in range(100)} for row in rows]
    made = written(tmp_path, deep(99, ["gradient_norms", "saturation", "weight_norms"], activation="relu"), rows=rows)
    assert made.history == rows
    assert len(drawn(Saturation(), made).table) == 102


@pytest.mark.parametrize(
    ("layers", "track", "problem"),
    [
        (100, ["weight_norms", "gradient_norms"],
         "this net has 101 layers, and at most 100 are tracked; leave gradient_norms and weight_norms out"),
        (2, ["saturation"], "saturation: no layer has one of the activations sigmoid, tanh, relu; leave it out"),
    ],
)  # fmt: skip
def test_what_cannot_be_tracked_is_refused(tmp_path: Path, layers: int, track: list[str], problem: str):
    with pytest.raises(UserError) as refused:
        written(tmp_path, deep(layers, track))
    assert str(refused.value).endswith(f": training.track: {problem}")
