"""Build the site of the documentation into build/site, from docs/ as it is and from what the program says of itself.

python -m scripts.site             about a minute; warnings are errors
python -m scripts.site --out DIR   somewhere else
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlphys
from mlphys.config.shipped import shipped, shipped_studies
from scripts import site_notebook, site_reference
from scripts.marked_tables import ROOT

DOCS, BUILD = ROOT / "docs", ROOT / "build"
LARGEST_PICTURE, LARGEST_SITE = 150_000, 25_000_000  # bytes
FETCHED = re.compile(r'(?:src="|<link[^>]+href="|url\(["\']?|@import ["\'])((?:https?:)?//[^"\')]+)')
OWN = re.compile(r'(?:href|src)="((?!https?:|//|mailto:|data:|#|javascript:)[^"#?]+)')
ELSEWHERE = {"../CONTRIBUTING.md": "contributing.md", "../SECURITY.md": "reporting.md", "../README.md": "index.md"}
LIVING = """## A net that is alive

Draw a digit below, and see what every layer makes of it. This page of a run, which
`mlphys train configs/conv_mnist.yaml`
and `mlphys evaluate` made, is one file without a server: <a href="examples/conv_mnist.html">by itself</a>; and
<a href="examples/spirals.html">three spirals</a>, whose boundary moves with the epochs.

<iframe src="examples/conv_mnist.html" title="a convolutional net to draw digits for"
style="width:100%;height:1200px;border:1px solid #8888"></iframe>
"""

HEADING = "\n## All pages\n\nUsing mlphys:"

# The sections of the site: a page for each, which lists its pages.
SECTIONS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "reference": ("Reference", "What there is, by name; generated from the program where it can be.", (
        "commands", "reference/options", "keys", "reference/entries", "data", "models", "analyses", "reference/api",
        "run-directory", "reference/configs",
    )),
    "measured": ("Measured", "What the configs reach, how fast, and why the numbers can be trusted.", (
        "results", "performance", "catalogue-speed", "reproducibility",
    )),
    "development": ("Development", "How mlphys is built, and how it grows.", (
        "extending", "architecture", "security", "reporting", "contributing",
    )),
}  # fmt: skip
WIDE = ("results", "catalogue-speed")  # pages that are one table: nothing beside it
RECIPES = (
    "formats", "from-keras", "export", "api", "notebooks/first_steps", "notebooks/autoencoders", "studies", "exercises",
    "report",
)  # fmt: skip
TOP = ("quick-start", "lectures", "how-to", "gallery", *SECTIONS)
LECTURES = ("marquardt-5", "marquardt-6", "bianco-13", "memisevic-10", "yale")


def assemble(source: Path) -> None:
    """Copy docs/ into `source` with links for the site, and write the pages that are generated."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for page in sorted(DOCS.rglob("*.md")):
        _write(source / page.relative_to(DOCS), rewritten(page.read_text(), page.relative_to(DOCS)))
    for name in ("CONTRIBUTING.md", "SECURITY.md"):
        text = (ROOT / name).read_text().replace("](docs/", "](")
        _write(source / ELSEWHERE[f"../{name}"], rewritten(text, Path(name)))
    (source / "_static").mkdir()
    shutil.copy(ROOT / "scripts" / "site.css", source / "_static")
    for data in DOCS.glob("*.json"):
        shutil.copy(data, source)
    for pictures in ("images", "results/pictures"):
        if (DOCS / pictures).exists():
            shutil.copytree(DOCS / pictures, source / pictures)
    for notebook in sorted((DOCS / "notebooks").glob("*.ipynb")):
        _write(source / "notebooks" / f"{notebook.stem}.md", site_notebook.page(notebook, source / "notebooks"))
    for name, text in site_reference.pages().items():
        _write(source / "reference" / f"{name}.md", text)
    for name, (title, sentence, pages) in SECTIONS.items():
        _write(source / f"{name}.md", f"# {title}\n\n{sentence}\n\n{_toctree(pages, visible=True)}")
    _append(source / "lectures.md", _toctree([f"lectures/{name}" for name in LECTURES]))
    _append(source / "how-to.md", _toctree(RECIPES))
    index = source / "index.md"
    before, first, rest = index.read_text().partition("First:\n")
    index.write_text(f"{before}{first}{rest.replace('Using mlphys:', LIVING + HEADING)}\n{_toctree(TOP)}")


