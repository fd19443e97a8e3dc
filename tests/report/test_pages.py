"""Pages of runs and studies, made of what is there."""

from __future__ import annotations

import json
import re
import shutil
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mlphys.commands import report
from mlphys.io.run_folder import RunFolder
from mlphys.runs import evaluations, page_samples
from mlphys.runs.evaluations import Evaluation
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from tests.helpers.cli import mlphys, reason

DENSE = "[Flatten, {Dense: {units: 10, activation: softmax}}]"

pytestmark = pytest.mark.slow


@pytest.fixture
def run(trained_runs: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(trained_runs / "small", tmp_path / "small"))


def titles(html: str) -> list[str]:
    return [unescape(title) for title in re.findall("<h2[^>]*>(.*?)</h2>", html)]


def section(html: str, anchor: str) -> str:
    found = re.search(f'<section id="{anchor}".*?</section>', html, re.DOTALL)
    return unescape(found[0]) if found else ""


def missing(html: str) -> str:
    return section(html, "missing")


class Wellformed(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_train_and_evaluate_write_a_page_with_all_of_its_parts(trained_runs):
    html = (trained_runs / "small" / "report.html").read_text()
    assert titles(html) == [
        "The net, alive", "The experiment", "The network", "The data", "Training", "Metrics", "Pictures and analyses",
        "Mistakes", "For a paper", "Environment", "What this page is not sure of",
    ]  # fmt: skip
    parsed = Wellformed(html)
    assert len({*parsed.ids}) == len(parsed.ids)
    accuracy = Run(trained_runs / "small").metrics["test"]["accuracy"]
    assert f'test accuracy</p><p class="value">{accuracy:.3f} ± ' in html
    assert "the accuracy of always the most frequent training class: 0." in html


def test_markup_of_a_config_is_text_in_the_page(trained_runs):
    html = (trained_runs / "small" / "report.html").read_text()
    assert "<img src=x" not in html
    assert "remark: &lt;img src=x onerror=alert(1)&gt;" in html
    assert "0.9 for test.accuracy (&lt;b&gt;lecture&lt;/b&gt; 5)" in html


def test_the_pictures_are_in_the_page_with_their_numbers(trained_runs):
    html = (trained_runs / "small" / "report.html").read_text()
    assert html.count('alt="confusion matrix: ') == 1
    assert 'download="confusion_matrix.csv"' in html
    assert 'src="data:image/png;base64,iVBORw0KGgo' in html


def test_the_gallery_has_every_mistake_that_the_confusion_matrix_counts(trained_runs):
    run = Run(trained_runs / "small")
    predictions = run.predictions("test")
    wrong = (predictions["probabilities"].argmax(axis=1) != predictions["labels"]).sum()
    html = (trained_runs / "small" / "report.html").read_text()
    assert len(re.findall("data-pair=", html)) == wrong > 0


def test_the_config_is_shown_without_its_defaults(trained_runs):
    html = (trained_runs / "small" / "report.html").read_text()
    short = re.search("<pre[^>]*><code>(.*?)</code>", html, re.DOTALL)[1]
    assert "epochs: 6" in short
    assert "use_bias" not in short
    assert "use_bias: true" in html


def test_the_samples_are_those_of_the_split_with_each_class_in_turn(trained_runs):
    run = Run(trained_runs / "small")
    samples = page_samples.read(run)
    dataset = run.dataset()
    assert samples.split == "test"
    np.testing.assert_array_equal(samples.x, dataset.test.x[samples.rows])
    np.testing.assert_array_equal(samples.labels, dataset.test.y[samples.rows])
    assert {*samples.labels[:10]} == {*range(10)}


def test_an_autoencoder_keeps_quantiles_of_its_code_and_as_many_principal_components(trained_runs):
    run = Run(trained_runs / "code")
    samples = page_samples.read(run)
    codes = run.predictions("validation")["codes"]
    assert samples.split == "validation"
    np.testing.assert_allclose(samples.code_quantiles[2], np.median(codes, axis=0), rtol=1e-5)
    assert samples.pca_components.shape == (6, 64)
    np.testing.assert_allclose(samples.pca_components @ samples.pca_components.T.astype(float), np.eye(6), atol=3e-3)


def test_a_page_is_written_without_tensorflow_and_without_the_data(run, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(Run, "dataset", lambda self, path=None: pytest.fail("reads the data"))
    report.write(run)
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(
    ("git", "shown"),
    [
        ({"commit": "0a1b", "dirty": False}, "0a1b<"),
        ({"commit": "0a1b", "dirty": True}, "0a1b, with changes<"),
        (None, "not in a repository<"),
        ("v1 <b>", "v1 <b>"),
    ],
)
def test_the_commit_is_text_whatever_a_run_says(run: Path, git: object, shown: str):
    content = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**content, "git": git}))
    report.write(run)
    assert shown in section((run / "report.html").read_text(), "environment")


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("samples.npz", "No samples: the run has no samples.npz; <code>mlphys evaluate"),
        ("history.csv", "No learning curves: the run has no history.csv"),
        ("metrics.json", "No numbers: the run has no metrics.json"),
        ("environment.json", "environment.json: not there"),
    ],
)
def test_a_page_is_made_of_what_is_there_and_says_what_is_missing(run, file, told):
    (run / file).unlink()
    assert mlphys("report", run) == f"{run / 'report.html'}\n"
    html = (run / "report.html").read_text()
    Wellformed(html)
    assert told in missing(html)


