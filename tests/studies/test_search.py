"""Searches: which values trials get, which trials end early, and that both follow from study.json alone."""

from __future__ import annotations

import itertools

import pytest

from mlphys.config.load import validate
from mlphys.errors import NotApplicable, UserError
from mlphys.schema.document import Document
from mlphys.schema.study import Study as StudyBlock
from mlphys.studies import conduct, pictures, search, search_pictures
from mlphys.studies.executor import Epoch, InThisProcess, Order, Report, Result, Stopped
from mlphys.studies.member_queue import Trials
from mlphys.studies.points import best
from mlphys.studies.progress import Counts
from mlphys.studies.study_file import SearchFacts, Study, StudyFile, recorded
from tests.helpers.extras import needs

needs("optuna")

CONFIG = {
    "name": "small",
    "data": {"name": "digits", "train": 200, "validation": 50},
    "model": {
        "kind": "classifier",
        "layers": ["Flatten", {"Dense": {"units": 8}}, {"Dense": {"units": 10, "activation": "softmax"}}],
    },
    "training": {"optimizer": {"SGD": {"learning_rate": 0.1}}, "epochs": 10},
}
RATE, UNITS, ACTIVATION = (
    "training.optimizer.SGD.learning_rate", "model.layers.1.Dense.units", "model.layers.1.Dense.activation",
)  # fmt: skip
GRID = {RATE: "1e-4:1:log", ACTIVATION: ["relu", "tanh"]}


def requested(grid: dict[str, object], trials: int = 20, **block: object) -> SearchFacts:
    document = Document(CONFIG, "f.yaml", {})
    study = StudyBlock.model_validate({"grid": grid, "search": trials, **block})
    return search.requested(study, validate(document), document)


def content(grid: dict[str, object], trials: int = 20, **block: object) -> StudyFile:
    return StudyFile.model_validate(
        {
            "mlphys": "0", "command": "sweep", "name": "small", "source": "f.yaml", "config": CONFIG, "grid": {},
            "seeds": [], "folds": None, "evaluated": "validation", "chooses": True,
            "executor": {"name": "this process", "workers": 0}, "threads": 1,
            "search": requested(grid, trials, **block), "members": [],
        }
    )  # fmt: skip


def peak(order: Order, report: Report) -> Result:
    """A made-up training whose accuracy is highest at a learning rate of .01, and rises over ten epochs."""
    rate = float(order.config["training"]["optimizer"]["SGD"]["learning_rate"])
    accuracy = 1 / (1 + abs(rate - 0.01) / 0.01)
    try:
        for epoch in range(1, 11):
            row = {"validation_accuracy": accuracy * epoch / 10, "loss": 1.0}
            report(Epoch(order.number, "train", epoch, 10, row))
    except Stopped as stopped:
        return Result("pruned", str(stopped))
    return Result("done", None, 10, 10, "epochs", 0.1, {"validation": {"accuracy": accuracy, "accuracy_stderr": 0.01}})


def searched(study: Study) -> StudyFile:
    found = study.read()
    unfinished, _ = conduct.open_members(study, found, retry=False)
    return conduct.conduct(study, Trials(found, unfinished), InThisProcess(peak), Counts())


def drawn(found: StudyFile) -> list[dict[str, object]]:
    return [record.overrides for record in found.members]


@pytest.fixture
def study(tmp_path) -> Study:
    found = Study(tmp_path)
    found.write(content(GRID))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> StudyFile:
    """A search of 20 trials without an interruption."""
    found = Study(tmp_path_factory.mktemp("search"))
    found.write(content(GRID))
    return searched(found)


def test_a_search_finds_the_peak_and_prunes_what_is_worse_than_the_median(whole):
    states = [record.state for record in whole.members]
    assert len(states) == 20
    assert set(states) == {"done", "pruned"}
    chosen = best(whole)
    assert chosen
    assert 0.003 < chosen.records[0].overrides[RATE] < 0.03
    pruned = [record for record in whole.members if record.state == "pruned"]
    assert all("worse than the median of the trials before" in (record.reason or "") for record in pruned)
    assert all(search.UNCOMPARED * 10 <= max(record.curve) < 10 for record in pruned)
    assert states[: search.COMPARED_FROM] == ["done"] * search.COMPARED_FROM