def rewritten(text: str, page: Path) -> str:
    """Links to files outside of docs/ lead to their pages, and pictures in HTML become those of Markdown."""
    up = "../" * (len(page.parts) - 1)
    for there, here in ELSEWHERE.items():
        text = text.replace(f"]({up}{there}", f"]({up}{here}")
    text = re.sub(r"\]\((?:\.\./)*configs/(?:studies/)?(\w+)\.yaml\)", r"](#config-\1)", text)
    text = re.sub(r"\[([^]\n]+)\]\((?:\.\./)*(examples/\w+\.html)\)", rf'<a href="{up}\2">\1</a>', text)
    text = re.sub(r"\]\(((?:\.\./)*notebooks/\w+)\.ipynb\)", r"](\1.md)", text)
    return re.sub(r'<img src="([^"]+)"[^>]* alt="([^"]+)">', r"![\2](\1)", text)


def _toctree(pages: Sequence[str], visible: bool = False) -> str:
    hidden = ":maxdepth: 1\n" if visible else ":hidden:\n"
    lines = "\n".join(f"/{page}" for page in pages)
    return f"\n```{{toctree}}\n{hidden}\n{lines}\n```\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _append(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text()}\n{text}")


SETTINGS = {
    "project": "mlphys",
    "copyright": "the authors of mlphys, Apache 2.0",
    "version": mlphys.__version__,
    "extensions": ["myst_parser", "scripts.site_math"],
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 4,
    "suppress_warnings": ["myst.header"],  # a page that is one table has headings of the second level only
    "html_theme": "pydata_sphinx_theme",
    "html_title": "mlphys",
    "html_static_path": ["_static"],
    "html_css_files": ["site.css"],
    "html_math_renderer": "mathml",
    "html_show_sourcelink": False,
    "html_copy_source": False,
    "html_theme_options": {
        "show_prev_next": False,
        "navbar_align": "left",
        "header_links_before_dropdown": 8,
        "secondary_sidebar_items": {"**": ["page-toc"], **{page: [] for page in WIDE}},
        "footer_start": ["copyright"],
        "footer_end": [],
    },
    "html_sidebars": {page: [] for page in ("index", "gallery", "quick-start", *WIDE)},
    "pygments_style": "a11y-high-contrast-light",
}


def build(out: Path, source: Path, doctrees: Path) -> None:
    """Assemble and build. Raises SystemExit where Sphinx warns or a page is not as it must be."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    if BUILD not in out.parents and out.exists() and any(out.iterdir()) and not (out / "searchindex.js").exists():
        raise SystemExit(f"{out}: holds something that is no site; name a new folder, or an empty one")
    assemble(source)
    shutil.rmtree(out, ignore_errors=True)
    with patch_docutils(), docutils_namespace():
        application = Sphinx(
            source, None, out, doctrees, "html", confoverrides=dict(SETTINGS), status=None, warning=sys.stderr,
            warningiserror=True, freshenv=True, parallel=1,
        )  # fmt: skip
        application.build()
    shutil.copytree(DOCS / "examples", out / "examples")
    (out / "_static" / "webpack-macros.html").unlink(missing_ok=True)  # the theme's template
    wrong = [*(["Sphinx has warnings, above"] if application.statuscode else []), *faults(out)]
    if wrong:
        raise SystemExit("\n".join(wrong))


def faults(out: Path) -> list[str]:
    """What is fetched from outside, pictures and sites that are too large, links of HTML that lead nowhere."""
    found = []
    files = [path for path in out.rglob("*") if path.is_file()]
    for path in files:
        name = path.relative_to(out)
        if path.suffix in (".html", ".css") and name.parts[0] != "examples":
            text = path.read_text(errors="replace")
            found += [f"{name}: fetches {address}" for address in FETCHED.findall(text)]
            lost = [link for link in OWN.findall(text) if not _there(path, link)]
            found += [f"{name}: leads to {link}, which is not there" for link in lost]
        if path.suffix in (".png", ".jpg", ".svg") and path.stat().st_size > LARGEST_PICTURE:
            found.append(f"{name}: {path.stat().st_size // 1000} kB, more than {LARGEST_PICTURE // 1000}")
    if (size := sum(path.stat().st_size for path in files)) > LARGEST_SITE:
        found.append(f"the site has {size / 1e6:.1f} MB, more than {LARGEST_SITE / 1e6:.0f}")
    return found


def _there(page: Path, link: str) -> bool:
    return os.path.exists(page.parent / link.replace("%20", " "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=BUILD / "site")
    arguments = parser.parse_args()
    build(arguments.out.absolute(), BUILD / "site-source", BUILD / "site-doctrees")
    size = sum(path.stat().st_size for path in arguments.out.rglob("*") if path.is_file())
    print(f"{arguments.out / 'index.html'}: {size / 1e6:.1f} MB, {len(shipped()) + len(shipped_studies())} configs")


if __name__ == "__main__":
    main()
