from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from mlphys.errors import UserError
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.figures.save import save
from mlphys.figures.style import STYLES, Style, chosen, inches
from tests.helpers.cli import reason

FORMATS = ("png", "pdf", "svg")


def drawn(folder: Path, style: Style, panels: int = 1) -> dict[str, bytes]:
    """The files of a picture whose own layout has a width of seven inches for each panel."""
    folder.mkdir(exist_ok=True)
    with theme.applied(style):
        figure, axes = theme.row(panels, 7 * panels, 5, "the title", "a caption")
        for panel in axes:
            panel.plot([0, 1], [1, 0], label="falls")
            panel.set(xlabel="epoch")
            panel.legend()
        paths = save(Picture("line", figure, {"x": [0, 1]}), folder / "figures", FORMATS)
    return {path.suffix: path.read_bytes() for path in paths}


def of_png(content: bytes) -> tuple[float, float]:
    """Width and height of a printed png, in inches."""
    image = Image.open(io.BytesIO(content))
    dots = image.info["dpi"][0]
    return image.width / dots, image.height / dots


def of_svg(content: bytes) -> tuple[float, ...]:
    found = re.search(rb'<svg[^>]* width="([0-9.]+)pt" height="([0-9.]+)pt"', content)
    assert found
    return tuple(float(points) / 72 for points in found.groups())


def of_pdf(content: bytes) -> tuple[float, ...]:
    found = re.search(rb"/MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+) \]", content)
    assert found
    return tuple(float(points) / 72 for points in found.groups())


@pytest.mark.parametrize(
    ("width", "value"), [("85mm", 85 / 25.4), ("8.5 cm", 8.5 / 2.54), ("3.35in", 3.35), ("241pt", 241 / 72)]
)
def test_a_width_is_a_length_in_one_of_four_units(width: str, value: float):
    assert inches(width) == pytest.approx(value)


@pytest.mark.parametrize(
    ("width", "wrong"),
    [
        ("85", "--width: expected a number with mm, cm, in, pt; received 85; write --width 85mm"),
        ("-1mm", "--width: expected a number with mm, cm, in, pt; received -1mm; write --width 85mm"),
        ("", "--width: expected a number with mm, cm, in, pt; received nothing; write --width 85mm"),
        ("0mm", "--width: expected 0.5in to 50in; received 0mm; write --width 85mm"),
        ("9000cm", "--width: expected 0.5in to 50in; received 9000cm; write --width 85mm"),
    ],
)
def test_other_widths_are_refused(width: str, wrong: str):
    with pytest.raises(UserError, match=f"^{re.escape(wrong)}$"):
        chosen("paper", width, True)


@pytest.mark.parametrize("command", ["plot", "analyze", "plot-filters", "compare"])
def test_an_unknown_style_is_answered_with_those_that_there_are(command: str):
    expected = "unknown style; received text 'papers'; allowed paper, slides, notebook; did you mean paper?"
    assert reason(command, "x", "--style", "papers") == expected


@pytest.mark.parametrize("name", STYLES)
def test_a_picture_has_its_width_in_every_format_and_the_same_bytes_when_drawn_again(name: str, tmp_path: Path):
    files = drawn(tmp_path / "first", chosen(name, "85mm", True))
    assert files == drawn(tmp_path / "second", chosen(name, "85mm", True))
    for size in (of_png(files[".png"]), of_svg(files[".svg"]), of_pdf(files[".pdf"])):
        assert size[0] == pytest.approx(85 / 25.4, abs=0.01)  # png: whole pixels
        assert size[1] / size[0] == pytest.approx(5 / 7, abs=0.01)


def test_text_of_a_picture_for_a_paper_has_eight_and_a_half_points(tmp_path: Path):
    svg = drawn(tmp_path, chosen("paper", "4.3in", True))[".svg"].decode()
    drawn_at = re.search(r'viewBox="0 0 ([0-9.]+) ', svg)
    size = re.search(r"font-size: ([0-9.]+)px; font-family: 'STIXGeneral'[^>]*>epoch</text>", svg)
    assert drawn_at
    assert size
    printed = float(size[1]) * 4.3 * 72 / float(drawn_at[1])
    assert printed == pytest.approx(8.5 * theme.SETTINGS["axes.labelsize"] / theme.SETTINGS["font.size"], abs=0.01)


def test_without_titles_the_title_and_the_lines_below_are_left_out(tmp_path: Path):
    assert b">the title</text>" in drawn(tmp_path / "with", Style())[".svg"]
    without = drawn(tmp_path / "without", chosen(None, None, False))[".svg"]
    assert b"the title" not in without
    assert b"a caption" not in without
    assert b">epoch</text>" in without


def test_panels_stand_below_each_other_where_side_by_side_they_have_no_room(tmp_path: Path):
    width, height = of_svg(drawn(tmp_path / "wide", chosen("paper", "8.6in", True), panels=2)[".svg"])
    assert height / width == pytest.approx(5 / 14)
    width, height = of_svg(drawn(tmp_path / "narrow", chosen("paper", "85mm", True), panels=2)[".svg"])
    assert height / width == pytest.approx(10 / 7)
