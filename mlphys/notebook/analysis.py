"""The result of an analysis as a notebook shows it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlphys.figures import theme
from mlphys.notebook.html import escaped

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
        pictures = "".join(_image(figure) for figure in self.figures.values())
        return f"<div><b>{escaped(self.name)}</b>: {escaped(self.summary)}</div>{pictures}"


def _image(figure: Figure) -> str:
    content, place = theme.in_notebook(figure)
    encoded = base64.b64encode(content).decode()
    return f'<img width="{place["width"]}" style="max-width: 100%" src="data:image/png;base64,{encoded}"/>'
