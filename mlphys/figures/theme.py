"""Matplotlib style: legible from the back row, colour-blind safe."""

from __future__ import annotations

import contextlib
import functools
import io
import textwrap
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlphys import machine
from mlphys.numerics.uncertainty import rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito (2008): distinguishable with every kind of colour vision
BLUE, VERMILLION, GREEN, SKY = "#0072B2", "#D55E00", "#009E73", "#56B4E9"
LINES = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", SKY)
INK, GREY, PALE = "#1A1A1A", "#666666", "#D9D9D9"
SIGNED = "RdBu_r"  # blue below zero, red above
DPI = 150
NOTEBOOK_DPI = 96  # of a picture in a notebook: sharp, and not large
SHOWN_DPI = 72  # of the place that it gets there

SETTINGS: dict[Any, Any] = {
    "figure.dpi": DPI,
    "font.family": "DejaVu Sans",  # included in matplotlib: the same on every machine
    "font.size": 14,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a user's name is a dollar
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.labelsize": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 14,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.5,
    "figure.titlesize": 17,
    "figure.titleweight": "bold",
    "figure.labelsize": 13,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
    "pdf.fonttype": 42,  # text that can be searched, and edited for a slide
    "svg.fonttype": "none",  # the same for svg
    "svg.hashsalt": "mlphys",  # else every file gets other ids
}


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """Context for drawing and saving, independent of the user's matplotlibrc and of the time."""
    machine.require_matplotlib()
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        # missing glyphs are drawn as boxes
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def figure(width: float, height: float, title: str, caption: str = "") -> Figure:
    """An empty figure, size in inches, with a title above and a caption below, left-aligned."""
    made = _shown_by_notebooks()(figsize=(width, height), layout="constrained")
    made.suptitle(textwrap.fill(title, int(6 * width)), x=0.01, ha="left")
    if caption:
        made.supxlabel(textwrap.fill(caption, int(10 * width)), x=0.01, ha="left", color=GREY)
    return made


@functools.cache
def _shown_by_notebooks() -> type[Figure]:
    """matplotlib's Figure, which notebooks show as a picture without pyplot, which would show it a second time."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            return in_notebook(self)

    return ShownFigure


def in_notebook(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """A figure as PNG, and `width` and `height` of its place in pixels."""
    content = io.BytesIO()
    with applied():
        figure.savefig(content, format="png", dpi=NOTEBOOK_DPI)
    width, height = (round(SHOWN_DPI * inches) for inches in figure.get_size_inches())
    return content.getvalue(), {"width": width, "height": height}


def short(name: str, most: int = 14) -> str:
    """A name on one line, truncated to at most `most` characters."""
    line = "".join(sign if sign.isprintable() else " " for sign in name)
    return line if len(line) <= most else line[: most - 1] + "…"


def measured(value: float, stderr: float | None = None) -> str:
    """`0.9881 ± 0.0011`."""
    return rounded(value, stderr).replace("+-", "±")
