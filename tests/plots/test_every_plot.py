from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from mlphys.commands import plot
from mlphys.config.experiment import ResolvedExperiment
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Plot
from mlphys.figures.save import save
from mlphys.schema import registry
from tests.helpers.example_runs import ExampleRuns
from tests.helpers.made_up_entry import mlphys_with

PLOTS = registry.entries("mlphys.plots", Plot)
every = pytest.mark.parametrize("name", PLOTS)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> ExampleRuns:
    return ExampleRuns(tmp_path_factory.mktemp("examples"))


@pytest.mark.usefixtures("few_points")
@every
def test_a_plot_of_its_example_draws_pictures_named_after_itself_beside_their_numbers(
    name: str, examples: ExampleRuns, tmp_path: Path
):
    run = examples.run(PLOTS[name].example())
    with theme.applied():
        pictures = list(PLOTS[name]().draw(run))
        assert pictures
        for picture in pictures:
            assert picture.name == name or picture.name.startswith(f"{name}_")
            assert picture.table
            assert len({len(column) for column in picture.table.values()}) == 1
            assert {path.suffix for path in save(picture, tmp_path, ["svg"])} == {".svg", ".csv"}


@every
def test_a_plot_says_in_its_first_paragraph_what_it_shows(name: str):
    first = inspect.getdoc(PLOTS[name]).partition("\n\n")[0]
    assert first.endswith(".")
    assert len(first) <= 120


@every
def test_a_plot_takes_an_experiment_or_refuses_it_with_a_reason(name: str, examples: ExampleRuns):
    assert refusal(PLOTS[name](), examples.resolved(PLOTS[name].example())) is None
    for entry in PLOTS.values():
        assert refusal(PLOTS[name](), examples.resolved(entry.example())) != ""


@every
def test_what_a_plot_refuses_before_training_it_refuses_to_draw(name: str, examples: ExampleRuns):
    reason = refusal(PLOTS[name](), examples.resolved(classifier_of_points()))
    if reason is not None:
        drawn = plot.draw(examples.run(classifier_of_points()), [name], ["svg"])
        assert drawn == plot.Drawn((), {name: reason})


def refusal(entry: Plot, resolved: ResolvedExperiment) -> str | None:
    """Why it cannot be drawn, as far as the config tells; None if it can."""
    try:
        entry.check(resolved)
    except NotApplicable as reason:
        return str(reason)
    return None


def test_importing_the_plots_loads_neither_matplotlib_nor_the_engine():
    program = (
        "import sys, mlphys.commands.plot; from mlphys.schema import registry\n"
        "from mlphys.figures.picture import Plot\n"
        "for name in registry.names('mlphys.plots'): registry.entry('mlphys.plots', name, Plot)\n"
        "print({'matplotlib', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


RANGE = '''
from mlphys.config.experiment import ResolvedExperiment
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture, Plot


class WeightRange(Plot):
    """The smallest and the largest of all weights."""

    def check(self, resolved):
        if resolved.experiment.model.kind == "pca":
            raise NotApplicable("principal components have no weights")

    def draw(self, run):
        values = [[float(w.min()), float(w.max())] for w in run.weights.values()]
        figure = theme.figure(5, 4, run.name)
        figure.subplots().plot(values)
        yield Picture("weight_range", figure, {"smallest": [v[0] for v in values], "largest": [v[1] for v in values]})

    @classmethod
    def example(cls):
        return classifier_of_points()
'''


def test_a_new_plot_is_one_file(examples: ExampleRuns, tmp_path: Path):
    run = examples.run(classifier_of_points())
    mlphys = mlphys_with("mlphys.plots", "weight_range", RANGE, tmp_path / "more")
    assert "The smallest and the largest of all weights." in mlphys("list", "plots")
    config, more = str(run.path / "config.yaml"), ("--set", "plots=[weight_range]")
    assert "OK" in mlphys("config", "check", config, *more)
    pca = tmp_path / "pca.yaml"
    pca.write_text("data: {name: digits}\nmodel: {kind: pca, components: 2}\nplots: [weight_range]\n")
    assert "weight_range: principal components have no weights; leave it out" in mlphys(
        "config", "check", str(pca), code=2
    )
    mlphys("plot", str(run.path), "--only", "weight_range")
    assert (run.path / "figures" / "weight_range.png").exists()
    assert (run.path / "figures" / "weight_range.csv").read_text().startswith("smallest,largest")


def test_a_plot_that_lacks_something_cannot_be_made():
    class Incomplete(Plot):
        pass

    with pytest.raises(TypeError, match=r"draw.*example"):
        Incomplete()
