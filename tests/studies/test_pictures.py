"""Pictures of studies and comparisons, by the numbers in their tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema.samples import Split
from mlphys.studies import comparison_pictures, conduct, pictures
from mlphys.studies.candidates import candidates
from mlphys.studies.comparison import compare
from mlphys.studies.comparison_pictures import _rows_of_images
from mlphys.studies.executor import InThisProcess
from mlphys.studies.member_queue import Listed
from mlphys.studies.progress import Counts
from mlphys.studies.study_file import Study, StudyFile
from tests.helpers.made_up_members import measured
from tests.helpers.made_up_results import SAMPLES, classifier
from tests.studies.test_conduct import content


def test_a_study_is_drawn_as_its_metric_against_the_key_that_varies_with_the_error_over_seeds(tmp_path):
    study = Study(tmp_path)
    study.write(content(4))
    conduct.conduct(study, Listed([1, 2, 3, 4]), InThisProcess(measured), Counts())
    (picture,) = pictures.against_parameter("small/1", study.read())
    assert picture.table["training.epochs"] == ["1", "2"]
    assert picture.table["accuracy"] == [1.5, 3.5]
    assert picture.table["stderr"] == pytest.approx([0.5, 0.5])  # accuracies 1, 2 and 3, 4
    assert picture.figure.get_supxlabel() == "bars are the standard error of the mean over 2 seeds"
    with pytest.raises(NotApplicable, match="a heat map needs two keys that vary"):
        list(pictures.heat_map("small/1", study.read()))


def test_numbers_are_joined_by_a_line_and_named_values_are_not_whose_long_names_are_turned(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_LETTERS", 30)
    labels = {"1": 1, "2": 2}
    names = {f"a value with quite a long name, number {i}": f"value {i}" for i in (1, 2)}
    for number, grid, line, angle in ((1, labels, "-", 0), (2, names, "None", 25)):
        known = content(4, grid={"training.epochs": grid}).model_dump()
        for record, label in zip(known["members"], [label for label in grid for _ in range(2)], strict=True):
            record["labels"] = {"training.epochs": label}
        study = Study(tmp_path / str(number))
        study.path.mkdir()
        study.write(StudyFile.model_validate(known))
        conduct.conduct(study, Listed([1, 2, 3, 4]), InThisProcess(measured), Counts())
        (picture,) = pictures.against_parameter("small/1", study.read())
        (axes,) = picture.figure.axes
        assert axes.lines[0].get_linestyle() == line
        assert {label.get_rotation() for label in axes.get_xticklabels()} == {angle}


def of_two_keys(path: Path, epochs: dict[str, int], sizes: dict[str, int]) -> Study:
    """A study of two by two members, measured: the accuracy of each is its number."""
    known = content(4, grid={"training.epochs": epochs, "training.batch_size": sizes}).model_dump()
    pairs = [(epoch, size) for epoch in epochs for size in sizes]
    for record, (epoch, size) in zip(known["members"], pairs, strict=True):
        record["labels"] = {"training.epochs": epoch, "training.batch_size": size}
        record["overrides"] |= {"training.epochs": epochs[epoch], "training.batch_size": sizes[size]}
    study = Study(path)
    study.write(StudyFile.model_validate(known))
    conduct.conduct(study, Listed([1, 2, 3, 4]), InThisProcess(measured), Counts())
    return study


def test_lines_are_called_by_the_names_of_values_and_whole_numbers_are_written_out(tmp_path, monkeypatch):
    study = of_two_keys(tmp_path, {"from scratch": 0, "pretrained": 10}, {"100": 100, "50000": 50000})
    (picture,) = pictures.against_parameter("small/1", study.read())
    (axes,) = picture.figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["from scratch", "pretrained"]
    assert picture.table["training.batch_size"] == ["100", "50000", "100", "50000"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "50000"]
    monkeypatch.setattr(pictures, "MOST_CURVES", 1)
    with pytest.raises(NotApplicable, match="2 lines are more than 1 colours tell apart"):
        list(pictures.against_parameter("small/1", study.read()))


def test_two_keys_that_vary_are_a_heat_map_of_the_means(tmp_path):
    study = of_two_keys(tmp_path, {"1": 1, "2": 2}, {"1": 1, "2": 2})
    (picture,) = pictures.heat_map("small/1", study.read())
    rows = zip(*(picture.table[key] for key in ("training.epochs", "training.batch_size", "accuracy")), strict=True)
    assert {(a, b): accuracy for a, b, accuracy in rows} == {("1", "1"): 1, ("1", "2"): 2, ("2", "1"): 3, ("2", "2"): 4}


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Two classifiers, one wrong on sample 3, the other on 5 and 6, and what each recorded in two epochs."""
    monkeypatch.chdir(tmp_path)
    numbers = np.arange(SAMPLES)
    paths = [classifier(numbers != 3), classifier((numbers != 5) & (numbers != 6))]
    for path, losses in zip(paths, ([1.0, 0.5], [2.0, 1.0, 0.1]), strict=True):
        writer = RunWriter(path)
        for epoch, loss in enumerate(losses, 1):
            writer.row({"phase": "train", "epoch": epoch, "seconds": 0.1, "loss": loss})
    return compare(candidates([str(path) for path in paths]))


