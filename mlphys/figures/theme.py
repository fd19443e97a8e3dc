"""Matplotlib style: legible from the back row, colour-blind safe."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import textwrap
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mlphys import machine
from mlphys.figures.style import Style
from mlphys.numerics.uncertainty import rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): distinguishable with every kind of colour vision
BLUE, VERMILLION, GREEN, SKY = "#0072B2", "#D55E00", "#009E73", "#56B4E9"
LINES = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", SKY)
INK, GREY, PALE = "#1A1A1A", "#666666", "#D9D9D9"
SIGNED = "RdBu_r"  # blue below zero, red above
DPI = 150
NOTEBOOK_DPI = 96  # of a picture in a notebook: sharp, and not large
SHOWN_DPI = 72  # of the place that it gets there
TITLE = 0.5  # inches, of the layout, that a title takes

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


# what applied() sets, as matplotlib does with its own parameters
_style: ContextVar[Style] = ContextVar("style", default=Style())  # noqa: B039  frozen


@contextlib.contextmanager
def applied(style: Style | None = None) -> Iterator[None]:
    """Context for drawing and saving, independent of the user's matplotlibrc and of the time."""
    machine.require_matplotlib()
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        matplotlib.rcParams.update(style.settings if style else {})
        # missing glyphs are drawn as boxes
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        before = _style.set(style or Style())
        try:
            yield
        finally:
            _style.reset(before)


def style() -> Style:
    """The style in which pictures are drawn now."""
    return _style.get()


def figure(width: float, height: float, title: str, caption: str = "") -> Figure:
    """An empty figure, size in inches, with a title above and a caption below, left-aligned."""
    drawn = style()
    if not drawn.titles:
        height = max(height - TITLE, height / 2)
    across = drawn.canvas(width)
    fig = _shown_by_notebooks()(figsize=(across, height * across / width), layout="constrained")
    if drawn.titles:
        fig.suptitle(textwrap.fill(title, int(6 * across)), x=0.01, ha="left")
        if caption:
            fig.supxlabel(textwrap.fill(caption, int(10 * across)), x=0.01, ha="left", color=GREY)
    return fig


def row(
    panels: int, width: float, height: float, title: str, caption: str = "", **settings: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, or below each other where the style leaves them no room.

    `settings` are those of subplots.
    """
    across = style().across(panels, width / panels)
    down = math.ceil(panels / across)
    fig = figure(width * across / panels, height * down, title, caption)
    axes = fig.subplots(down, across, squeeze=False, **settings).ravel()
    for empty in axes[panels:]:
        empty.remove()
    return fig, list(axes[:panels])


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
