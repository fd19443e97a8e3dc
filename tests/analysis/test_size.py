"""Errors of a study against its sizes: a power law is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.size import Size
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.models.classifier import Classifier
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from tests.analysis.runs import CLASSIFIER, CODES
from tests.plots.runs import history, written

SAMPLES = (10, 20, 40, 80, 160)  # of training
TRANSFORM = """
    data: {name: digits, train: 60, validation: 30, test: 20}
    model: {kind: transform, layers: [Flatten]}
"""


def member(
    path: Path, samples: int, metrics: dict[str, Any], epochs: int = 1, units: int = 2, training: str = ""
) -> Run:
    hidden = f"layers: [{{Dense: {{units: {units}}}}}, {{Dense"
    text = CLASSIFIER.replace("samples: 60", f"samples: {samples + 40}").replace("layers: [{Dense", hidden)
    run = written(path, text + training, rows=history([0.5] * epochs))
    RunWriter(path).metrics(metrics)
    return run


def law(samples: int) -> float:
    return 2 * samples**-0.5


def study(folder: Path) -> list[Run]:
    return [
        member(folder / str(i), samples, {"validation": {"error_rate": law(samples), "error_rate_stderr": 0.01}})
        for i, samples in enumerate(SAMPLES, start=1)
    ]


def found(run: Run, **settings: str) -> AnalysisResult:
    with theme.applied():
        return Size(**settings).measure(run)


def test_a_power_law_in_the_training_samples_is_found_again(tmp_path: Path):
    result = found(study(tmp_path)[2])
    numbers = result.numbers
    assert (numbers["split"], numbers["metric"], numbers["left_out"]) == ("validation", "error_rate", 0)
    assert list(numbers["power_laws"]) == ["samples"]
    power = numbers["power_laws"]["samples"]
    assert (power["exponent"], power["factor"]) == pytest.approx((-0.5, 2))
    assert power["exponent_stderr"] == pytest.approx(0, abs=1e-9)
    assert [row["samples"] for row in numbers["runs"]] == list(SAMPLES)
    assert [row["run"] for row in numbers["runs"]] == ["1", "2", "3", "4", "5"]
    assert result.pictures[0].table["error"] == pytest.approx([law(samples) for samples in SAMPLES])


def test_the_error_of_an_exponent_is_that_of_linear_regression(tmp_path: Path):
    from scipy.stats import linregress

    random = np.random.default_rng(0)
    errors = [law(samples) * random.uniform(0.7, 1.4) for samples in SAMPLES]
    for i, (samples, error) in enumerate(zip(SAMPLES, errors, strict=True), start=1):
        run = member(tmp_path / str(i), samples, {"validation": {"error_rate": error}})
    known = linregress(np.log(SAMPLES), np.log(errors))
    power = found(run).numbers["power_laws"]["samples"]
    assert (power["exponent"], power["exponent_stderr"]) == pytest.approx((known.slope, known.stderr))


def test_parameters_and_seconds_count_where_they_differ(tmp_path: Path):
    for i, (units, epochs) in enumerate(((1, 5), (3, 1), (7, 3)), start=1):
        run = member(tmp_path / str(i), 20, {"validation": {"error_rate": 0.1 * i}}, epochs, units)
    numbers = found(run).numbers
    assert [row["parameters"] for row in numbers["runs"]] == [3 * 1 + 2 * 2, 3 * 3 + 4 * 2, 3 * 7 + 8 * 2]
    assert [row["seconds"] for row in numbers["runs"]] == [5, 1, 3]
    assert set(numbers["power_laws"]) == {"parameters", "seconds"}


@pytest.mark.parametrize(
    ("key", "training"),
    [
        ("optimizer", "    training: {{optimizer: {{SGD: {{learning_rate: {:g}}}}}}}\n"),
        ("batch_size", "    training: {{batch_size: {:g}}}\n"),
        ("class_weight", "    training: {{class_weight: {{upper: {:g}, lower: 1}}}}\n"),
    ],
)
def test_a_scan_of_a_training_setting_is_no_scaling_law(key: str, training: str, tmp_path: Path):
    for i in (1, 2, 4):
        run = member(tmp_path / str(i), 20 * i, {"validation": {"error_rate": 0.1 * i}}, i, 2, training.format(i))
    result = found(run)
    assert (result.numbers["power_laws"], result.numbers["scanned"]) == ({}, [f"training.{key}"])
    assert f"no power law: they differ in training.{key}; validation split" in result.summary


def test_runs_that_took_longer_for_the_same_work_have_no_law_in_seconds(tmp_path: Path):
    for i in (1, 2, 3):
        run = member(tmp_path / str(i), 20, {"validation": {"error_rate": 0.1 * i}}, epochs=2)
        rows = (run.path / "history.csv").read_text().replace(",1.0,", f",{i}.0,")
        (run.path / "history.csv").write_text(rows)
    with pytest.raises(NotApplicable, match="which differ in no size"):
        found(Run(run.path))


def test_runs_that_cannot_be_compared_are_left_out(tmp_path: Path):
    run = study(tmp_path)[0]
    member(tmp_path / "6", 30, {"test": {"error_rate": 0.3}})
    other = written(tmp_path / "7", CLASSIFIER.replace("test: 20", "test: 20, classes: [lower, upper]"))
    RunWriter(other.path).metrics({"validation": {"error_rate": 0.3}})
    unfinished = member(tmp_path / "8", 30, {"validation": {"error_rate": 0.3}})
    RunWriter(unfinished.path).status("interrupted")
    (member(tmp_path / "9", 30, {"validation": {"error_rate": 0.3}}).path / "data.json").write_text("{")
    numbers = found(run).numbers
    assert (len(numbers["runs"]), numbers["left_out"]) == (5, 4)


def test_the_test_split_counts_once_the_run_was_evaluated_and_an_error_may_be_zero(tmp_path: Path):
    for i, samples in enumerate((10, 20), start=1):
        metrics = {"validation": {"error_rate": 0.5}, "test": {"error_rate": 0.5 * (i - 1), "loss": 0.3}}
        run = member(tmp_path / str(i), samples, metrics)
    numbers = found(run).numbers
    assert (numbers["split"], numbers["power_laws"]) == ("test", {})
    assert found(run, split="validation").numbers["power_laws"]["samples"]["exponent_stderr"] is None
    assert found(run, metric="loss").numbers["runs"][0]["error"] == 0.3


def test_a_run_alone_is_no_study(tmp_path: Path):
    run = member(tmp_path / "runs" / "1", 20, {"validation": {"error_rate": 0.1}})
    with pytest.raises(NotApplicable) as refused:
        found(run)
    assert str(refused.value) == (
        f"it is the only run in {tmp_path / 'runs'}; train more, such as with --set data.train=1000"
    )


def test_a_run_that_was_not_measured_tells_how(tmp_path: Path):
    run = member(tmp_path / "1", 20, {"validation": {"error_rate": 0.1}})
    with pytest.raises(NotApplicable) as refused:
        found(run, split="test")
    remedy = f"`mlphys evaluate {run.path} --split test` measures it"
    assert str(refused.value) == f"its test split has no measured error; {remedy}"


@pytest.mark.parametrize(
    ("text", "metric", "reason"),
    [
        (TRANSFORM, None, "kind: transform is measured by output_mean, output_std; it has no error"),
        (
            CLASSIFIER,
            "mse",
            f"kind: classifier is measured by {', '.join(Classifier.MEASURED)}; it has no mse",
        ),
    ],
)
def test_what_has_no_error_is_refused(text: str, metric: str | None, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        Size(metric=metric).check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason


def test_an_autoencoder_has_an_error(tmp_path: Path):
    Size().check(written(tmp_path, CODES).loaded)