@pytest.mark.parametrize(
    "file", ["samples.npz", "history.csv", "metrics.json", "predictions_test.npz", "environment.json"]
)
def test_a_damaged_file_is_named_in_the_page(run, file):
    (run / file).write_bytes(b"<script>alert(1)</script>")
    mlphys("report", run)
    html = (run / "report.html").read_text()
    Wellformed(html)
    assert file in missing(html)
    assert "<script>alert" not in html


def test_damaged_snapshots_are_named_in_the_page_whose_net_is_alive_without_them(run):
    (run / "snapshots.safetensors").write_bytes(b"<script>alert(1)</script>")
    mlphys("report", run)
    html = (run / "report.html").read_text()
    assert "snapshots.safetensors" in missing(html)
    assert 'id="live-net"' in html


def test_a_page_and_evaluate_say_how_often_the_test_split_was_evaluated(run):
    once = (run / "report.html").read_text()
    assert "The test split was evaluated once." in once
    assert "times" not in section(once, "unsure")
    again = (
        "the test split was evaluated 2 times, always with the same weights; a choice that was made by these numbers"
    )
    assert f"warning: {again}" in mlphys("evaluate", run, "--no-plots")
    html = (run / "report.html").read_text()
    assert "The test split was evaluated 2 times." in section(html, "metrics")
    assert again[1:] in section(html, "unsure")
    mlphys("evaluate", run, "--split", "validation", "--no-plots", "--no-report")
    accuracy = Run(run).metrics["test"]["accuracy"]
    assert evaluations.read(RunFolder(run)) == [Evaluation(6, "accuracy", accuracy)] * 2


def test_the_count_of_evaluations_survives_a_resumed_training_and_tells_after_which_epochs(tmp_path):
    folder = RunFolder(tmp_path)
    assert evaluations.remarks(evaluations.read(folder)) == []
    for epochs in (4, 4, 10):
        evaluations.add(folder, Evaluation(epochs, "accuracy", 0.9))
    RunWriter(tmp_path).resume_from(None)
    [remark] = evaluations.remarks(evaluations.read(folder))
    assert remark.startswith("the test split was evaluated 3 times, after 4, 10 epochs of training; ")


def test_a_damaged_count_of_evaluations_is_refused_and_told_in_the_page_beside_the_metrics(run):
    (run / "test_evaluations.csv").write_text("epochs,metric,value\nthree,accuracy,<b>\n")
    told = "test_evaluations.csv: damaged: expected rows of epochs,metric,value; remove it to count from 0 again"
    assert reason("evaluate", run).endswith(told)
    mlphys("report", run)
    html = (run / "report.html").read_text()
    assert told in section(html, "missing")
    assert "Metrics" in titles(html)


