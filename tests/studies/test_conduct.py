"""A study under way, with members that need no network: what is written down, and what goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from mlphys.errors import UserError
from mlphys.studies import conduct
from mlphys.studies.executor import InThisProcess, Result
from mlphys.studies.member_queue import Listed
from mlphys.studies.points import best, main_metric, points
from mlphys.studies.progress import Counts, Lines, duration
from mlphys.studies.study_file import Study, StudyFile, located, summary
from tests.helpers.made_up_members import measured, raising_if_second

CONFIG = {"name": "small", "training": {"epochs": 1}}


def content(count: int = 3, **changes: object) -> StudyFile:
    records = [
        {
            "number": number,
            "overrides": {"training.epochs": 1 + (number - 1) // 2, "seed": number % 2},
            "labels": {"training.epochs": str(1 + (number - 1) // 2)},
            "directory": f"members/{number}",
        }
        for number in range(1, count + 1)
    ]
    facts = {
        "mlphys": "0", "command": "sweep", "name": "small", "source": "f.yaml", "config": CONFIG,
        "grid": {"training.epochs": {"1": 1, "2": 2}}, "seeds": [0, 1], "folds": None, "evaluated": "validation",
        "chooses": True, "executor": {"name": "this process", "workers": 0}, "threads": 1, "members": records,
    }  # fmt: skip
    return StudyFile.model_validate({**facts, **changes})


def search(first: int, last: int) -> dict[str, object]:
    ends = {"first": first, "last": last, "log": True, "whole": True}
    return {"trials": 3, "prune": True, "ranges": {"training.epochs": ends}, "choices": {}}


@pytest.fixture
def study(tmp_path) -> Study:
    found = Study(tmp_path)
    found.write(content())
    return found


def states(study: Study) -> list[str]:
    return [record.state for record in study.read().members]


def test_every_result_is_written_down_with_a_row_of_summary_csv(study):
    conduct.conduct(study, Listed([1, 2, 3]), InThisProcess(measured), Counts())
    assert states(study) == ["done", "done", "done"]
    rows = list(csv.DictReader((study.path / "summary.csv").read_text().splitlines()))
    assert [row["member"] for row in rows] == ["1", "2", "3"]
    assert [row["training.epochs"] for row in rows] == ["1", "1", "2"]
    assert [row["validation.accuracy"] for row in rows] == ["1.0", "2.0", "3.0"]


def test_an_interrupt_leaves_members_that_have_ended_and_those_to_resume(study):
    def interrupted_at_second(order, report):
        if order.number == 2:
            raise KeyboardInterrupt
        return measured(order, report)

    with pytest.raises(KeyboardInterrupt):
        conduct.conduct(study, Listed([1, 2, 3]), InThisProcess(interrupted_at_second), Counts())
    assert states(study) == ["done", "interrupted", "waiting"]
    for number in (1,):
        (study.run_path(number)).mkdir(parents=True)
        (study.run_path(number) / "config.yaml").touch()
    assert conduct.open_members(study, study.read(), retry=False) == ([2, 3], [])


def test_failed_members_are_open_again_when_that_is_requested_only(study):
    study.ended(1, Result("failed", "no memory"))
    study.ended(2, Result("diverged", "the loss is NaN"))
    (study.run_path(2)).mkdir(parents=True)
    (study.run_path(2) / "config.yaml").touch()
    assert conduct.open_members(study, study.read(), retry=False) == ([3], [])
    assert conduct.open_members(study, study.read(), retry=True) == ([1, 3], [])


def test_a_member_whose_folder_is_gone_is_open_again(study):
    study.ended(1, Result("done"))
    assert conduct.open_members(study, study.read(), retry=False) == ([1, 2, 3], [1])


def test_shards_part_the_members_and_hold_the_study_together(study):
    parts = [conduct.of_shard(range(1, 8), (shard, 3)) for shard in (1, 2, 3)]
    assert parts == [[1, 4, 7], [2, 5], [3, 6]]
    with conduct.held(study.path, (1, 3)), conduct.held(study.path, (2, 3)):
        for other in ((1, 3), None):
            with pytest.raises(UserError, match="another process trains this"), conduct.held(study.path, other):
                pass


def test_two_processes_do_not_train_one_study(study):
    with (
        conduct.held(study.path, None),
        pytest.raises(UserError, match="another process trains this study; wait for it, or stop it"),
        conduct.held(study.path, None),
    ):
        pass


@pytest.mark.parametrize("text", ["3", "0/3", "4/3", "a/b", "1/"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(UserError, match=f"expected I/N, such as 1/10 for the first of ten; received {text}"):
        conduct.parsed_shard(text)


def test_a_log_has_a_line_a_member_with_what_went_wrong(study, capsys):
    def one_fails(order, report):
        return Result("failed", "no memory") if order.number == 2 else measured(order, report)

    conduct.conduct(study, Listed([1, 2, 3]), InThisProcess(one_fails), Lines())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("2/3, 1 failed")
    assert lines[1].endswith("member 2 (training.epochs=1, seed=0): failed: no memory")
    assert lines[2].endswith("0.5 s, validation accuracy 3.00 +- 0.10")


@pytest.mark.parametrize(("seconds", "text"), [(3.21, "3.2 s"), (240, "4 min"), (9000, "2.5 h")])
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_points_have_means_over_seeds_and_the_best_is_chosen_on_validation(study):
    for number, accuracy in ((1, 0.5), (2, 0.7), (3, 0.9)):
        metrics = {"validation": {"accuracy": accuracy, "accuracy_stderr": 0.1, "loss": 1.0}}
        study.ended(number, Result("done", metrics=metrics))
    found = study.read()
    assert main_metric(found) == ("validation", "accuracy")
    first, second = points(found)
    metric = first.metric("validation", "accuracy")
    assert metric
    assert metric.mean == pytest.approx(0.6)
    assert metric.stderr == pytest.approx(0.1)
    chosen = best(found)
    assert chosen
    assert chosen.labels == second.labels == {"training.epochs": "2"}


def test_of_one_point_nothing_is_the_best(study):
    for number in (1, 2):
        study.ended(number, Result("done", metrics={"validation": {"accuracy": 0.5, "accuracy_stderr": 0.1}}))
    assert main_metric(study.read()) == ("validation", "accuracy")
    assert best(study.read()) is None


def test_folds_are_averaged_over_their_seeds_first(tmp_path):
    records = [
        {
            "number": i + 1,
            "overrides": {"data.fold": i // 2, "seed": i % 2},
            "labels": {},
            "directory": f"members/{i + 1}",
        }
        for i in range(4)
    ]
    study = Study(tmp_path)
    study.write(content(grid={}, folds=2, members=records))
    for number, accuracy in enumerate((0.1, 0.3, 0.5, 0.7), 1):
        study.ended(number, Result("done", metrics={"validation": {"accuracy": accuracy, "accuracy_stderr": 0.1}}))
    [point] = points(study.read())
    metric = point.metric("validation", "accuracy")
    assert metric
    assert (metric.n, metric.mean) == (2, pytest.approx(0.4))
    assert metric.stderr == pytest.approx(0.08**0.5 * 1.5**0.5)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda facts: "{", "damaged: not readable as JSON"),
        (lambda facts: json.dumps({**facts, "threads": 0}), "damaged: threads is missing or wrong"),
        (lambda facts: json.dumps({**facts, "members": []}), "damaged: members is missing or wrong"),
        (
            lambda facts: json.dumps({**facts, "members": [{**facts["members"][0], "directory": "/etc"}]}),
            "damaged: member 1 is not where it should be",
        ),
        (lambda facts: "[" * 100_000, "damaged: not readable as JSON"),
        (
            lambda facts: json.dumps({**facts, "members": [{**facts["members"][0], "labels": {"epochs": "1"}}]}),
            "damaged: labels of member 1 are of other keys",
        ),
        (
            lambda facts: json.dumps({**facts, "search": search(2, 1)}),
            "damaged: search.ranges.training.epochs is missing",
        ),
        (
            lambda facts: json.dumps({**facts, "search": search(0, 1)}),
            "damaged: search.ranges.training.epochs is missing",
        ),
    ],
)
def test_a_damaged_study_is_refused_by_the_name_of_its_file(study, harm, message):
    path = study.path / "study.json"
    path.write_text(harm(json.loads(path.read_text())))
    with pytest.raises(UserError) as error:
        study.read()
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_folder_that_holds_something_else_is_no_place_for_a_study(tmp_path):
    assert Study.shared(tmp_path / "new", content()).read() == content()
    assert Study.shared(tmp_path / "new", content()).read() == content()  # of another process
    with pytest.raises(UserError, match="new: holds another study; name another folder with --out"):
        Study.shared(tmp_path / "new", content(evaluated="test"))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="exists and is not empty; name another folder with --out"):
        Study.shared(tmp_path, content())
    with pytest.raises(UserError, match="no study; `mlphys sweep CONFIG` makes one"):
        Study(tmp_path).read()


def test_a_study_is_found_by_its_folder_or_by_its_name_where_its_newest_folder_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert located("small") is None
    for number in (1, 2, 10):
        Path(f"runs/small/{number}").mkdir(parents=True)
    Study(Path("runs/small/2")).write(content())
    found = located("small")
    assert found
    assert found.path == Path("runs/small/2")
    Path("runs/small/10/config.yaml").touch()
    assert located("small") is None
    assert located("runs/small/2")


def test_labels_with_commas_are_quoted_in_summary_csv():
    found = content()
    found.members[0].labels["training.epochs"] = "relu, 8 hidden"
    found.members[0].state = "failed"
    [row] = csv.DictReader(summary(found).splitlines())
    assert row["training.epochs"] == "relu, 8 hidden"


def test_what_a_bug_raises_in_this_process_is_a_bug(study):
    with pytest.raises(ZeroDivisionError):
        conduct.conduct(study, Listed([1, 2, 3]), InThisProcess(raising_if_second), Counts())
    assert states(study) == ["done", "interrupted", "waiting"]