@pytest.mark.parametrize("after", [1, 7, 13])
def test_a_search_that_is_interrupted_and_resumed_has_the_trials_of_one_that_was_not(study, whole, after):
    def interrupted(order: Order, report: Report) -> Result:
        if order.number > after:
            raise KeyboardInterrupt
        return peak(order, report)

    with pytest.raises(KeyboardInterrupt):
        conduct.conduct(study, Trials(study.read(), []), InThisProcess(interrupted), Counts())
    for record in study.read().members:
        study.run_path(record.number).mkdir(parents=True)
        (study.run_path(record.number) / "config.yaml").touch()
    assert [record.state for record in study.read().members][-1] == "interrupted"
    resumed = searched(study)
    assert drawn(resumed) == drawn(whole)
    assert [record.state for record in resumed.members] == [record.state for record in whole.members]
    assert [record.curve for record in resumed.members] == [record.curve for record in whole.members]


def test_nothing_is_pruned_where_that_is_not_wanted(study):
    study.write(content(GRID, trials=12, prune=False))
    assert {record.state for record in searched(study).members} == {"done"}


def test_trials_that_diverge_are_worse_than_any_other_and_end_nothing(study):
    def diverging(order: Order, report: Report) -> Result:
        rate = float(order.config["training"]["optimizer"]["SGD"]["learning_rate"])
        return Result("diverged", "the loss is NaN") if rate > 0.05 else peak(order, report)

    study.write(content({RATE: "1e-3:1:log"}, trials=30))
    found = conduct.conduct(study, Trials(study.read(), []), InThisProcess(diverging), Counts())
    states = [record.state for record in found.members]
    assert states[:15].count("diverged") > 2 * states[15:].count("diverged")


def test_ranges_are_drawn_between_their_ends_and_whole_where_the_key_takes_whole_numbers_only():
    found = requested({RATE: "1e-4:1:log7", UNITS: "2:64:lin4", "training.batch_size": "8:64:log"})
    assert found.ranges[RATE].model_dump() == {"first": 1e-4, "last": 1.0, "log": True, "whole": False}
    assert found.ranges[UNITS].model_dump() == {"first": 2, "last": 64, "log": False, "whole": True}
    assert found.ranges["training.batch_size"].whole
    assert requested({UNITS: "0:64:lin"}).ranges[UNITS].whole  # whose first end is then refused as the user wrote it
    assert not requested({RATE: "1:2:lin"}).ranges[RATE].whole  # written whole, and taken as any number
    values = [search.proposed(content({UNITS: "2:64:lin", RATE: "1e-4:1:log"})).overrides]
    assert all(isinstance(each[UNITS], int) and 2 <= each[UNITS] <= 64 for each in values)
    assert all(1e-4 <= each[RATE] <= 1 and float(f"{each[RATE]:.6g}") == each[RATE] for each in values)


def test_no_combination_is_trained_twice(study):
    study.write(content({UNITS: "2:4:lin", ACTIVATION: ["relu", "tanh"]}, trials=5))

    def the_same(order: Order, report: Report) -> Result:
        return Result("done", metrics={"validation": {"accuracy": 0.5, "accuracy_stderr": 0.1}})

    found = conduct.conduct(study, Trials(study.read(), []), InThisProcess(the_same), Counts())
    values = [tuple(record.labels.values()) for record in found.members]
    assert len(set(values)) == 5
    assert set(values) <= set(itertools.product(("2", "3", "4"), ("relu", "tanh")))


@pytest.mark.parametrize(
    ("grid", "block", "message"),
    [
        ({}, {}, "f.yaml: nothing to search; add --grid KEY=VALUES, such as --grid training.optimizer.Adam"),
        ({UNITS: [2, 4], ACTIVATION: ["relu", "tanh"]}, {}, "f.yaml: 20 trials of 4 combinations: leave --search out"),
        ({UNITS: "2:21:lin"}, {}, "f.yaml: 20 trials of 20 combinations"),
        (GRID, {"seeds": 3}, "f.yaml: a search and 3 seeds: each trial is one run"),
        (GRID, {"evaluate": "test"}, "f.yaml: a search chooses, on validation; test is measured of the chosen member"),
        ({"name": ["a", "b"]}, {}, "f.yaml: grid over name: it names the study's folder"),
    ],
)
def test_a_search_that_cannot_be_is_refused(grid, block, message):
    with pytest.raises(UserError) as error:
        requested(grid, **block)
    assert str(error.value).startswith(message)


