"""The table of runs, and its index."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlphys.studies import run_row, run_table
from tests.helpers.cli import mlphys, reason
from tests.helpers.made_up_results import SAMPLES, classifier, study


@pytest.fixture
def runs(tmp_path, monkeypatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = [classifier(np.arange(SAMPLES) >= wrong, seed=wrong) for wrong in (10, 100)]
    study(Path("runs/seeds/1"), [np.arange(SAMPLES) >= 20] * 3)
    return found


def names(*arguments: str) -> list[str]:
    rows = csv.DictReader(mlphys("runs", *arguments, "--csv", "--columns", "run").splitlines())
    return [row["run"] for row in rows]


def test_the_table_has_a_line_for_each_run_and_study_with_its_metric(runs):
    text = mlphys("runs")
    assert len(text.splitlines()) == 2 + 3
    assert "test.accuracy 0.972 +- 0.010" in text
    assert "3 of 3 done" in text
    assert len(names("--members")) == 6


def test_rows_are_chosen_and_sorted_by_metrics_and_by_keys_of_the_config(runs):
    assert names("--where", "test.accuracy > 0.9 and kind == classifier") == ["runs/small/1"]
    assert names("--where", "seed in [10, 100]", "--sort", "test.accuracy") == ["runs/small/2", "runs/small/1"]
    assert names("--sort", "-value")[0] == "runs/small/1"
    assert reason("runs", "--where", "test.acuracy > 1").startswith(
        "test.acuracy: no run has this key; did you mean test.accuracy?"
    )


def test_all_that_is_known_is_json(runs):
    row = next(row for row in json.loads(mlphys("runs", "--json")) if row["run"] == "runs/small/1")
    assert (row["model.layers.1.Dense.units"], row["dataset"], row["state"]) == (10, "digits", "done")


def test_what_has_not_changed_is_read_from_the_index_and_what_has_is_read_again(runs, monkeypatch):
    mlphys("runs")
    read: list[Path] = []
    original = run_row.read
    monkeypatch.setattr(run_row, "read", lambda folder: read.append(folder) or original(folder))
    mlphys("runs")
    assert read == []
    metrics = json.loads((runs[0] / "metrics.json").read_text())
    metrics["test"]["accuracy"] = 0.5
    (runs[0] / "metrics.json").write_text(json.dumps(metrics))
    assert "test.accuracy 0.500" in mlphys("runs")
    assert [path.name for path in read] == ["1"]


@pytest.mark.slow
def test_runs_that_were_seen_are_listed_without_importing_the_config_language(runs):
    before = mlphys("runs")
    program = "import sys; from mlphys.cli import main; main(['runs'], standalone_mode=False); "
    program += "print([name for name in sys.modules if name.startswith(('mlphys.schema.layers', 'mlphys.config'))])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == before + "[]\n"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1, "runs": {"a": 3}}', '{"version": 0, "runs": {}}'])
def test_a_damaged_index_is_rebuilt(runs, content):
    before = mlphys("runs")
    run_table.index_file().write_text(content)
    assert mlphys("runs") == before


def test_without_a_cache_folder_runs_are_read_each_time(runs, monkeypatch):
    Path("file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", "file")
    assert len(names()) == 3


def test_a_damaged_run_is_a_line_with_its_reason(runs):
    (runs[1] / "status.json").write_text("{")
    text = mlphys("runs")
    assert "damaged" in text
    assert "runs/small/2/status.json: damaged: not readable as JSON" in text


def test_a_folder_that_is_not_there_is_refused(runs):
    assert reason("runs", "nowhere") == "nowhere: no such folder; `mlphys train CONFIG` makes runs/"
