"""Styles of pictures: how large they are printed, and the fonts, sizes and lines that go with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from mlphys.errors import UserError
from mlphys.schema.suggestions import require_known

UNITS = {"mm": 1 / 25.4, "cm": 1 / 2.54, "in": 1.0, "pt": 1 / 72}  # in inches
NARROWEST, WIDEST = 0.5, 50.0  # inches
SPACED = 0.5  # a plot's own layout takes at least this part of the width, lest text be lost in it
DRAWN_TEXT = 14  # points, of the layouts that plots choose


@dataclass(frozen=True)
class Style:
    """A plot lays out its figure with text of 14 points; `scale` is the size that is printed over that size.

    `width` is the printed width in inches, None: that of the plot's own layout, at most `widest`. `dpi` is the
    resolution of the printed picture, None: that of the theme. `settings` are matplotlib's, of the layout. In a narrow
    picture text may be larger than in the plot's own layout by the factor `crowded`.
    """

    scale: float = 1.0
    widest: float = math.inf
    width: float | None = None
    titles: bool = True
    dpi: int | None = None
    crowded: float = 1.0
    settings: Mapping[Any, Any] = field(default_factory=lambda: MappingProxyType({}))

    def canvas(self, width: float) -> float:
        """The width in inches of the layout of a figure that a plot makes `width` wide."""
        return width if self.width is None else min(max(self.width / self.scale, width / self.crowded), width / SPACED)

    def printed(self, canvas: float) -> float:
        """The printed width of a layout, in inches."""
        return self.width or min(canvas * self.scale, self.widest)

    def across(self, panels: int, width: float) -> int:
        """How many of the panels, each `width` inches wide in the layout, have room side by side."""
        if self.width is None:
            return panels
        return max(1, min(panels, int(self.crowded * self.width / self.scale / width)))


# STIX has the metrics of Times, narrower than DejaVu Sans, and comes with matplotlib
SERIF = {"font.family": ["STIXGeneral", "DejaVu Sans"], "lines.linewidth": 2.0, "figure.titleweight": "normal"}
STYLES = {
    "paper": Style(8.5 / DRAWN_TEXT, widest=7.0, dpi=300, crowded=1.12, settings=MappingProxyType(SERIF)),
    "slides": Style(18 / DRAWN_TEXT, widest=12.5, dpi=150, settings=MappingProxyType({"lines.linewidth": 3.0})),
    "notebook": Style(10 / DRAWN_TEXT, widest=9.5, dpi=110),
}


def chosen(name: str | None, width: str | None, titles: bool) -> Style:
    """The style of a picture. Raises UserError for unknown names, and widths that no picture has."""
    if name is not None:
        require_known("style", [name], list(STYLES))
    style = STYLES[name] if name else Style()
    return replace(style, titles=titles, width=inches(width) if width is not None else None)


def inches(width: str) -> float:
    """A width such as 85mm, in inches. Raises UserError."""
    match = re.fullmatch(rf"\s*([0-9]*\.?[0-9]+)\s*({'|'.join(UNITS)})\s*", width)
    if not match:
        raise UserError(
            f"--width: expected a number with {', '.join(UNITS)}; received {width or 'nothing'}; write --width 85mm"
        )
    value = float(match[1]) * UNITS[match[2]]
    if not NARROWEST <= value <= WIDEST:
        raise UserError(f"--width: expected {NARROWEST:g}in to {WIDEST:g}in; received {width}; write --width 85mm")
    return value
