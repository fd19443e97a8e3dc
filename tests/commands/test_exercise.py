"""Exercises: configs with blanks, their task sheets, and the runs of a class."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlphys import __version__
from mlphys.commands.hand_ins import provenance, sample_hashes
from mlphys.config.blanks import blanks
from mlphys.config.load import load
from mlphys.runs.run import Run
from mlphys.schema.document import dotted, read
from tests.helpers.cli import mlphys, reason, refused
from tests.helpers.made_up_results import SAMPLES, classifier, study

CONFIG = """\
# exam: a layer of 32 relu units, learns with adam (lecture 6)
# mlphys train exam.yaml     6 s, test accuracy 96 % with 15 epochs
name: exam
about: {lecture: Marquardt 6, hint: begin with adam}
data: {name: digits, validation: 200, test: 400}
model:
  kind: classifier
  layers:
    - Flatten
    - Dense: {units: 32, activation: relu}
    - Dense: {units: 10, activation: softmax}
training:
  optimizer: {Adam: {learning_rate: 3e-3}}   # not SGD
  epochs: 15
expect: {test.accuracy: [0.9, 1.0]}
published: {test.accuracy: {value: 0.97, source: a slide on adam}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exam.yaml").write_text(CONFIG)


def test_each_blank_is_named_by_its_line_and_key_with_its_meaning_and_type():
    Path("exam.yaml").write_text(CONFIG.replace("epochs: 15", "epochs: ???").replace("units: 32", "units: ???"))
    first, second, more = reason("config", "check", "exam.yaml").split("\n")
    assert first == (
        "exam.yaml:10: model.layers.1.Dense.units: ??? is a blank, to be filled in: The number of outputs; expected "
        "whole number, at least 1, such as units: 10"
    )
    assert second.startswith("exam.yaml:14: training.epochs: ??? is a blank, to be filled in: Passes over the training")
    assert second.endswith("expected whole number, at least 0, such as epochs: 1")
    assert more == "`mlphys explain KEY` says more of a key"
    assert reason("train", "exam.yaml") == "\n".join((first, second, more))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("data: {name: digits, validation: 200, test: 400}", "data: ???", "data: ??? is a blank"),
        ("name: digits", "name: ???", "data.name: ??? is a blank, to be filled in: "),
        ("- Flatten", "- ???", "model.layers.0: ??? is a blank, to be filled in: The layers, from the input"),
        ("Adam: {learning_rate: 3e-3}", "Adam: ???", "training.optimizer.Adam: ??? is a blank, to be filled in: "),
        ("[0.9, 1.0]", "[???, 1.0]", "expect.test.accuracy.0: ??? is a blank, to be filled in: The range"),
        ("Marquardt 6", "???", "about.lecture: ??? is a blank, to be filled in: Remarks of your own"),
        ("epochs: 15", "'epochs': '???'", "training.epochs: ??? is a blank"),
        ("epochs: 15", "epoch: ???", "training.epoch: ??? is a blank, but training.epoch: no such key in training;"),
    ],
)
def test_a_blank_is_explained_wherever_it_is(old: str, new: str, said: str):
    Path("exam.yaml").write_text(CONFIG.replace(old, new))
    assert said in reason("config", "check", "exam.yaml")


def test_a_blank_is_filled_in_from_the_command_line_and_can_be_given_there():
    Path("exam.yaml").write_text(CONFIG.replace("epochs: 15", "epochs: ???"))
    assert "OK" in mlphys("config", "check", "exam.yaml", "--set", "training.epochs=3")
    said = reason("config", "check", "exam.yaml", "--set", "training.epochs=3", "--set", "seed=???")
    assert said.startswith("--set seed=???: seed: ??? is a blank")