def test_a_run_without_pictures_is_told_how_to_draw_them(run):
    for file in (run / "figures").iterdir():
        file.unlink()
    mlphys("report", run)
    assert f"No pictures; <code>mlphys plot {run}</code> draws them." in missing((run / "report.html").read_text())


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("interrupted", "not finished: its state is interrupted, after 6 epochs; mlphys resume {run} continues it."),
        ("diverged", "The training diverged after 6 epochs: its loss grew beyond all bounds. Train it with a smaller"),
    ],
)
def test_a_training_that_did_not_reach_its_end_says_so_and_what_can_be_done(run, state, said):
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({**status, "state": state, "stopped": None}))
    for name in ("metrics.json", "samples.npz", "predictions_test.npz", "weights.safetensors"):
        (run / name).unlink()
    shutil.rmtree(run / "figures")
    mlphys("report", run)
    html = (run / "report.html").read_text()
    Wellformed(html)
    assert said.format(run=run) in re.sub("</?code>", "", section(html, "unsure"))
    assert "evaluate" not in section(html, "unsure") + missing(html)
    assert "No pictures." in missing(html)


def test_a_folder_of_pictures_that_is_none_is_told_in_the_page(run):
    shutil.rmtree(run / "figures")
    (run / "figures").write_text("")
    mlphys("report", run)
    html = (run / "report.html").read_text()
    assert "figures: cannot be read: Not a directory" in missing(html)
    assert "Metrics" in titles(html)


def test_a_picture_that_is_no_png_is_not_shown(run):
    (run / "figures" / "confusion_matrix.png").write_bytes(b"<svg onload=alert(1)>")
    mlphys("report", run)
    assert 'alt="confusion matrix' not in (run / "report.html").read_text()


def test_the_name_of_a_picture_is_text(run):
    name = "confusion_matrix_<b onclick=alert(1)>"
    (run / "figures" / "confusion_matrix.png").rename(run / "figures" / f"{name}.png")
    (run / "figures" / "confusion_matrix.csv").rename(run / "figures" / f"{name}.csv")
    mlphys("report", run)
    html = (run / "report.html").read_text()
    Wellformed(html)
    assert "<b onclick" not in html
    assert html.count("confusion matrix &lt;b onclick=alert(1)&gt;") == 2
    assert 'download="confusion_matrix_&lt;b onclick=alert(1)&gt;.csv"' in html


def test_samples_that_do_not_fit_the_run_are_refused(run):
    with np.load(run / "samples.npz") as kept:
        arrays = {name: kept[name] for name in kept}
    np.savez(run / "samples.npz", **{**arrays, "labels": arrays["labels"] + 10})
    mlphys("report", run)
    assert "samples.npz: does not fit the run; <code>mlphys evaluate" in missing((run / "report.html").read_text())


def test_a_page_that_cannot_be_made_is_one_message(tmp_path):
    assert "no such run" in reason("report", tmp_path / "nothing")


def test_a_run_is_trained_without_a_page_on_request(trained_runs, tmp_path):
    said = mlphys(
        "train", trained_runs / "small.yaml", "--set", "training.epochs=0", "--out", tmp_path / "r", "--no-report"
    )
    assert not (tmp_path / "r" / "report.html").exists()
    assert "page" not in said


def test_the_page_of_a_study_has_its_points_its_curves_and_its_members(trained_runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = "training.optimizer.Adam.learning_rate=[0.001,0.01]"
    small = ("--set", f"model.layers={DENSE}", "--set", "training.epochs=2", "--set", "plots=[]")
    mlphys("sweep", trained_runs / "small.yaml", *small, "--grid", grid, "--seeds", 2, "--workers", 0, "--quiet")
    html = Path("runs/small/1/report.html").read_text()
    Wellformed(html)
    assert titles(html) == [
        "Results", "Against training.optimizer.Adam.learning_rate", "Training", "Members", "The experiment",
        "Environment", "What this page is not sure of",
    ]  # fmt: skip
    assert not list(Path("runs/small/1/members").glob("*/report.html"))
    assert html.count("done</td>") == 4

    file = Path("runs/small/1/study.json")
    ranges = {"training.optimizer.Adam.learning_rate": {"first": 0.001, "last": 0.01, "log": True, "whole": False}}
    search = {"trials": 4, "prune": False, "ranges": ranges, "choices": {}}
    file.write_text(json.dumps({**json.loads(file.read_text()), "search": search}))
    mlphys("report", "runs/small/1")
    html = Path("runs/small/1/report.html").read_text()
    assert "The search" in titles(html)
    assert "test accuracy against" not in html
    assert "validation accuracy against training.optimizer.Adam.learning_rate" in html
