"""The result of an analysis as a notebook shows it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlphys.figures import theme
from mlphys.report.html import Html, element

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class AnalysisFigures:
    """What an analysis of a run gives: `numbers` as in analysis/<name>.json, a sentence, and its figures by name."""

    name: str
    numbers: Mapping[str, Any] = field(repr=False)
    summary: str
    figures: Mapping[str, Figure] = field(repr=False)

    def _repr_html_(self) -> str:
        pictures = [_image(figure) for figure in self.figures.values()]
        return element("div", element("b", self.name), f": {self.summary}", element("div", pictures))


def _image(figure: Figure) -> Html:
    content, place = theme.in_notebook(figure)
    encoded = base64.b64encode(content).decode()
    source = f"data:image/png;base64,{encoded}"
    return element("img", width=place["width"], style="max-width: 100%", src=source)