def test_of_many_blanks_each_is_named():
    keys = ["seed", "data", "model", "training", "plots", "analysis", "expect"]
    Path("exam.yaml").write_text("".join(f"{key}: ???\n" for key in keys))
    lines = reason("config", "check", "exam.yaml").split("\n")
    assert [line.split()[1] for line in lines[:-1]] == [f"{key}:" for key in keys]


def test_question_marks_inside_of_a_text_are_no_blank():
    Path("exam.yaml").write_text(CONFIG.replace("Marquardt 6", '"why ???, and {a: ???}"'))
    assert "OK" in mlphys("config", "check", "exam.yaml")


def test_an_exercise_has_the_blanks_and_with_the_values_in_them_is_the_experiment_again():
    mlphys("exercise", "exam.yaml", "--blank", "optimizer,training.epochs,model.layers.1.Dense.units", "--out", "sheet")
    student = read(Path("sheet/exam.yaml"))
    names = ["model.layers.1.Dense.units", "training.optimizer", "training.epochs"]
    assert [dotted(path) for path in blanks(student)] == names
    assert refused("train", "sheet/exam.yaml").count("is a blank") == 3
    values = ["model.layers.1.Dense.units=32", "training.optimizer={Adam: {learning_rate: 3e-3}}", "training.epochs=15"]
    filled, original = load(Path("sheet/exam.yaml"), values).experiment, load(Path("exam.yaml")).experiment
    ours, theirs = ({**each.model_dump(), "about": {}, "published": {}} for each in (filled, original))
    assert ours == theirs


def test_the_students_files_do_not_contain_the_answer():
    said = mlphys("exercise", "exam.yaml", "--blank", "optimizer,epochs")
    config, task = Path("sheet/exam.yaml").read_text(), Path("sheet/task.md").read_text()
    for text in (config, task.replace("SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam,", "")):
        assert "15" not in text
        assert "dam" not in text
        assert "SGD" not in text
        assert "slide" not in text
    assert task.count("A layer of 32 relu units (lecture 6). A model of the kind `classifier`") == 1
    assert "lecture: Marquardt 6" in task
    assert "hint" not in task + config
    assert "what may disclose a value was left out" in said


def test_the_task_sheet_says_what_is_blank_what_it_means_the_range_and_the_commands():
    mlphys("exercise", "exam.yaml", "--blank", "epochs", "--out", "sheet")
    task = Path("sheet/task.md").read_text()
    (line,) = [i for i, text in enumerate(Path("sheet/exam.yaml").read_text().split("\n"), 1) if "epochs: ???" in text]
    assert f"### `training.epochs`, line {line}\n\nPasses over the training samples; 0 leaves" in task
    assert "- type: whole number, at least 0\n" in task
    assert "| `test.accuracy` | 0.9 to 1 |" in task
    assert "    mlphys train exam.yaml\n" in task
    assert "    mlphys check " in task


def test_a_default_and_an_example_that_are_the_answer_are_not_shown():
    Path("exam.yaml").write_text(CONFIG.replace("epochs: 15", "epochs: 1"))
    mlphys("exercise", "exam.yaml", "--blank", "epochs,batch_size")
    task = Path("sheet/task.md").read_text()
    assert "epochs: 1`" not in task
    assert "default" not in task.partition("`training.epochs`, line")[2].partition("###")[0]
    assert "default" not in task.partition("`training.batch_size`, line")[2]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("units", "several keys are called so; write one of model.layers.1.Dense.units, model.layers.2.Dense.units"),
        ("epoch", "the config has no such key; write epochs"),
        ("optimiser", "the config has no such key; did you mean optimizer?"),
        ("optimizer,learning_rate", "lies inside of training.optimizer, which is blank; name one"),
        (",", "names no key"),
    ],
)
def test_a_name_of_no_key_or_of_several_is_refused_with_candidates(names: str, said: str):
    assert said in reason("exercise", "exam.yaml", "--blank", names)
    assert not Path("sheet").exists()


