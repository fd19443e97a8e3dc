"""The notebooks of docs/, as they are committed; `make test-notebooks` runs them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import mlphys
from mlphys.notebook.analysis import AnalysisFigures
from mlphys.notebook.history import History
from scripts import notebooks
from tests.helpers.extras import needs

DOCS = Path(__file__).parents[1] / "docs"
every = pytest.mark.parametrize("name", notebooks.names())


def cells(name: str) -> list[dict[str, Any]]:
    """The cells with code."""
    content = json.loads((notebooks.FOLDER / f"{name}.ipynb").read_text())
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


@every
def test_a_notebook_was_run_from_its_first_cell_to_its_last_without_a_fault(name: str):
    assert [cell["execution_count"] for cell in cells(name)] == list(range(1, len(cells(name)) + 1))
    kinds = {output["output_type"] for cell in cells(name) for output in cell["outputs"]}
    assert "error" not in kinds
    assert {"stream", "display_data", "execute_result"} >= kinds


@every
def test_a_notebook_is_small_and_names_no_folder_of_the_machine_that_ran_it(name: str):
    text = (notebooks.FOLDER / f"{name}.ipynb").read_text()
    assert len(text) < 300_000
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/", text)
    assert not [output for cell in cells(name) for output in cell["outputs"] if output.get("name") == "stderr"]


@every
def test_a_notebook_shows_pictures_and_installs_mlphys_in_colab_only(name: str):
    first, *others = cells(name)
    assert 'if "google.colab" in sys.modules:' in "".join(first["source"])
    assert not any("%pip" in "".join(cell["source"]) for cell in others)
    assert sum("image/png" in output.get("data", {}) for cell in others for output in cell["outputs"]) >= 3


@every
def test_a_notebook_is_in_the_readme_and_in_the_index_of_the_pages(name: str):
    assert f"(docs/notebooks/{name}.ipynb)" in (DOCS.parent / "README.md").read_text()
    assert f"(notebooks/{name}.ipynb)" in (DOCS / "index.md").read_text()


CLASSES = [mlphys.Run, mlphys.Study, mlphys.Comparison, AnalysisFigures, History]
NAMES = [attribute for cls in CLASSES for attribute in (*vars(cls), *getattr(cls, "__dataclass_fields__", ()))]
INTERNAL = {"of"}  # makes a history of rows


def test_the_page_of_the_api_shows_every_name():
    page = (DOCS / "api.md").read_text()
    code = " ".join(re.findall(r"```python\n.*?```|`[^`\n]+`", page, re.DOTALL))
    shown = set(re.findall(r"[A-Za-z_]+", code))
    public = {name for name in NAMES if not name.startswith("_")} - INTERNAL
    assert set(mlphys.__all__) | (public - {"name"}) <= shown
    assert "Run" in shown


def test_the_python_of_the_page_of_the_api_is_python():
    page = (DOCS / "api.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2
    for block in blocks:
        ast.parse(block)


@pytest.mark.slow
def test_a_fault_in_a_cell_fails_the_script_with_its_message(tmp_path: Path, monkeypatch, capsys):
    needs("nbclient")
    needs("ipykernel")
    import nbformat

    cell = nbformat.v4.new_code_cell("print(1)\nraise ValueError('no such digit')")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "faulty.ipynb")
    before = (tmp_path / "faulty.ipynb").read_text()
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    assert notebooks.main(["--write", "faulty"]) == 1
    assert "ValueError: no such digit" in capsys.readouterr().err
    assert (tmp_path / "faulty.ipynb").read_text() == before
