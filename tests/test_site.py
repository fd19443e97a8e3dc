"""The site: what is assembled from docs/ and from the program, what a built one must not have; the lectures."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlphys.cli import main
from mlphys.config.completion import parsed
from mlphys.config.load import overridden_document
from mlphys.config.shipped import shipped, shipped_studies
from mlphys.runs.run import Run
from mlphys.schema import registry
from mlphys.schema.document import read
from scripts import gallery, site, site_notebook, site_reference
from scripts.marked_tables import ROOT, table
from tests.helpers.cli import commands

LECTURES = sorted((ROOT / "docs" / "lectures").glob("*.md"))
PAGES = [*LECTURES, *(ROOT / "docs" / f"{name}.md" for name in ("quick-start", "how-to", "gallery"))]
CONFIGS = {**shipped(), **shipped_studies()}


@pytest.mark.parametrize("page", LECTURES, ids=lambda path: path.stem)
def test_the_range_of_an_exercise_is_that_of_its_config(page: Path):
    ranges = re.findall(r"^- `(\w+)`: ([\w.]+) in (\[.*\])$", page.read_text(), re.MULTILINE)
    assert ranges
    for name, metric, written in ranges:
        assert json.loads(written) == read(CONFIGS[name]).data["expect"][metric], name


@pytest.mark.parametrize("page", LECTURES, ids=lambda path: path.stem)
def test_a_lecture_has_formula_command_picture_what_is_wrong_and_an_exercise(page: Path):
    text = page.read_text()
    assert "$$" in text
    assert "    mlphys train configs/" in text
    assert "](../images/" in text
    assert re.search(r"^## (What the .* wrong|What to look out for)$", text, re.MULTILINE)
    assert "\n## Exercise\n" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_config_that_a_page_trains_comes_along_and_has_the_keys_that_it_sets(page: Path):
    for path, rest in re.findall(
        r"^    mlphys (?:train|sweep) (configs/\S+\.yaml)(.*)$", page.read_text(), re.MULTILINE
    ):
        overrides = re.findall(r"--set (\S+)", rest)
        parsed(overridden_document(ROOT / path, overrides))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_what_a_page_plots_and_analyzes_is_there(page: Path):
    found = re.findall(r"^    mlphys (plot|analyze)(?: runs/\S+)? --only (\w+)$", page.read_text(), re.MULTILINE)
    for verb, name in found:
        assert name in registry.names({"plot": "mlphys.plots", "analyze": "mlphys.analysis"}[verb])


def test_the_gallery_shows_every_picture_and_every_analysis_by_a_config_that_can():
    for kind in ("plots", "analysis"):
        for name in registry.names(f"mlphys.{kind}"):
            assert gallery.shown_by(name) or name in gallery.NOT_DRAWN, (
                f"{name}: add it to GALLERY in scripts/gallery.py"
            )
    assert table(gallery.DOCUMENT, "gallery") == gallery.page()
    assert {shown.config for shown in gallery.GALLERY} <= CONFIGS.keys()


def test_a_run_of_the_gallery_is_kept_for_its_config_and_what_is_changed_in_it_and_is_titled_by_its_name():
    shown = gallery.Shown("spirals", sets=("training.epochs=3",))
    folders = [
        gallery.run_folder(each) for each in (shown, replace(shown, sets=()), replace(shown, config="pca_cloud"))
    ]
    assert folders[0] == gallery.run_folder(replace(shown, pictures=("latent",)))
    assert len(set(folders)) == 3
    assert Run(folders[0]).name == "spirals/1"


def test_the_pictures_of_the_site_are_small():
    pictures = [path for folder in ("images", "results") for path in (ROOT / "docs" / folder).rglob("*.png")]
    assert pictures
    assert [path.name for path in pictures if path.stat().st_size >= site.LARGEST_PICTURE] == []


def test_every_page_of_docs_is_in_the_site():
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    listed = {*site.TOP, *site.RECIPES, "index", *(f"lectures/{name}" for name in site.LECTURES)}
    listed |= {page for _, _, section in site.SECTIONS.values() for page in section}
    assert pages <= listed


@pytest.mark.parametrize(
    ("text", "page", "rewritten"),
    [
        ("[a](../CONTRIBUTING.md)", "index.md", "[a](contributing.md)"),
        ("[a](../../SECURITY.md#b)", "lectures/yale.md", "[a](../reporting.md#b)"),
        ("[a](../configs/spirals.yaml)", "results.md", "[a](#config-spirals)"),
        ("[a](../configs/studies/costs_mnist.yaml)", "results.md", "[a](#config-costs_mnist)"),
        ("[a b](examples/spirals.html)", "report.md", '<a href="examples/spirals.html">a b</a>'),
        ("[a](../examples/spirals.html)", "lectures/yale.md", '<a href="../examples/spirals.html">a</a>'),
        ("[a](notebooks/first_steps.ipynb)", "api.md", "[a](notebooks/first_steps.md)"),
        ('<img src="images/a.png" width="6" alt="b">', "analyses.md", "![b](images/a.png)"),
    ],
)
def test_links_lead_to_the_pages_of_the_site(text: str, page: str, rewritten: str):
    assert site.rewritten(text, Path(page)) == rewritten


def test_a_site_that_fetches_something_or_leads_nowhere_or_is_too_large_is_refused(tmp_path: Path):
    (tmp_path / "index.html").write_text(
        '<a href="https://example.org">fine</a><a href="other.html#x">fine</a><a href="gone.html">no</a>'
        '<script src="https://cdn.example.org/a.js"></script><link rel="stylesheet" href="//fonts.example.org/a.css">'
    )
    (tmp_path / "other.html").write_text('<a href="index.html">fine</a>')
    (tmp_path / "style.css").write_text('@import "https://example.org/a.css"; a {background: url(own.png)}')
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    size = (tmp_path / "large.png").stat().st_size // 1000
    assert sorted(site.faults(tmp_path)) == [
        "index.html: fetches //fonts.example.org/a.css",
        "index.html: fetches https://cdn.example.org/a.js",
        "index.html: leads to gone.html, which is not there",
        f"large.png: {size} kB, more than 150",
        "style.css: fetches https://example.org/a.css",
    ]


def test_a_notebook_becomes_a_page_with_its_outputs(tmp_path: Path):
    picture = tmp_path / "dot.png"
    Image.new("RGB", (2, 2)).save(picture)
    data = {"image/png": base64.b64encode(picture.read_bytes()).decode(), "text/plain": ["<Figure>"]}
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text"]},
        {"cell_type": "code", "source": ["1 + 1"], "outputs": [{"data": {"text/plain": ["2"]}}, {"data": data}]},
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    page = site_notebook.page(tmp_path / "n.ipynb", tmp_path)
    assert page == (
        "# Title\nText\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n\n![output of the cell above](n-1-1.png)\n"
    )
    assert (tmp_path / "n-1-1.png").exists()


def test_the_reference_has_every_command_entry_name_and_config():
    pages = site_reference.pages()
    for words, command in commands(main):
        if not hasattr(command, "commands"):
            assert f"## mlphys {' '.join(words)}\n" in pages["options"]
    for kind in ("datasets", "models", "plots", "analysis"):
        for name in registry.names(f"mlphys.{kind}"):
            assert f"### {name}\n" in pages["entries"], name
    assert "### Conv2D\n" in pages["entries"]
    assert "## load_run\n" in pages["api"]
    assert "### Run.predict\n" in pages["api"]
    for name in CONFIGS:
        assert f"(config-{name})=" in pages["configs"]


def test_formulas_are_mathml_and_what_is_not_understood_is_refused():
    from docutils import nodes

    from scripts.site_math import _converted

    assert "<mfrac>" in _converted(nodes.math("", r"\frac{a}{b}"), "inline")
    with pytest.raises(ValueError, match="does not know one of its commands"):
        _converted(nodes.math("", r"\unheardof{a}"), "block")