def test_learning_curves_of_what_is_compared_are_laid_over_each_other(compared):
    (picture,) = comparison_pictures.learning_curves(compared.candidates)
    assert picture.table["quantity"] == ["loss"] * 5
    assert picture.table["epoch"] == [1, 2, 1, 2, 3]
    assert picture.table["mean"] == [1, 0.5, 2, 1, 0.1]
    assert picture.table["stdev"] == [0] * 5
    (axes,) = picture.figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1, 0.5], [2, 1, 0.1]]


def test_curves_of_studies_are_means_over_seeds_as_far_as_all_of_them_go(compared):
    together = replace(compared.candidates[0], runs=[each.runs[0] for each in compared.candidates])
    (picture,) = comparison_pictures.learning_curves([together])
    assert picture.table["mean"] == [1.5, 0.75]
    assert picture.table["stdev"] == pytest.approx([0.5**0.5, 0.125**0.5])


def test_more_curves_than_colours_and_curves_of_nothing_in_common_are_not_drawn(compared, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(comparison_pictures.theme, "LINES", ("C0",))
        with pytest.raises(NotApplicable, match="2 curves are more than 1 colours tell apart"):
            list(comparison_pictures.learning_curves(compared.candidates))
    none = [replace(each, runs=[Run(classifier(np.ones(SAMPLES, bool)))]) for each in compared.candidates]
    with pytest.raises(NotApplicable, match="recorded no common quantity"):
        list(comparison_pictures.learning_curves(none))


def test_samples_that_one_net_alone_has_right_are_shown_with_what_the_other_takes_them_for(compared, monkeypatch):
    samples = Run(compared.pairs[0].first.runs[0].path).loaded.dataset()
    labels = compared.pairs[0].first.runs[0].predictions("test")["labels"]
    monkeypatch.setattr(Run, "dataset", lambda run: replace(samples, test=replace(samples.test, y=labels)))
    (picture,) = comparison_pictures.disagreements(compared)
    first, second = (pair.name for pair in (compared.pairs[0].first, compared.pairs[0].second))
    assert list(zip(*picture.table.values(), strict=True)) == [
        (first, 5, "5", "6"), (first, 6, "6", "7"), (second, 3, "3", "4")
    ]  # fmt: skip


def test_samples_that_are_not_those_of_the_run_are_not_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    numbers = np.arange(SAMPLES)
    found = compare(candidates([str(classifier(numbers != 3)), str(classifier(numbers != 5))]))
    with pytest.raises(NotApplicable, match="are not those it was trained with"):
        list(comparison_pictures.disagreements(found))


def test_rows_of_images_keep_their_order_and_the_shorter_end_in_black_ones():
    x = np.arange(40, dtype=np.float32).reshape(10, 2, 2, 1)
    rows = _rows_of_images(Split(x, np.zeros(10, np.int32)), [np.array([7, 2, 5]), np.array([3])])
    assert rows[0].tolist() == x[[7, 2, 5]].tolist()
    assert rows[1].tolist() == [*x[[3]].tolist(), *np.zeros((2, 2, 2, 1)).tolist()]
