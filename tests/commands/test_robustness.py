"""`mlphys evaluate --shift --noise`: known answers for shifts and noise, and what a run keeps of them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlphys.commands import robustness
from mlphys.errors import UserError
from mlphys.numerics import metrics
from mlphys.numerics.uncertainty import fraction_stderr
from mlphys.runs.run import Run
from mlphys.schema.document import dump
from mlphys.schema.samples import Split
from tests.helpers.cli import mlphys, reason

DIGITS = {"name": "digits", "train": 300, "validation": 100, "test": 200}
DENSE = {"Dense": {"units": 10, "activation": "softmax"}}
MODELS = {
    "dense": (
        DIGITS,
        {"kind": "classifier", "layers": ["Flatten", DENSE]},
        {"optimizer": {"Adam": {"learning_rate": 0.02}}, "epochs": 5},
    ),
    "line": (
        {"name": "function_1d", "function": "absolute", "samples": 300},
        {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]},
        {"epochs": 2},
    ),
    "pca": (DIGITS, {"kind": "pca", "components": 3}, {}),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with a run of each kind; the classifier's is evaluated with shift and noise."""
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for name, (data, model, training) in MODELS.items():
            Path(f"{name}.yaml").write_text(dump({"name": name, "data": data, "model": model, "training": training}))
            mlphys("train", f"{name}.yaml", "--quiet", "--no-report")
        mlphys("evaluate", "dense", "--shift", 3, "--noise", 2.0)
    return path