def test_a_search_needs_validation_samples_and_no_folds(monkeypatch):
    for key, value, message in (
        ("validation", 0, "a search chooses on validation, which has no samples; set data.validation"),
        ("folds", 3, "a search and data.folds: each trial is one run; leave data.folds out"),
    ):
        monkeypatch.setitem(CONFIG, "data", {"name": "digits", key: value})
        with pytest.raises(UserError, match=message):
            requested(GRID)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("1:1:lin", "a range has two ends"),
        ("1:0.1:log", "a range runs from the smaller to the larger number"),
        ("0:1:log", "a range of equal ratios begins above 0"),
        ([], "an empty grid trains nothing"),
        ([1, 1.0], "are equal"),
    ],
)
def test_a_range_that_is_none_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        StudyBlock.model_validate({"grid": {RATE: values}, "search": 3})


def test_a_grid_needs_the_number_of_values_of_a_range():
    from mlphys.studies import members

    block = StudyBlock.model_validate({"grid": {RATE: "1e-4:1:log"}})
    with pytest.raises(UserError, match=r"f.yaml: grid over .*: a grid needs the number of values, such as log7"):
        members.plan(block, validate(Document(CONFIG, "f.yaml", {})).experiment, "f.yaml")


def test_a_study_whose_trials_are_none_of_its_search_is_damaged(study):
    found = study.read()
    found.members.append(
        recorded(search.proposed(found)).model_copy(
            update={"overrides": {RATE: 7.0, ACTIVATION: "relu"}, "state": "pruned"}
        )
    )
    with pytest.raises(UserError, match="damaged: member 1 is no trial of its search"):
        search.proposed(found)


@pytest.mark.slow
def test_a_trial_that_did_not_learn_leaves_the_others_their_room_and_the_best_is_drawn_up_to_the_last(whole):
    content = whole.model_dump()
    done = [record for record in content["members"] if record["state"] == "done"]
    for i, record in enumerate(done):
        record["metrics"]["validation"]["accuracy"] = 0.9 + 0.001 * i if i else 0.1
    changed = StudyFile.model_validate(content)
    for drawn in (search_pictures.best_so_far, search_pictures.against_keys):
        (picture,) = drawn("small/1", changed)
        assert picture.figure.axes[0].get_ylim()[0] > 0.5
        caption = picture.figure.get_supxlabel().replace("\n", " ")
        assert f"blue triangles: 1 of {len(done)} trials, beyond the edge" in caption
        assert min(picture.table["accuracy"]) == 0.1
    (picture,) = search_pictures.best_so_far("small/1", changed)
    line = next(line for line in picture.figure.axes[0].lines if line.get_label() == "best so far")
    assert line.get_xdata()[-1] == len(content["members"])


def test_more_keys_than_a_figure_has_panels_are_not_drawn(whole, monkeypatch):
    monkeypatch.setattr(search_pictures, "MOST_KEYS", 1)
    with pytest.raises(NotApplicable, match="2 keys are more than 1 panels"):
        list(search_pictures.against_keys("small/1", whole))


def test_a_search_is_drawn_against_each_key_and_as_the_best_so_far(whole, tmp_path):
    paths, skipped = pictures.draw(pictures.of_study("small/1", whole), tmp_path, ("png",))
    assert [path.name for path in paths if path.suffix == ".png"] == ["metric_against_keys.png", "best_so_far.png"]
    assert not skipped
    rows = (tmp_path / "best_so_far.csv").read_text().splitlines()
    assert rows[0] == "trial,state,accuracy,best"
    assert len(rows) == 21
    values = [float(row.split(",")[3]) for row in rows[1:] if row.split(",")[1] == "done"]
    assert values == sorted(values)
    assert len((tmp_path / "metric_against_keys.csv").read_text().splitlines()) == 1 + len(values)
