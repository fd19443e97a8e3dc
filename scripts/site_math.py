"""Formulas of the site as MathML, which browsers draw without a script."""

from __future__ import annotations

from typing import Any


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's entrance of an extension."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    writer.body.append(_converted(node, "inline"))
    raise SkipNode


def _block(writer: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    writer.body.append(f'<div style="text-align: center; overflow-x: auto">{_converted(node, "block")}</div>\n')
    raise SkipNode


def _converted(node: Any, display: str) -> str:
    from latex2mathml.converter import convert

    formula = str(convert(node.astext(), display=display))
    if "\\" in formula:
        raise ValueError(f"{node.astext()}: latex2mathml does not know one of its commands")
    return formula
