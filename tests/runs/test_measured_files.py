"""metrics.json holds what an evaluation can measure, and nothing else is drawn or compared."""

from __future__ import annotations

import json

import pytest

from mlphys.errors import UserError
from mlphys.io.run_files import RunFiles
from mlphys.runs.measured_files import MetricsFile

RIGHT = {"samples": 20, "accuracy": 0.5, "accuracy_stderr": 0.1, "psnr": None, "loss": 2}


def read(folder, text: str):
    (folder / "metrics.json").write_text(text)
    return RunFiles(folder)._checked("metrics.json", MetricsFile)


def test_what_an_evaluation_writes_is_read_as_it_is(tmp_path):
    per_class = {"per_class": {"a": {"samples": 3, "precision": None, "f1": 0.5}}}
    metrics = {**RIGHT, **per_class}
    assert read(tmp_path, json.dumps({"test": metrics}))["test"] == metrics


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"accuracy": None}, "test has a wrong accuracy: it is null"),
        ({"accuracy": {"a": {"b": 1}}}, "test has a wrong accuracy: it is a block of keys"),
        ({"accuracy": [1]}, "test.accuracy"),
        ({"accuracy": "0.5"}, "test.accuracy"),
        ({"accuracy": True}, "test.accuracy"),
        ({"accuracy": 10**400}, "test.accuracy"),
        ({"accuracy": 1e101}, "test.accuracy"),
        ({"accuracy": float("inf")}, "test.accuracy"),
        ({"accuracy": float("nan")}, "test.accuracy"),
        ({"accuracy_stderr": -0.1}, "test has a wrong accuracy_stderr: it is below 0"),
        ({"accuracy_stderr": float("inf")}, "test.accuracy_stderr"),
        ({"samples": -1}, "test has a wrong samples: it is below 0"),
        ({"samples": 1.5}, "test has a wrong samples: it is not a whole number"),
        ({"mse": 0.5}, "test has no mse_stderr"),
        ({"per_class": {"a": {"f1": float("inf")}}}, "test.per_class"),
        ({"per_class": {"a": {"f1_stderr": -1}}}, "test has a wrong f1_stderr: it is below 0"),
        ({"per_class": {"a" * 5001: {"f1": 0.5}}}, "test.per_class"),
        ({f"m{i}": 0 for i in range(2000)}, "test"),
    ],
)
def test_an_impossible_metric_is_refused_by_its_name(value, why, tmp_path):
    with pytest.raises(UserError) as error:
        read(tmp_path, json.dumps({"test": {**RIGHT, **value}}))
    assert f"metrics.json: damaged: {why}" in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "{",
        "",
        '{"test": 1}',
        '{"tests": {}}',
        "[" * 10_000,
        '{"test": ' + "9" * 5000 + "}",
        r'{"\ud800": {}}',
    ],
)
def test_a_file_that_is_no_metrics_at_all_is_refused(text, tmp_path):
    with pytest.raises(UserError, match=r"metrics.json: damaged"):
        read(tmp_path, text)


def test_a_key_that_is_no_unicode_is_one_message(tmp_path):
    """JSON can write half of a surrogate pair, which no encoding can."""
    with pytest.raises(UserError, match=r"metrics\.json: damaged: a key is no text in UTF-8; retrain"):
        read(tmp_path, json.dumps({"test": {**RIGHT, "\ud800per_class": {"0": {"precision": 1.0}}}}))
