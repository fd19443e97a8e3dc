from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from mlphys.figures import theme
from mlphys.schema import registry
from tests.plots.runs import fitting

PLOTS = registry.names("mlphys.plots")


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_pictures_named_after_itself_with_columns_of_one_length(name: str, tmp_path: Path):
    with theme.applied():
        pictures = list(registry.entry("mlphys.plots", name).draw(fitting(name, tmp_path)))
    assert pictures
    for picture in pictures:
        assert picture.name == name or picture.name.startswith(f"{name}_")
        assert len({len(column) for column in picture.table.values()}) == 1


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_says_in_one_line_what_it_shows(name: str):
    said = inspect.getdoc(registry.entry("mlphys.plots", name))
    assert said
    assert "\n" not in said
    assert said.endswith(".")


def test_importing_the_plots_loads_neither_matplotlib_nor_the_engine():
    program = (
        "import sys, mlphys.commands.plot; from mlphys.schema import registry\n"
        "for name in registry.names('mlphys.plots'): registry.entry('mlphys.plots', name)\n"
        "print({'matplotlib', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
