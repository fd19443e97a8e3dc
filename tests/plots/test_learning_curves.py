from __future__ import annotations

import math
from typing import Any

import pytest

from mlphys.errors import NotApplicable
from mlphys.models.energy_classifier import EnergyClassifier
from mlphys.models.kmeans import KMeans
from mlphys.models.stacked_autoencoder import StackedAutoencoder
from mlphys.plots.learning_curves import LearningCurves
from tests.plots.runs import MadeRun, config, history


def drawn(**more: Any) -> Any:
    (picture,) = LearningCurves().draw(MadeRun(**more))
    return picture


def legend(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_table_holds_the_history():
    table = drawn(history=history([0.5, 0.3, 0.2])).table
    assert list(table) == ["phase", "epoch", "loss", "validation_loss", "accuracy", "validation_accuracy"]
    assert table["loss"] == [0.5, 0.3, 0.2]
    assert table["validation_loss"] == pytest.approx([0.51, 0.31, 0.21])
    assert table["epoch"] == [1, 2, 3]


def test_the_lines_are_the_history_and_the_legend_tells_the_best_epoch():
    loss, accuracy = drawn(history=history([0.5, 0.3, 0.2])).figure.axes
    training, validation = (list(line.get_ydata()) for line in loss.lines[:2])
    assert training == [0.5, 0.3, 0.2]
    assert validation == pytest.approx([0.51, 0.31, 0.21])
    assert loss.get_legend().get_title().get_text() == "epoch 2 (best)"
    assert legend(loss) == ["training 0.3000", "validation 0.3100"]
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")


def test_a_loss_of_scaled_targets_says_so():
    scaled = config("validation_loss")
    scaled.data.target_scaling = "standardize"
    assert drawn(history=history([0.5, 0.3]), config=scaled).figure.axes[0].get_ylabel() == "loss, of scaled targets"


def test_without_early_stopping_the_last_epoch_is_reported():
    axes = drawn(history=history([0.5, 0.3, 0.2]), config=config(monitor=None)).figure.axes[0]
    assert axes.get_legend().get_title().get_text() == "epoch 3 (last)"


def test_the_test_result_stands_at_the_kept_epoch_with_its_error():
    metrics = {"test": {"loss": 0.35, "loss_stderr": 0.02}}
    axes = drawn(history=history([0.5, 0.3, 0.2]), metrics=metrics).figure.axes[0]
    assert legend(axes)[-1] == "test 0.350 ± 0.020"
    (bar,) = axes.containers
    ((low, high),) = bar.lines[2][0].get_segments()
    assert list(low) == pytest.approx([2, 0.33])
    assert list(high) == pytest.approx([2, 0.37])


def test_the_result_of_a_whole_network_does_not_stand_at_the_curve_of_a_part_of_it():
    stage = {"encoder": [{"Dense": {"units": 4}}]}
    stack = StackedAutoencoder.model_validate({"kind": "stacked_autoencoder", "stages": [stage, stage]})
    energies = EnergyClassifier.model_validate(EnergyClassifier.example())
    stages = history([0.5, 0.3], "pretrain_0") + history([0.4, 0.2], "pretrain_1")
    by_class = history([0.5, 0.3], "train_0") + history([0.4, 0.2], "train_1")
    for model, rows, last in ((stack, stages, "fine_tune"), (energies, by_class, "calibrate")):
        settings = config(None)
        settings.model = model
        metrics = {"test": {"loss": 0.35, "loss_stderr": 0.02}}
        part = drawn(history=rows, metrics=metrics, config=settings).figure.axes[0]
        assert legend(part) == ["training 0.2000", "validation 0.2100"]
        whole = drawn(history=rows + history([0.4, 0.3], last), metrics=metrics, config=settings).figure.axes[0]
        assert legend(whole)[-1] == "test 0.350 ± 0.020"


def test_without_validation_only_training_is_drawn():
    rows = [{key: row[key] for key in ("phase", "epoch", "loss")} for row in history([0.5, 0.3])]
    picture = drawn(history=rows)
    assert list(picture.table) == ["phase", "epoch", "loss"]
    assert legend(picture.figure.axes[0]) == ["training 0.3000"]


@pytest.mark.parametrize(("losses", "scale"), [([1.0, 0.02], "linear"), ([1.0, 0.002], "log")])
def test_a_loss_over_more_than_two_decades_is_drawn_logarithmically(losses: list[float], scale: str):
    assert drawn(history=history(losses)).figure.axes[0].get_yscale() == scale


@pytest.mark.parametrize("losses", [[1.0, 0.1, -0.015], [0.0, 5.0, 1000.0], [-3.0, -400.0, -2.0]])
def test_a_loss_that_is_zero_or_negative_somewhere_has_a_linear_axis(losses: list[float]):
    """That of a Boltzmann machine is a difference, and a likelihood's density may exceed 1."""
    assert drawn(history=history(losses)).figure.axes[0].get_yscale() == "linear"


def test_a_metric_that_is_the_loss_is_drawn_once_and_named():
    rows = [{**row, "mse": row["loss"], "validation_mse": row["validation_loss"]} for row in history([0.5, 0.3])]
    assert [axes.get_ylabel() for axes in drawn(history=rows).figure.axes] == ["loss = mse", "accuracy"]
    rows[1]["validation_mse"] = 0.2
    assert [axes.get_ylabel() for axes in drawn(history=rows).figure.axes] == ["loss", "accuracy", "mse"]


def test_a_phase_with_little_room_is_shortened_from_its_end():
    rows = [*history([0.9] * 40, "pretrain"), *history([0.4] * 8, "fine_tune")]
    assert [text.get_text() for text in drawn(history=rows).figure.axes[0].texts] == ["pretrain", "fine_t…"]


def test_phases_are_separated_and_named():
    rows = [*history([0.5, 0.3], "pretrain"), *history([0.9, 0.4, 0.1], "head")]
    axes = drawn(history=rows).figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["pretrain", "head"]
    assert [list(line.get_xdata()) for line in axes.lines[:2]] == [[1, 2], [3, 4, 5]]
    assert axes.get_legend().get_title().get_text() == "epoch 4 (best)"


@pytest.mark.parametrize("losses", [[0.5], [math.nan], [0.5, math.nan, math.inf]])
def test_one_epoch_and_a_diverged_loss_can_be_drawn(losses: list[float]):
    figure = drawn(history=history(losses)).figure
    figure.draw_without_rendering()
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


def test_weights_that_are_computed_at_once_have_no_curve():
    of_kmeans = config(None)
    of_kmeans.model = KMeans.model_validate(KMeans.example())
    with pytest.raises(NotApplicable, match=r"^its weights are computed at once: there is no curve$"):
        drawn(history=history([0.5]), config=of_kmeans)


def test_an_untrained_net_has_no_curves():
    with pytest.raises(NotApplicable, match=r"^no epoch was trained; set training.epochs to at least 1$"):
        drawn()


def test_a_metric_of_one_phase_is_drawn_where_it_was_measured():
    rows = [{**row, "accuracy": None, "validation_accuracy": None} for row in history([0.5, 0.3], "pretrain")]
    rows += history([0.9, 0.4, 0.1], "head")
    loss, accuracy = drawn(history=rows, status={"best_epoch": 3}).figure.axes
    assert accuracy.get_legend().get_title().get_text() == "epoch 5 (best)"
    assert legend(accuracy)[0] == "training 0.9000"
    before = [{**row, "accuracy": None, "validation_accuracy": None} for row in history([0.9, 0.4, 0.1], "fine_tune")]
    rows = [*history([0.5, 0.3], "head"), *before]
    loss, accuracy = drawn(history=rows, status={"best_epoch": 3}).figure.axes
    assert loss.get_legend().get_title().get_text() == "epoch 5 (best)"
    assert accuracy.get_legend().get_title().get_text() == "epoch 2 (last of its phase)"
    assert legend(accuracy)[0] == "training 0.7000"


def test_a_metric_that_no_trained_phase_has_is_not_drawn():
    rows = [{**row, "accuracy": None, "validation_accuracy": None} for row in history([0.5, 0.3], "pretrain")]
    (loss,) = drawn(history=rows).figure.axes
    assert loss.get_ylabel() == "loss"


def test_many_phases_have_their_numbers_only_and_the_narrow_ones_no_name():
    rows = [row for k in range(10) for row in history([0.5, 0.3, 0.2, 0.1, 0.1], f"train_{k}")]
    axes = drawn(history=[*rows, *history([0.1], "calibrate")]).figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [*map(str, range(10)), ""]


def test_a_metric_of_a_single_epoch_makes_no_curve_beside_others():
    rows = [{**row, "accuracy": None, "validation_accuracy": None} for row in history([0.5, 0.3], "train")]
    (loss,) = drawn(history=[*rows, *history([0.1], "calibrate")]).figure.axes
    assert loss.get_ylabel() == "loss"