@pytest.fixture(autouse=True)
def _in_a_copy(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def kept(name: str) -> dict:
    return json.loads(Path("runs/dense/1/analysis", f"{name}.json").read_text())


def network(probabilities):
    """A network of two classes, whose probability of the second is a function of the samples."""

    def predictions(x):
        p = probabilities(x)
        return {"probabilities": np.stack([1 - p, p], axis=1)}

    return SimpleNamespace(predictions=predictions)


# One bright pixel in the middle of 5 x 5.
POINT = np.zeros((1, 5, 5, 1), np.float32)
POINT[0, 2, 2, 0] = 1


def test_a_network_that_ignores_where_things_are_loses_nothing():
    bright = network(lambda x: x.sum(axis=(1, 2, 3)))
    for scores in robustness.shifts(bright, Split(POINT, np.array([1])), [0, 1, 2]):
        assert scores.tolist() == [1]


def test_the_metric_of_an_image_is_the_mean_over_the_four_directions():
    lower_or_middle = network(lambda x: x[:, 2:].sum(axis=(1, 2, 3)))
    found = robustness.shifts(lower_or_middle, Split(POINT, np.array([1])), [0, 1, 3])
    assert [scores.tolist() for scores in found] == [[1], [0.75], [0]]


def test_a_threshold_under_noise_is_right_as_often_as_the_error_function_says():
    from math import erf, sqrt

    n, level = 40_000, 0.5
    split = Split(np.full((n, 1), 0.7, np.float32), np.ones(n, np.int32))
    above = network(lambda x: (x[:, 0] > 0.5).astype(float))
    clean, noisy = robustness.noises(above, split, [0, level], seed=0)
    expected = (1 + erf(0.2 / level / sqrt(2))) / 2
    assert clean.mean() == 1
    assert abs(noisy.mean() - expected) < 4 * fraction_stderr(int(noisy.sum()), n)


def test_noise_adds_its_variance_times_the_squared_slope_to_the_error_of_a_line():
    n, slope, level = 40_000, 3.0, 0.2
    split = Split(np.zeros((n, 1), np.float32), np.zeros((n, 1), np.float32))
    line = SimpleNamespace(predictions=lambda x: {"outputs": np.float32(slope) * x})
    (errors,) = robustness.noises(line, split, [level], seed=1)
    expected = (slope * level) ** 2
    assert abs(errors.mean() - expected) < 4 * expected * np.sqrt(2 / n)


def test_the_error_is_wilsons_for_one_look_and_of_the_images_means_for_several():
    assert metrics.stderr(np.ones(50), "accuracy") == fraction_stderr(50, 50)
    means = np.array([0.25, 0.75, 0.5, 1.0])
    assert metrics.stderr(means, "accuracy") == pytest.approx(means.std(ddof=1) / 2)


def test_without_shift_and_without_noise_the_accuracy_is_the_plain_one():
    plain = json.loads(Path("runs/dense/1/metrics.json").read_text())["test"]
    for name in ("shift", "noise"):
        curve = kept(name)
        assert curve["split"] == "test"
        assert curve["metric"] == "accuracy"
        assert curve["accuracy"][0] == plain["accuracy"]
        assert curve["accuracy_stderr"][0] == plain["accuracy_stderr"]
    assert kept("shift")["shift"] == [0, 1, 2, 3]
    assert kept("noise")["noise"] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert kept("shift")["accuracy"][3] < plain["accuracy"] - 0.3
    assert kept("noise")["accuracy"][8] < plain["accuracy"] - 0.3


def test_the_same_command_gives_the_same_numbers_prints_them_and_draws_them():
    before = kept("noise")
    picture = Path("runs/dense/1/figures/accuracy_against.png")
    picture.unlink()
    printed = mlphys("evaluate", "dense", "--noise", 2.0)
    assert kept("noise") == before
    assert " noise  " in printed
    assert "accuracy_against.png" in printed
    assert picture.exists()
    as_json = json.loads(mlphys("evaluate", "dense", "--noise", 2.0, "--json"))
    assert as_json["noise"] == before
    assert "shift" not in as_json


def test_a_regressor_is_followed_by_its_mse():
    curve = json.loads(mlphys("evaluate", "line", "--noise", 0.5, "--json"))["noise"]
    assert curve["metric"] == "mse"
    assert curve["mse"][8] > curve["mse"][0]
    assert Path("runs/line/1/figures/accuracy_against.csv").exists()


def test_what_training_longer_changes_is_dropped():
    mlphys("resume", "dense", "--set", "training.epochs=6", "--quiet", "--no-report")
    assert Run(Path("runs/dense/1")).robustness("shift") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dense", "--shift", 8), "runs/dense/1: --shift 8: its images of 8 x 8 x 1 can be moved by 7 at most"),
        (("line", "--shift", 1), "runs/line/1: its samples of 1 are no images that --shift could move"),
        (("pca", "--noise", 1), "runs/pca/1: kind: pca has no labels or targets; --shift and --noise "
         "need a classifier or regressor"),
        (("dense", "--noise", 0), "--noise 0: expected a standard deviation above 0 and below 1e+06"),
        (("dense", "--noise", "nan"), "--noise nan: expected a standard deviation above 0 and below 1e+06"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_with_the_reason(arguments, message):
    assert reason("evaluate", *arguments) == message


@pytest.mark.parametrize(
    "change",
    [
        {"accuracy": [0.5]},
        {"accuracy": [0.5, 0.5, 0.5, None]},
        {"accuracy": [-1, 0, 0, 0]},
        {"metric": "mse"},
        {"shift": None},
        {"more": 1},
        {"shift": list(range(100_000))},
    ],
    ids=str,
)
def test_a_damaged_curve_is_refused_by_the_name_of_its_file(change):
    path = Path("runs/dense/1/analysis/shift.json")
    path.write_text(json.dumps(kept("shift") | change))
    with pytest.raises(UserError, match=r"^runs/dense/1/analysis/shift\.json: damaged"):
        Run(Path("runs/dense/1")).robustness("shift")


def test_numbers_that_are_not_finite_and_pipes_are_refused():
    path = Path("runs/dense/1/analysis/shift.json")
    path.write_text(path.read_text().replace("[", "[NaN, ", 1))
    with pytest.raises(UserError, match=r"analysis/shift\.json: damaged"):
        Run(Path("runs/dense/1")).robustness("shift")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"analysis/shift\.json: not a regular file"):
        Run(Path("runs/dense/1")).robustness("shift")
