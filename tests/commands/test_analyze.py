from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mlphys.cli import main
from mlphys.commands.analyze import analyze
from mlphys.config.experiment import ANALYSES
from mlphys.config.load import load
from mlphys.errors import UserError
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, TIED, UNTIED, random_run
from tests.plots.runs import written

LINEAR = UNTIED.replace("tanh", "linear")
LISTED = TIED + "    analysis: [{integrability: {samples: 7, radius: 0.2}}]\n"


def lines_of(run: Run, *only: str, formats: tuple[str, ...] = ("png",)) -> list[str]:
    lines: list[str] = []
    analyze(run, only, formats, lines.append)
    return lines


def numbers(path: Path, name: str) -> dict:
    return json.loads((path / "analysis" / f"{name}.json").read_text())


def test_the_analyses_of_the_config_are_made_with_its_settings(tmp_path: Path):
    (lines,) = lines_of(random_run(tmp_path, LISTED))
    assert lines.startswith("integrability: ")
    assert lines.endswith("; 7 validation samples")
    found = numbers(tmp_path, "integrability")
    assert (found["samples"], found["radius"]) == (7, 0.2)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"integrability.png", "integrability.csv"}


def test_a_named_one_is_made_with_its_defaults_where_the_config_does_not_list_it(tmp_path: Path):
    lines_of(random_run(tmp_path, TIED), "integrability")
    assert numbers(tmp_path, "integrability")["radius"] == 0.1


def test_without_any_listed_all_that_apply_are_made_and_of_the_others_the_reason_is_said(tmp_path: Path):
    lines = lines_of(random_run(tmp_path, CLASSIFIER))
    made = {path.stem for path in tmp_path.glob("analysis/*.json")}
    left_out = {line.partition(":")[0] for line in lines if ": left out: " in line}
    assert {line.partition(":")[0] for line in lines} == made | left_out == set(ANALYSES)
    reason = "kind: classifier has no field r(x) - x of a decoder; it takes kind: autoencoder, or stacked_autoencoder"
    assert f"integrability: left out: {reason}" in lines


def test_a_named_one_that_does_not_apply_is_refused_before_anything_is_measured(tmp_path: Path):
    with pytest.raises(UserError) as refused:
        lines_of(written(tmp_path, CLASSIFIER), "integrability")
    reason = "kind: classifier has no field r(x) - x of a decoder; it takes kind: autoencoder, or stacked_autoencoder"
    assert str(refused.value) == f"{tmp_path}: integrability: {reason}"
    assert not (tmp_path / "analysis").exists()


def test_a_named_one_whose_samples_are_none_is_refused(tmp_path: Path):
    run = random_run(tmp_path, LISTED.replace("samples: 7", "split: validation").replace("20, test", "0, test"))
    with pytest.raises(UserError) as refused:
        lines_of(run, "integrability")
    reason = "its validation split has no samples; name another one as split"
    assert str(refused.value) == f"{tmp_path}: integrability: {reason}"
    assert lines_of(run) == [f"integrability: left out: {reason}"]


@pytest.mark.parametrize(
    ("only", "formats", "message"),
    [
        ("integrabilty", "png", f"unknown analysis; received text 'integrabilty'; allowed {', '.join(ANALYSES)}; "
         "did you mean integrability?"),
        ("integrability", "jpg", "unknown format; received text 'jpg'; allowed png, pdf, svg"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused(only: str, formats: str, message: str, tmp_path: Path):
    with pytest.raises(UserError) as refused:
        lines_of(written(tmp_path, TIED), only, formats=(formats,))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("analysis", "problem"),
    [
        ("[integrability, {integrability: {samples: 5}}]",
         "analysis.1: integrability is listed twice and would be overwritten; leave one out"),
        ("[{integrability: {sampels: 5}}]",
         "analysis.0.integrability.sampels: unknown key; did you mean samples? "
         "(allowed: split, samples, radius, points)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_list_of_analyses_is_reported_before_training(analysis: str, problem: str, tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text("name: f\n" + TIED.replace("\n    ", "\n") + f"analysis: {analysis}\n")
    with pytest.raises(UserError) as error:
        load(path)
    assert str(error.value).endswith(problem)


def test_an_analysis_that_does_not_apply_is_reported_before_training(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text("name: f\n" + CLASSIFIER.replace("\n    ", "\n") + "analysis: [integrability]\n")
    with pytest.raises(UserError) as error:
        load(path)
    reason = "kind: classifier has no field r(x) - x of a decoder; it takes kind: autoencoder, or stacked_autoencoder"
    assert str(error.value) == f"{path}:5: analysis.0: integrability: {reason}"


def test_training_ends_with_the_analyses_that_the_config_lists(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text("name: f\n" + LISTED.replace("\n    ", "\n"))
    trained = CliRunner().invoke(main, ["train", str(path), "--out", str(tmp_path / "run")])
    assert trained.exit_code == 0, trained.output
    (line,) = [line for line in trained.output.splitlines() if line.startswith("integrability: ")]
    analyzed = CliRunner().invoke(main, ["analyze", str(tmp_path / "run")])
    run = tmp_path / "run"
    assert analyzed.output == f"{line}\nnumbers in {run / 'analysis'}, pictures in {run / 'figures'}\n"
    quiet = CliRunner().invoke(main, ["analyze", str(tmp_path / "run"), "--only", "integrability", "--quiet"])
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_the_analyses_are_listed_with_their_settings():
    listed = CliRunner().invoke(main, ["list", "analyses"]).output
    assert all(name in listed for name in ANALYSES)
    assert "split, samples, radius, points" in listed


def test_what_needs_matrices_that_are_too_large_is_refused_before_training(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text(
        "name: f\ndata: {name: circles, size: 65, samples: 20}\n"
        "model: {kind: autoencoder, encoder: [{Dense: {units: 2}}], decoder: mirror}\n"
        "analysis: [integrability, denoising_is_contraction]\n"
    )
    with pytest.raises(UserError) as error:
        load(path)
    text = "needs a matrix of 4225 x 4225 numbers; samples may have 4096 values here"
    assert str(error.value).splitlines() == [
        f"{path}:4: analysis.0: integrability: {text}",
        f"{path}:4: analysis.1: denoising_is_contraction: {text}",
    ]


def test_numbers_that_are_not_finite_are_one_message(tmp_path: Path):
    run = written(tmp_path, LINEAR, [np.full((2, 5), 1e30), np.zeros(5), np.full((5, 2), 1e30), np.zeros(2)])
    with np.errstate(all="ignore"), pytest.raises(UserError) as error:
        lines_of(run, "pca_comparison")
    assert str(error.value) == (
        f"{tmp_path}: pca_comparison: the net gives numbers that are not finite; retrain with a smaller learning_rate"
    )
    assert not (tmp_path / "analysis").exists()
