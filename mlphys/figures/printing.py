"""A figure as the bytes of a file, at the size at which its style prints it: the layout, magnified or reduced."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlphys.figures import theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Metadata = Mapping[str, Any]


def printed(figure: Figure, ending: str, metadata: Metadata) -> bytes:
    """The figure as png, pdf or svg, equal for equal figures."""
    style, (width, height) = theme.style(), figure.get_size_inches()
    scale = style.printed(width) / width
    match ending:
        case "pdf":
            return _pdf(figure, scale, metadata)
        case "svg":
            return _svg(_saved(figure, ending, theme.DPI, metadata), scale * width, scale * height)
        case _:
            dpi = style.dpi or theme.DPI
            return _saved(figure, ending, dpi * scale, metadata, pil_kwargs={"dpi": (dpi, dpi)})


def _saved(figure: Figure, ending: str, dpi: float, metadata: Metadata, **options: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=ending, dpi=dpi, metadata=dict(metadata), **options)
    return content.getvalue()


def _svg(content: bytes, width: float, height: float) -> bytes:
    """The coordinates of the layout, shown at another size, which is in points."""
    size = f'width="{72 * width:.6g}pt" height="{72 * height:.6g}pt"'.encode()
    return re.sub(rb'width="[0-9.]+pt" height="[0-9.]+pt"', size, content, count=1)


def _pdf(figure: Figure, scale: float, metadata: Metadata) -> bytes:
    """The layout on a page of another size: everything on it is drawn in magnified coordinates."""
    from matplotlib.backends.backend_pdf import Op, PdfFile, PdfPages

    class Magnified(PdfFile):
        def newPage(self, width: float, height: float) -> None:
            super().newPage(scale * width, scale * height)
            self.output(scale, 0, 0, scale, 0, 0, Op.concat_matrix)

    if scale == 1:
        return _saved(figure, "pdf", theme.DPI, metadata)
    content = io.BytesIO()
    pages: Any = PdfPages(content)
    pages._file = Magnified(content, metadata=dict(metadata))  # the only way to a page that is not the figure's size
    figure.savefig(pages, format="pdf", dpi=theme.DPI)
    pages.close()
    return content.getvalue()
