from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from mlphys.commands import plot
from mlphys.errors import UserError
from mlphys.figures import theme
from mlphys.schema import registry
from tests.plots.runs import MadeRun, complete

PLOTS = registry.names("mlphys.plots")
OF_FILES = ["confusion_matrix", "filters", "learning_curves"]  # words, images, lines
FORMATS = ("png", "pdf", "svg")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a run with every picture in every format, drawn by a process of its own, and what that tells."""
    folder = tmp_path_factory.mktemp("drawn")
    program = (
        "import json, sys; from pathlib import Path\n"
        "from mlphys.commands import plot; from mlphys.figures import theme\n"
        f"theme.DPI = theme.SETTINGS['figure.dpi'] = {theme.DPI}\n"
        "from tests.plots.runs import complete\n"
        f"drawn = plot.draw(complete(Path({str(folder)!r})), {OF_FILES}, {FORMATS})\n"
        "print(json.dumps({'paths': [path.name for path in drawn.paths], 'skipped': drawn.skipped,\n"
        "    'imported': sorted({'matplotlib.pyplot', 'tensorflow', 'keras'} & set(sys.modules))}))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    return folder / "figures", json.loads(done.stdout)


def test_every_picture_is_written_in_every_format_beside_its_numbers(drawn: tuple[Path, dict[str, Any]]):
    figures, told = drawn
    assert told["skipped"] == {}
    assert set(told["paths"]) == {path.name for path in figures.iterdir()}
    pictures = {*OF_FILES, "filters_2"}
    assert set(told["paths"]) == {f"{name}.{ending}" for name in pictures for ending in (*FORMATS, "csv")}
    assert (figures / "filters.png").read_bytes().startswith(b"\x89PNG")
    assert (figures / "filters.pdf").read_bytes().startswith(b"%PDF")
    assert b"<svg" in (figures / "filters.svg").read_bytes()
    assert b"<text" in (figures / "filters.svg").read_bytes()  # labels that can be edited


def test_the_same_run_gives_the_same_bytes_whatever_matplotlibrc_says(
    drawn: tuple[Path, dict[str, Any]], tmp_path: Path
):
    with matplotlib.rc_context({"font.size": 5, "svg.hashsalt": None, "savefig.dpi": 20, "axes.grid": True}):
        again = plot.draw(complete(tmp_path), OF_FILES, FORMATS).paths
    assert {path.name: path.read_bytes() for path in again} == {
        path.name: path.read_bytes() for path in drawn[0].iterdir()
    }


def test_a_format_looks_the_same_whichever_others_are_drawn(tmp_path: Path):
    plot.draw(complete(tmp_path), ["filters"], ["svg"])
    alone = (tmp_path / "figures/filters.svg").read_bytes()
    plot.draw(complete(tmp_path), ["filters"], FORMATS)
    assert (tmp_path / "figures/filters.svg").read_bytes() == alone


def test_the_settings_of_matplotlib_are_left_as_they_were(tmp_path: Path):
    before = dict(matplotlib.rcParams)
    plot.draw(complete(tmp_path), ["filters"], ["png"])
    assert dict(matplotlib.rcParams) == before


def test_the_numbers_are_comma_separated_with_quotes_where_needed(tmp_path: Path):
    run = complete(tmp_path)
    run.data["classes"] = ['a, "b"', *"123456789"]
    plot.draw(run, ["misclassified"], ["png"])
    text = (tmp_path / "figures/misclassified.csv").read_bytes().decode()
    assert text == 'index,true,predicted,probability\r\n0,3,8,0.9\r\n3,"a, ""b""",5,0.6\r\n'


def test_weights_are_written_so_that_they_are_read_back_exactly(tmp_path: Path):
    run = complete(tmp_path)
    plot.draw(run, ["filters"], ["png"])
    with (tmp_path / "figures/filters.csv").open(newline="") as file:
        weights = [float(row["weight"]) for row in csv.DictReader(file)]
    kernel = run.weights["layers.0.Conv2D.kernel"].transpose(3, 2, 0, 1)
    assert weights == [float(str(weight)) for weight in kernel.ravel()]


def test_names_of_a_stranger_are_drawn_as_they_are(tmp_path: Path):
    run = complete(tmp_path)
    run.data["classes"] = ["$\\frac", "猫", "a\nb", "\ud800", "", *"56789"]
    assert plot.draw(run, ["confusion_matrix", "misclassified"], FORMATS).skipped == {}


def test_what_the_run_cannot_show_is_skipped_with_the_reason(tmp_path: Path):
    drawn = plot.draw(MadeRun(path=tmp_path), ["learning_curves"], ["png"])
    reason = "no epoch was trained; set training.epochs to at least 1"
    assert drawn == plot.Drawn((), {"learning_curves": reason})
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("names", "formats", "message"),
    [
        (
            ["filter"], ["png"],
            f"unknown plot; received text 'filter'; allowed {', '.join(PLOTS)}; did you mean filters?",
        ),
        (
            ["filters"], ["pgn"],
            "unknown format; received text 'pgn'; allowed png, pdf, svg; did you mean png?",
        ),
        (["filters"], ["jpeg"], "unknown format; received text 'jpeg'; allowed png, pdf, svg"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_before_anything_is_drawn(
    names: list[str], formats: list[str], message: str, tmp_path: Path
):
    with pytest.raises(UserError) as error:
        plot.draw(complete(tmp_path), ["learning_curves", *names], formats)
    assert str(error.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path):
    (tmp_path / "figures").write_text("a file of the user's")
    with pytest.raises(UserError, match="figures: cannot be written: Not a directory; "):
        plot.draw(complete(tmp_path), ["filters"], ["png"])
    assert (tmp_path / "figures").read_text() == "a file of the user's"


def test_pyplot_is_never_imported(drawn: tuple[Path, dict[str, Any]]):
    assert drawn[1]["imported"] == []