def test_a_key_that_the_study_varies_is_no_blank():
    Path("exam.yaml").write_text(CONFIG + "study: {grid: {training.optimizer.Adam.learning_rate: [1, 2]}}\n")
    assert "the study of the config gives" in reason("exercise", "exam.yaml", "--blank", "optimizer")


def test_a_key_that_the_config_leaves_to_its_default_can_be_blank():
    mlphys("exercise", "exam.yaml", "--blank", "batch_size")
    assert yaml.safe_load(Path("sheet/exam.yaml").read_text())["training"]["batch_size"] == "???"
    Path("exam.yaml").write_text(CONFIG.replace("{name: digits, validation: 200, test: 400}", "digits"))
    assert "write the block around it" in reason("exercise", "exam.yaml", "--blank", "data.validation", "--out", "b")


def test_a_file_where_its_folder_would_be_is_one_message():
    Path("sheet").touch()
    said = reason("exercise", "exam.yaml", "--blank", "seed", "--out", "sheet")
    assert said == "sheet: cannot be written: File exists; write to another place"


def test_nothing_is_overwritten():
    mlphys("exercise", "exam.yaml", "--blank", "epochs")
    before = Path("sheet/exam.yaml").read_bytes()
    assert reason("exercise", "exam.yaml", "--blank", "optimizer") == (
        "sheet/exam.yaml: exists; it is not overwritten; name another folder with --out"
    )
    assert Path("sheet/exam.yaml").read_bytes() == before


def right(seed: int, fraction: float) -> np.ndarray:
    return np.random.default_rng(seed).random(SAMPLES) < fraction


def test_a_range_comes_from_the_lecturers_run_or_study_and_is_what_the_student_is_checked_by():
    rights = [right(seed, 0.9) for seed in range(4)]
    study(Path("mine"), rights)
    said = mlphys("exercise", "made_up.yaml", "--blank", "epochs", "--range-from", "mine")
    low, high = yaml.safe_load(Path("sheet/small.yaml").read_text())["expect"]["test.accuracy"]
    means = [x.mean() for x in rights]
    half = 5.840909 * np.std(means, ddof=1) * np.sqrt(1 + 1 / 4)  # Student's t at 99.5 % with 3 degrees of freedom
    assert low == pytest.approx(np.mean(means) - half, abs=half / 10)
    assert low <= np.mean(means) - half
    assert high >= min(np.mean(means) + half, 1.0)
    assert f"expect: {{test.accuracy: [{low:g}, {high:g}]}}" in said
    mlphys("exercise", "made_up.yaml", "--blank", "epochs", "--range-from", "mine/members/1", "--out", "one")
    low, high = yaml.safe_load(Path("one/small.yaml").read_text())["expect"]["test.accuracy"]
    assert (low, high) == pytest.approx((means[0] - 0.03, means[0] + 0.03), abs=0.0011)
    assert "(from one training: three standard errors of its test samples)" in Path("one/task.md").read_text()
    metrics = Path("mine/members/1/metrics.json")
    metrics.write_text(metrics.read_text().replace('"test"', '"validation"'))
    mlphys("exercise", "made_up.yaml", "--blank", "epochs", "--range-from", "mine/members/1", "--out", "not_evaluated")
    sheet = Path("not_evaluated/task.md").read_text()
    assert "(from one training: three standard errors of its validation samples)" in sheet
    assert f"| `validation.accuracy` | {low:.6g} to {high:.6g} |" in sheet
    assert "was trained with another config" in reason(
        "exercise", "exam.yaml", "--blank", "epochs", "--out", "two", "--range-from", "mine"
    )


def test_without_a_range_the_sheet_says_where_it_will_come_from():
    Path("exam.yaml").write_text(CONFIG.replace("expect:", "#"))
    assert "no range is expected; --range-from" in mlphys("exercise", "exam.yaml", "--blank", "epochs")
    assert "comes from the lecturer's own run or study" in Path("sheet/task.md").read_text()


