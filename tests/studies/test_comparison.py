"""Runs and studies with made-up predictions, compared as SciPy compares them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from mlphys.errors import UserError
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.studies.candidates import Candidate
from mlphys.studies.comparison import compare
from mlphys.studies.comparison_text import significance
from tests.helpers import fake_run
from tests.helpers.cli import mlphys, reason
from tests.helpers.made_up_results import CONFIG, SAMPLES, classifier, study


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def right(seed: int, accuracy: float) -> np.ndarray:
    return np.random.default_rng(seed).random(SAMPLES) < accuracy


def compared(*arguments: object) -> dict:
    return json.loads(mlphys("compare", *arguments, "--format", "json"))


def test_two_nets_are_compared_by_the_samples_that_only_one_has_right():
    first, second = right(0, 0.9), right(1, 0.7)
    found = compared(classifier(first), classifier(second))
    (pair,) = found["comparisons"]
    ours, theirs = int((first & ~second).sum()), int((second & ~first).sum())
    assert (pair["first_only"], pair["second_only"]) == (ours, theirs)
    assert pair["p"] == pytest.approx(stats.binomtest(ours, ours + theirs).pvalue)
    assert pair["difference"] == pytest.approx(first.mean() - second.mean())
    assert pair["stderr"] == pytest.approx(stats.sem(first.astype(float) - second.astype(float)))
    assert found["samples"] == SAMPLES
    assert "these two trained nets" in found["sentences"][0]
    assert found["sentences"][-1].startswith("Another seed may differ")
    only = f"on {ours} samples only small/1 is right, on {theirs} only small/2: small/1 is better by "
    assert only in found["sentences"][0]
    turned = f"on {theirs} samples only small/2 is right, on {ours} only small/1: small/2 is worse by "
    assert turned in compared("small/2", "small/1")["sentences"][0]


def test_the_text_tells_the_keys_that_differ_and_says_it_in_a_sentence():
    text = mlphys("compare", classifier(right(0, 0.9)), classifier(right(0, 0.9), seed=7))
    assert "on 0 samples only small/1 is right, on 0 only small/2: they are as good, to 0" in text
    assert [line.split() for line in text.splitlines()[2:3]] == [["seed", "0", "7"]]


def test_more_than_two_are_compared_with_the_first_and_corrected_by_holm():
    runs = [classifier(right(seed, accuracy)) for seed, accuracy in enumerate([0.9, 0.85, 0.7])]
    each, all_pairs = compared(*runs), compared(*runs, "--all-pairs")
    assert len(each["comparisons"]) == 2
    assert len(all_pairs["comparisons"]) == 3
    ps = [pair["p"] for pair in all_pairs["comparisons"]]
    assert min(pair["p_corrected"] for pair in all_pairs["comparisons"]) == pytest.approx(min(1, 3 * min(ps)))
    assert "a family of 3 comparisons (Holm)" in " ".join(all_pairs["sentences"])


def test_two_studies_are_compared_over_seeds_and_over_new_samples():
    first, second = [right(seed, 0.9) for seed in range(4)], [right(10 + seed, 0.8) for seed in range(3)]
    study(Path("a"), first)
    study(Path("b"), second)
    found = compared("a", "b")
    (pair,) = found["comparisons"]
    expected = stats.ttest_ind([x.mean() for x in first], [x.mean() for x in second], equal_var=False)
    assert pair["p"] == pytest.approx(expected.pvalue)
    assert pair["stderr_new_samples"] >= pair["stderr"]
    assert found["candidates"][0]["values"]["accuracy"]["n"] == 4
    assert "Over new samples too" in found["sentences"][0]
    assert "/a is higher by " in found["sentences"][0]
    assert re.search(r"\(Welch, [0-9]\.[0-9] degrees of freedom\)", found["sentences"][0])  # of few, the tenths count
    assert "/b is lower by " in compared("b", "a")["sentences"][0]


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (None, "no verdict"), (0.012, "p = 0.012, 2.5 sigma"), (1e-14, "p = 1e-14, 7.7 sigma"),
        (1e-15, "p = 1e-15, > 8 sigma"), (1e-20, "p < 1e-15, > 8 sigma"), (0.0, "p < 1e-15, > 8 sigma"),
    ],
)  # fmt: skip
def test_a_significance_beyond_what_is_meaningful_is_given_as_a_bound(p, text):
    assert significance(p) == text


def test_two_seeds_give_no_verdict():
    study(Path("a"), [right(0, 0.9), right(1, 0.9)])
    study(Path("b"), [right(seed, 0.5) for seed in range(3)])
    found = compared("a", "b")
    assert found["comparisons"][0]["p"] is None
    assert found["sentences"][0].endswith("fewer than 3 seeds: no verdict.")


def test_a_table_of_the_pairs_is_csv_and_another_metric_is_compared_if_both_have_it():
    runs = [classifier(right(0, 0.9)), classifier(right(1, 0.8))]
    row = next(csv.DictReader(mlphys("compare", *runs, "--format", "csv").splitlines()))
    assert (row["first"], row["second"], row["metric"]) == ("small/1", "small/2", "accuracy")
    assert reason("compare", *runs, "--metric", "mse") == (
        "--metric mse: expected one that all have at each sample: accuracy"
    )


def test_losses_are_compared_by_the_paired_differences_of_the_samples():
    runs = [classifier(right(seed, accuracy)) for seed, accuracy in ((0, 0.9), (1, 0.8))]
    losses = [Run(run).predictions("test")["losses"].astype(float) for run in runs]
    for run, each in zip(runs, losses, strict=True):
        RunWriter(run).metrics({"test": {"samples": SAMPLES, "loss": each.mean(), "loss_stderr": 0.1}})
    found = compared(*runs, "--metric", "loss")
    assert found["comparisons"][0]["p"] == pytest.approx(stats.ttest_rel(*losses).pvalue)
    assert "(paired t test)" in found["sentences"][0]


def weighted(column: str, right: np.ndarray, weights: np.ndarray) -> Path:
    """A run of a classifier of a table of as many events in the test split, whose weights are in `column`."""
    n = len(right)
    rows = [f"{i},{'sb'[i % 2]},{w},1" for i, w in enumerate(np.tile(weights, 3))]
    Path("events.csv").write_text("\n".join(["x,kind,w,one", *rows]))
    data = {"name": "table", "path": "events.csv", "target": "kind", "weights": column, "features": ["x"]}
    data |= {"train": n, "validation": n, "test": n}
    dense = [{"Dense": {"units": 2, "activation": "softmax"}}]
    model = {"kind": "classifier", "layers": dense}
    Path("events.yaml").write_text(yaml.safe_dump({"name": "events", "data": data, "model": model}))
    run = fake_run.write(Path("events.yaml"))
    labels = np.arange(n, dtype=np.int32) % 2
    given = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)] * 0.8 + 0.1
    writer = RunWriter(run)
    shown = {"shown": np.zeros(0, np.int32), "images": np.zeros((0, 1), np.float32)}
    losses = np.where(right, 0.1, 2.3).astype(np.float32)
    arrays = {"labels": labels, "probabilities": given, "losses": losses, "weights": weights.astype(np.float32)}
    writer.predictions("test", {**arrays, **shown})
    accuracy = float(np.average(right, weights=weights))
    writer.metrics({"test": {"samples": n, "accuracy": accuracy, "accuracy_stderr": 0.01}})
    return run


def test_weighted_accuracies_are_compared_by_weighted_differences_and_without_counting():
    random = np.random.default_rng(2)
    first, second, weights = random.random(300) < 0.9, random.random(300) < 0.8, random.exponential(size=300)
    found = compared(weighted("w", first, weights), weighted("w", second, weights))
    (pair,) = found["comparisons"]
    difference = np.average(first, weights=weights) - np.average(second, weights=weights)
    assert pair["difference"] == pytest.approx(difference, rel=1e-5)
    residuals = first.astype(float) - second - difference
    assert pair["stderr"] == pytest.approx(stats.sem(weights * residuals / weights.mean()), rel=1e-3)
    assert pair["first_only"] is None
    assert "(paired t test)" in found["sentences"][0]


def test_weighted_runs_are_not_compared_with_runs_of_other_weights():
    right, weights = np.random.default_rng(2).random(300) < 0.9, np.ones(300)
    message = reason("compare", weighted("w", right, weights), weighted("one", right, weights))
    assert "cannot be compared" in message


def test_tables_for_papers_have_the_names_escaped():
    runs = [classifier(right(0, 0.9), name="my_net"), classifier(right(1, 0.8))]
    assert r"test & my\_net/1 & small/1 \\" in mlphys("compare", *runs, "--format", "latex")
    table = mlphys("compare", *runs, "--format", "markdown")
    assert "| test | my_net/1 | small/1 |" in table
    assert "± is the sampling error" in table
    assert "+-" not in table


def test_runs_on_other_samples_are_not_compared():
    one, two = classifier(right(0, 0.9)), classifier(right(1, 0.9))
    data = json.loads((two / "data.json").read_text())
    data["splits"]["test"]["sha256"] = "other"
    (two / "data.json").write_text(json.dumps(data))
    message = reason("compare", one, two)
    assert message.startswith("small/1 and small/2: their test samples are not the same (sha256 in data.json)")


def test_runs_of_a_study_are_of_the_same_samples_and_of_the_same_folds():
    one, two = (Run(classifier(right(seed, 0.9))) for seed in (0, 1))
    for folds, others, message in (
        ((0, 1), (None, None), "a and others: some are in folds, some not; compare folds with folds"),
        ((0, 1), (0, 2), "a and b: have other folds; resume the one that is not finished"),
    ):
        with pytest.raises(UserError) as error:
            compare([Candidate("a", (one, two), folds, True), Candidate("b", (one, two), others, True)])
        assert str(error.value) == message
    data = json.loads((two.path / "data.json").read_text())
    data["splits"]["test"]["sha256"] = "other"
    (two.path / "data.json").write_text(json.dumps(data))
    seeds = Candidate("a", (one, Run(two.path)), (None, None), True)
    with pytest.raises(UserError) as error:
        compare([seeds, seeds])
    assert str(error.value) == f"{one.path}: its test samples are not those of the other runs of its study"


def test_a_study_is_not_compared_with_a_run_nor_a_run_with_itself():
    study(Path("a"), [right(0, 0.9)] * 3)
    run = classifier(right(0, 0.9))
    assert "is a study, and others are single runs" in reason("compare", run, "a")
    assert reason("compare", run, run) == "small/1: given twice; name it once"
    assert "nothing to compare it with" in reason("compare", run)


def test_a_classifier_is_not_compared_with_an_autoencoder():
    run = classifier(right(0, 0.9))
    kind = {"kind": "autoencoder", "encoder": [{"Dense": {"units": 4}}], "decoder": "mirror"}
    other = Run(_autoencoder(kind))
    assert "kind: classifier is measured by its accuracy, and kind: autoencoder is measured by its mse" in reason(
        "compare", run, other.path
    )


def _autoencoder(kind: dict) -> Path:
    Path("autoencoder.yaml").write_text(yaml.safe_dump({**CONFIG, "name": "ae", "model": kind}))
    path = fake_run.write(Path("autoencoder.yaml"))
    zeros = np.zeros(SAMPLES, np.float32)
    shown, image = np.zeros(0, np.int32), np.zeros((0, 8, 8, 1), np.float32)
    arrays = {
        "labels": np.zeros(SAMPLES, np.int32), "losses": zeros, "squared_errors": zeros, "absolute_errors": zeros,
        "codes": np.zeros((SAMPLES, 4), np.float32), "shown": shown, "images": image,
    }  # fmt: skip
    RunWriter(path).predictions("test", arrays)
    RunWriter(path).metrics({"test": {"samples": SAMPLES, "mse": 0.0, "mse_stderr": 0.0}})
    return path


def test_predictions_that_do_not_fit_the_metrics_are_not_compared():
    one, two = classifier(right(0, 0.9)), classifier(right(1, 0.9))
    RunWriter(two).metrics({"test": {"samples": SAMPLES, "accuracy": 0.1, "accuracy_stderr": 0.01}})
    assert "cannot be compared" in reason("compare", one, two)


def test_a_run_that_was_not_evaluated_is_told_how():
    one, two = classifier(right(0, 0.9)), classifier(right(1, 0.9))
    (two / "predictions_test.npz").unlink()
    assert reason("compare", one, two) == (f"{two}: has no predictions on test; `mlphys evaluate {two}` makes them")


def test_check_is_one_table_for_runs_and_trusts_the_config_it_is_given():
    own = classifier(np.arange(SAMPLES) % 2 == 0, expect={"test.accuracy": [0, 1]})
    good = classifier(right(0, 0.9))
    Path("exam.yaml").write_text(Path("made_up.yaml").read_text() + "expect: {test.accuracy: [0.8, 1]}\n")
    assert "ok" in mlphys("check", own)
    found = mlphys("check", own, good, "--against", "exam.yaml", code=2)
    assert f"outside the expected range: {own}: test.accuracy" in found
    assert "OUT OF RANGE" in found
    rows = json.loads(mlphys("check", good, "--against", "exam.yaml", "--json"))["expected"]
    assert [(row["inside"], row["low"]) for row in rows] == [(True, 0.8)]


def test_check_gives_the_pull_of_seeds_from_a_published_number():
    rights = [right(seed, 0.9) for seed in range(4)]
    study(Path("a"), rights, published={"test.accuracy": {"value": 0.8, "source": "a book"}})
    (row,) = json.loads(mlphys("check", "a", "--json"))["published"]
    means = [x.mean() for x in rights]
    s = np.std(means, ddof=1)
    t = (np.mean(means) - 0.8) / np.sqrt(s**2 / 4 + s**2 + 0.05**2 / 3)
    assert (row["n"], row["mean"]) == (4, pytest.approx(np.mean(means)))
    assert (np.mean(means) - 0.8) / row["stderr"] == pytest.approx(t)
    single = json.loads(mlphys("check", "a/members/1", "--json"))
    assert single["published"][0]["pull"] is None
    assert single["chi_squared"] is None


def test_one_run_of_each_of_three_equal_configs_is_no_three_seeds():
    published = {"test.accuracy": {"value": 0.8, "source": "a book"}}
    runs = [classifier(right(seed, 0.9), published=published) for seed in range(3)]
    assert [row["n"] for row in json.loads(mlphys("check", *runs, "--json"))["published"]] == [1, 1, 1]


def test_rows_that_share_a_source_count_once_in_chi_squared():
    published = {"test.accuracy": {"value": 0.8, "source": "a book"}}
    for name, seeds in (("a", range(3)), ("b", range(10, 13))):
        study(Path(name), [right(seed, 0.9) for seed in seeds], published=published, name=name)
    assert json.loads(mlphys("check", "a", "b", "--json"))["chi_squared"]["degrees"] == 1
