"""docs/results: every row has its file or a reason, and page, README and headers say what the files say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlphys.schema import document
from mlphys.schema.document import read
from mlphys.schema.published import Published
from scripts import catalogue, measured, results, results_page
from scripts.catalogue import Row
from scripts.marked_tables import table
from scripts.measured import Measured, Metric
from tests.helpers.made_up_results import CONFIG, SAMPLES, study

KNOWN = measured.known()
LECTURES = {"M": 19, "B": 16, "D": 20, "Y": 5}
NO_EXPERIMENT = {"B11", "D7", "D9", "D11"}  # numbers that the lectures' list of experiments skips


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "LONG", 0)  # by libyaml's parser, in a tenth of the time
        return catalogue.rows()


def found(*values: float, **changes: object) -> Measured:
    metrics = {"test.accuracy": Metric(values, [0.002] * len(values))}
    row = Measured("M1", "dense_mnist", "test.accuracy", metrics, samples={"test": 10000}, seconds=[3, 5, 4])
    return replace(row, seeds=list(range(len(values))), **changes)


def row(value: float, **facts: object) -> Row:
    published = {"test.accuracy": Published(value=value, source="a lecture", **facts)}
    return Row("M1", "Marquardt 5", "a net", results.ROOT / "configs" / "dense_mnist.yaml", published, quote="accuracy")


def test_every_experiment_of_the_lectures_has_its_row(rows: list[Row]):
    there = {re.match(r"[A-Z]\d+|.*", row.id)[0] for row in rows}
    listed = {f"{letter}{number}" for letter, last in LECTURES.items() for number in range(1, last + 1)}
    assert (listed | {"A4", "S1", "S3"}) - NO_EXPERIMENT <= there


def test_every_file_is_that_of_a_config_with_its_id(rows: list[Row]):
    configs = {row.id: row.config.stem for row in rows if row.config}
    assert {identifier: found.config for identifier, found in KNOWN.items()}.items() <= configs.items()
    assert all(found.id == identifier for identifier, found in KNOWN.items())


def test_every_page_that_quotes_results_says_what_the_files_say(rows: list[Row]):
    for page, text in results_page.documents(rows, KNOWN).items():
        assert table(page, "results") == text, page.name


def test_the_header_of_a_config_says_what_its_file_says(rows: list[Row]):
    measured_rows = [row for row in rows if row.id in KNOWN and not row.scan]
    assert measured_rows
    headers = {
        row.id: f"# mlphys train configs/{row.config.name}        {results_page.header(row, KNOWN[row.id])}"
        for row in measured_rows
    }
    assert {row.id: row.config.read_text().splitlines()[1] for row in measured_rows} == headers


def test_what_is_measured_was_measured_with_the_config_as_it_is_and_lies_in_its_range(rows: list[Row], monkeypatch):
    monkeypatch.setattr(document, "LONG", 0)  # by libyaml's parser, in a tenth of the time
    other_config, outside = [], {}
    for row in (row for row in rows if row.id in KNOWN):
        found = KNOWN[row.id]
        if found.depends["config"] != measured.config_hash(row.config):
            other_config.append(row.id)
        for name, (low, high) in (read(row.config).data.get("expect") or {}).items():
            if name in found.metrics and not low <= (mean := found.metrics[name].over_seeds().mean) <= high:
                outside[row.id] = f"{name} {mean} is not in [{low}, {high}]"
    assert other_config == []
    assert outside == {}


def test_no_cell_of_the_table_is_empty(rows: list[Row]):
    lines = [line for line in table(results_page.DOCUMENT, "results").splitlines() if line.startswith("| ")]
    assert len(lines) > len(rows)
    assert not [line for line in lines if re.search(r"\|\s*\|", line)]


def test_a_row_that_was_never_measured_says_the_command():
    cells = results_page.cells(row(0.93), None, [])
    assert len(cells) == len(results_page.HEAD)
    assert "`make results ID=M1`" in cells[4]


def test_a_row_has_mean_both_errors_and_the_pull_that_its_formula_gives():
    measurement = found(0.94, 0.95, 0.96)
    cells = results_page.cells(row(0.9324), measurement, results_page.pulls(row(0.9324), measurement, set()))
    assert cells[4:8] == ["accuracy 95.0 %", "1 %", "0.2 %", "3"]
    # t = .0176 / sqrt(.01^2 / 3 + .01^2 + (.00005 / sqrt 3)^2) = 1.524 with two degrees of freedom: p = .267 two-sided
    assert cells[9] == "+1.1"
    assert cells[10] == "4"


def test_a_small_number_has_its_power_of_ten():
    assert results_page._mean(6.31e-6, 6.4e-6) == "6.3e-6"
    assert results_page._mean(0.95, 0.01) == "0.950"


@pytest.mark.parametrize(
    ("published", "values", "text"),
    [
        (
            row(0.93, comparable=False, remark="of other samples"),
            (0.94, 0.95, 0.96),
            "not comparable: of other samples",
        ),
        (row(0.93), (0.94,), "no pull: one seed is too few"),
        (row(0.9), (0.9,), "equal within rounding"),
    ],
)
def test_a_pull_that_does_not_exist_has_its_reason(published: Row, values: tuple[float, ...], text: str):
    (pull,) = results_page.pulls(published, found(*values), set())
    assert pull.text() == text
    assert not pull.counted


def test_a_number_of_other_samples_has_no_pull_where_the_error_of_ours_was_not_kept():
    kept = {"test.accuracy": Metric([0.948, 0.95, 0.952], [None] * 3)}
    (pull,) = results_page.pulls(row(0.96, samples=900), found(0.95, metrics=kept), set())
    assert pull.text() == "no pull: of other samples, and the error of ours was not kept"
    assert not pull.counted
    (pull,) = results_page.pulls(row(0.96), found(0.95, metrics=kept), set())
    assert pull.counted


def test_chi_squared_is_over_what_is_comparable_counts_a_source_once_and_names_what_is_far():
    near = results_page.pulls(row(0.95), found(0.94, 0.95, 0.96), set())
    twice = results_page.pulls(row(0.95), found(0.94, 0.95, 0.96), {"a lecture"})
    assert [pull.counted for pull in (*near, *twice)] == [True, False]
    wrong = replace(row(0.5), id="M9", explained="another split")
    away = results_page.pulls(wrong, found(*(0.94 + i / 1e4 for i in range(30))), set())
    text = results_page.consistency([*near, *away])
    assert text.startswith("**chi^2 = ")
    assert "not consistent" in text
    assert "- **M9** (+" in text
    assert "another split" in text
    assert "M1" not in text
    assert "they are consistent" in results_page.consistency(near)


def test_a_range_holds_another_seed():
    values = [0.95, 0.951, 0.952, 0.949, 0.948]
    # t(.9995; 4) = 8.610, s = .00158, sqrt(1 + 1/5): a half width of .0149
    assert results_page.expected(found(*values)) == "[0.935, 0.965]"
    assert results_page.expected(found(*values[:4])) is None


def test_a_file_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    written = found(0.94, 0.95, depends={"config": "a"}, failed={"member 3": "diverged"})
    measured.write(written)
    read_again = measured.known()["M1"]
    assert read_again.main() == written.main()
    assert read_again.failed == written.failed
    assert '"values": [0.94, 0.95]' in (tmp_path / "M1.json").read_text()


def test_a_finished_study_gives_a_row_with_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    rights = [np.arange(SAMPLES) % period != 0 for period in (10, 20, 30)]
    place = study(tmp_path / "study", rights).path
    environment = {"mlphys": "0.1.0", "python": "3.11.0", "packages": {}, "cpu": "a processor", "threads": 2}
    (place / "members" / "1" / "environment.json").write_text(json.dumps(environment))
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    row = replace(catalogue.of_config(config), published={"test.accuracy": Published(value=0.95, source="a lecture")})
    reached = results.of_study(row, place)
    assert reached.metrics["test.accuracy"].values == [float(np.mean(right)) for right in rights]
    assert (reached.quoted, reached.seeds, reached.samples) == ("test.accuracy", [1, 2, 3], {"test": SAMPLES})
    depends = measured.dependencies(config)
    assert reached.outdated(depends) == ["config", "engine", "kind"]  # nobody knows of which code the study is
    assert replace(reached, depends=depends).outdated(depends) == []


def test_a_scan_gives_its_points_with_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = study(tmp_path / "study", [np.arange(SAMPLES) % period != 0 for period in (10, 20, 30, 40)])
    environment = {"mlphys": "0.1.0", "python": "3.11.0", "packages": {}, "cpu": "a processor", "threads": 2}
    (found.path / "members" / "1" / "environment.json").write_text(json.dumps(environment))
    for number in (1, 2, 3, 4):
        epochs = "1" if number < 3 else "2"
        found.update(number, overrides={"training.epochs": epochs, "seed": number}, labels={"training.epochs": epochs})
    reached = results.of_study(replace(row(0.95), scan=True), found.path)
    accuracies = [record.metrics["test"]["accuracy"] for record in found.read().members]
    (first, at_first), (second, at_second) = reached.scanned()
    assert (first, second) == ("epochs 1", "epochs 2")
    assert (at_first.mean, at_second.mean) == pytest.approx((np.mean(accuracies[:2]), np.mean(accuracies[2:])))
    (line, _) = results_page._scans([replace(row(0.95), scan=True)], {"M1": reached})
    assert line[:3] == ["M1", "epochs 1", "accuracy 92.5 %"]


def test_a_study_with_members_that_are_not_trained_gives_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = study(tmp_path / "study", [np.ones(SAMPLES, bool)])
    found.update(1, state="interrupted")
    with pytest.raises(SystemExit, match="members 1 are not trained yet"):
        results.of_study(row(0.95), found.path)


def test_a_row_is_outdated_by_what_its_numbers_depend_on_and_by_nothing_else(tmp_path: Path):
    config = tmp_path / "mine.yaml"
    text = "name: mine\ndata: {name: digits}\nmodel: {kind: pca, components: 3}\n"
    config.write_text(text)
    before = measured.dependencies(config)
    config.write_text(f"# a remark\n{text}plots: [components]\nexpect: {{test.mse: [0, 1]}}\n")
    assert found(0.9, depends=before).outdated(measured.dependencies(config)) == []
    config.write_text(text.replace("3", "4"))
    assert found(0.9, depends=before).outdated(measured.dependencies(config)) == ["config"]


def test_the_kind_of_a_run_that_a_config_begins_with_belongs_to_its_dependencies():
    kinds = [path.stem for path in measured._kinds(catalogue.shipped()["labels_on_code_mnist"])]
    assert kinds == ["classifier", "mnist", "autoencoder", "mnist"]


def test_a_study_of_seeds_alone_says_that_the_seed_varies():
    point = {"labels": {}, "values": [0.1, 0.2], "stderrs": [None, None]}
    ((varied, _),) = found(0.9, points=[point]).scanned()
    assert varied == "the seed"


def test_comments_and_docstrings_do_not_outdate_numbers():
    code = 'def f(x):\n    """Docs."""\n    # why\n    return "# no comment" + x  # here\n'
    assert measured._statements(code) == 'def f(x):\n    return "# no comment" + x'


def test_two_configs_with_one_id_are_refused(monkeypatch: pytest.MonkeyPatch):
    path = catalogue.shipped()["dense_mnist"]
    monkeypatch.setattr(catalogue, "shipped", lambda: {"a": path, "b": path})
    with pytest.raises(
        ValueError, match=r"about.id M1 is that of .*dense_mnist.yaml too; write M1-WORD into one of them"
    ):
        catalogue.rows()