def test_the_range_itself_can_be_what_students_predict():
    said = mlphys("exercise", "exam.yaml", "--blank", "expect")
    assert "no range" not in said
    task = Path("sheet/task.md").read_text()
    assert "Before you train, write under `expect` in which range the result will lie." in task
    assert "0.9 to 1" not in task
    assert "leave out one of them" in reason(
        "exercise", "exam.yaml", "--blank", "expect", "--range-from", "x", "--out", "b"
    )


@pytest.fixture
def handed_in() -> Path:
    """A folder of a class: good, bad, with other data and another version, and one that is no run."""
    classifier(right(0, 0.95), Path("class/anna/runs/exam/1"))
    classifier(right(1, 0.5), Path("class/ben"), data={"name": "digits", "split_seed": 1})
    odd = classifier(right(2, 0.95), Path("class/cleo/1"))
    samples = sample_hashes(load(Path("made_up.yaml")))
    assert samples
    for run, changes in (("class/anna/runs/exam/1", {}), ("class/cleo/1", {"test": "f" * 64})):
        facts = json.loads((Path(run) / "data.json").read_text())
        for split, sha256 in {**samples, **changes}.items():
            facts["splits"][split]["sha256"] = sha256
        (Path(run) / "data.json").write_text(json.dumps(facts))
    (odd / "environment.json").write_text(json.dumps({"mlphys": "0.0.1", "packages": {"numpy": "1.0"}}))
    Path("class/dan").mkdir()
    Path("class/dan/config.yaml").write_text("???")
    Path("class/notes.txt").write_text("")
    Path("exam.yaml").write_text(Path("made_up.yaml").read_text() + "expect: {test.accuracy: [0.9, 1]}\n")
    return Path("class")


def test_a_folder_of_a_class_is_graded_in_one_table(handed_in: Path):
    printed = " ".join(refused("check", handed_in, "--against", "exam.yaml").split())
    assert "class/anna/runs/exam/1 test.accuracy" in printed
    assert "+- 0.0100 0.9 to 1 ok" in printed
    assert "class/ben: its config differs in data.split_seed" in printed
    assert "class/cleo/1: OTHER DATA: its samples of test differ (sha256)" in printed
    assert "class/cleo/1: other versions: mlphys 0.0.1, here" in printed
    assert "class/dan: cannot be measured: " in printed
    assert "outside the expected range: class/ben: test.accuracy" in printed


def test_marks_as_csv_have_a_line_for_each_run(handed_in: Path):
    table = mlphys("check", handed_in, "--against", "exam.yaml", "--csv", code=2).partition("mlphys: ")[0]
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(table))}
    assert {run: row["ok"] for run, row in rows.items()} == {
        "class/anna/runs/exam/1": "yes", "class/ben": "no", "class/cleo/1": "yes", "class/dan": "no",
    }  # fmt: skip
    assert rows["class/ben"]["differing"] == "data.split_seed"
    assert rows["class/cleo/1"]["other_versions"].split()[0] == "mlphys=0.0.1"
    assert float(rows["class/anna/runs/exam/1"]["stderr"]) == 0.01


def test_data_and_versions_of_each_run_are_in_the_json(handed_in: Path):
    found = json.loads(mlphys("check", "class/anna", "class/cleo/1", "--against", "exam.yaml", "--json"))
    assert found["other_data"] == {"class/cleo/1": ["test"]}
    assert found["other_versions"]["class/cleo/1"]["mlphys"] == ["0.0.1", __version__]
    assert found["unreadable"] == {}


def test_where_the_data_are_not_here_those_of_most_runs_are_right(handed_in: Path):
    runs = [Run(Path("class", name)) for name in ("anna/runs/exam/1", "cleo/1", "anna/runs/exam/1")]
    found = provenance(runs, None)
    assert {path: each.splits for path, each in found.items()} == {
        "class/anna/runs/exam/1": (),
        "class/cleo/1": ("test",),
    }
