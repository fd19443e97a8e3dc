from __future__ import annotations

import functools
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlphys.config.experiment import ANALYSES
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.example_experiments import classifier_of_points
from tests.helpers.example_runs import ExampleRuns
from tests.helpers.made_up_entry import mlphys_with
from tests.plots.runs import written

every = pytest.mark.parametrize("name", ANALYSES)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> ExampleRuns:
    return ExampleRuns(tmp_path_factory.mktemp("examples"))


def measured(name: str, examples: ExampleRuns) -> AnalysisResult:
    """The analysis of its example; with a second run beside it where one alone is refused."""
    analysis, config = ANALYSES[name](), ANALYSES[name].example()
    analysis.check(examples.resolved(config))
    with theme.applied():
        try:
            return analysis.measure(examples.run(config))
        except NotApplicable:
            return analysis.measure(examples.in_study(config))


@pytest.fixture(scope="module")
def first_result(examples: ExampleRuns) -> Callable[[str], AnalysisResult]:
    """What an analysis measured of its example the first time."""
    return functools.cache(lambda name: measured(name, examples))


@every
def test_an_analysis_of_its_example_gives_json_a_line_and_pictures_named_after_itself(
    name: str, first_result: Callable[[str], AnalysisResult]
):
    result = first_result(name)
    assert json.loads(json.dumps(result.numbers, allow_nan=False)) == result.numbers
    assert result.summary
    assert "\n" not in result.summary
    for picture in result.pictures:
        assert picture.name == name or picture.name.startswith(f"{name}_")
        assert len({len(column) for column in picture.table.values()}) == 1


@every
def test_the_same_run_gives_the_same_numbers(
    name: str, examples: ExampleRuns, first_result: Callable[[str], AnalysisResult]
):
    first, again = first_result(name), measured(name, examples)
    assert first.numbers == again.numbers
    assert [picture.table for picture in first.pictures] == [picture.table for picture in again.pictures]


@every
def test_an_analysis_says_what_it_measures_in_its_first_paragraph_and_all_its_settings_have_defaults(name: str):
    first = inspect.getdoc(ANALYSES[name]).partition("\n\n")[0]
    assert first.endswith(".")
    assert len(first) <= 120
    assert ANALYSES[name]().model_dump().keys() == ANALYSES[name].model_fields.keys()


@every
def test_an_analysis_takes_an_experiment_or_refuses_it_with_a_reason(name: str, examples: ExampleRuns):
    reasons = {}
    for other, entry in ANALYSES.items():
        try:
            ANALYSES[name]().check(examples.resolved(entry.example()))
        except NotApplicable as reason:
            reasons[other] = str(reason)
    assert name not in reasons
    assert all(reasons.values())


@pytest.mark.parametrize(
    "name", [name for name, entry in ANALYSES.items() if entry.example()["model"]["kind"] != "classifier"]
)
def test_what_is_no_classifiers_is_refused_with_a_reason(name: str, examples: ExampleRuns):
    with pytest.raises(NotApplicable, match=r"\w+"):
        ANALYSES[name]().check(examples.resolved(classifier_of_points()))


def test_importing_the_analyses_loads_neither_matplotlib_nor_the_engine():
    program = "import sys, mlphys.commands.analyze; print({'matplotlib', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


HEAVIEST = '''
from mlphys.errors import NotApplicable
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.example_experiments import classifier_of_points


class Heaviest(Analysis):
    """The largest of all weights."""

    decimals: int = 3

    def check(self, resolved):
        if not resolved.weight_shapes():
            raise NotApplicable("it has no weights")

    def measure(self, run):
        largest = max(float(abs(weight).max()) for weight in run.weights.values())
        return AnalysisResult({"largest": round(largest, self.decimals)}, f"{largest:.3f}", [])

    @classmethod
    def example(cls):
        return classifier_of_points()
'''


def test_a_new_analysis_is_one_file(examples: ExampleRuns, tmp_path: Path):
    run = examples.run(classifier_of_points())
    mlphys = mlphys_with("mlphys.analysis", "heaviest", HEAVIEST, tmp_path / "more")
    assert "heaviest" in mlphys("list", "analyses")
    config, more = run.path / "config.yaml", "analysis=[{heaviest: {decimals: 1}}]"
    assert "OK" in mlphys("config", "check", str(config), "--set", more)
    assert "decimals" in mlphys("config", "check", str(config), "--set", "analysis=[{heaviest: {decimal: 1}}]", code=2)
    assert mlphys("analyze", str(run.path), "--only", "heaviest").startswith("heaviest: ")
    assert json.loads((run.path / "analysis" / "heaviest.json").read_text())["largest"] > 0


def test_an_analysis_that_lacks_something_cannot_be_made():
    class Incomplete(Analysis):
        pass

    with pytest.raises(TypeError, match=r"example.*measure"):
        Incomplete()


STACK = """
    data: {name: digits, train: 60, validation: 30, test: 20, preprocess: [{scale: 16}]}
    model:
      kind: stacked_autoencoder
      stages: [{encoder: [{Dense: {units: 5}}]}, {encoder: [{Dense: {units: 3}}]}]
      head: [{Dense: {units: 10, activation: softmax}}]
"""


@pytest.mark.parametrize("name", ["pca_comparison", "vector_field", "denoising_is_contraction", "rate_distortion"])
def test_decoders_that_do_not_fit_the_encoders_under_a_head_are_not_measured(name: str, tmp_path: Path):
    with pytest.raises(NotApplicable, match=r"^the decoders do not fit encoders that a head has trained on; set"):
        ANALYSES[name]().check(written(tmp_path, STACK).loaded)


@pytest.mark.parametrize("name", ["pca_comparison", "vector_field", "denoising_is_contraction", "rate_distortion"])
def test_decoders_of_a_stack_whose_encoders_are_frozen_are_measured(name: str, tmp_path: Path):
    ANALYSES[name]().check(written(tmp_path, f"{STACK}      frozen: true\n").loaded)
