from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlphys.config.experiment import ANALYSES
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.schema.analysis import AnalysisSpec
from tests.analysis.runs import APPLIES, CLASSIFIER, applying
from tests.plots.runs import written


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_gives_json_a_line_and_pictures_named_after_itself(name: str, tmp_path: Path):
    run, entry = applying(name, tmp_path), ANALYSES[name]
    entry.check(entry.Spec(), run.loaded)
    with theme.applied():
        result = entry.measure(entry.Spec(), run)
    assert json.loads(json.dumps(result.numbers, allow_nan=False)) == result.numbers
    assert result.summary
    assert "\n" not in result.summary
    for picture in result.pictures:
        assert picture.name == name or picture.name.startswith(f"{name}_")
        assert len({len(column) for column in picture.table.values()}) == 1


@pytest.mark.parametrize("name", ANALYSES)
def test_the_same_run_gives_the_same_numbers(name: str, tmp_path: Path):
    entry = ANALYSES[name]
    with theme.applied():
        first, again = (entry.measure(entry.Spec(), applying(name, tmp_path / n)) for n in ("a", "b"))
    assert first.numbers == again.numbers
    assert [picture.table for picture in first.pictures] == [picture.table for picture in again.pictures]


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_says_in_one_line_what_it_measures_and_all_its_settings_have_defaults(name: str):
    said = inspect.getdoc(ANALYSES[name])
    assert said
    assert "\n" not in said
    assert said.endswith(".")
    assert issubclass(ANALYSES[name].Spec, AnalysisSpec)
    assert ANALYSES[name].Spec.__doc__
    ANALYSES[name].Spec()


@pytest.mark.parametrize("name", [name for name in ANALYSES if "classifier" not in APPLIES[name]])
def test_what_is_no_classifiers_is_refused_with_a_reason(name: str, tmp_path: Path):
    with pytest.raises(NotApplicable, match=r"\w+"):
        ANALYSES[name].check(ANALYSES[name].Spec(), written(tmp_path, CLASSIFIER).loaded)


def test_importing_the_analyses_loads_neither_matplotlib_nor_the_engine():
    program = "import sys, mlphys.commands.analyze; print({'matplotlib', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
