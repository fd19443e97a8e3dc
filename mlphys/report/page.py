"""One HTML file that loads nothing: its style and its script are inside, and its policy forbids all others."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mlphys.report.html import Html, element, joined

ASSETS = Path(__file__).parent / "assets"
# what a policy permits beside its style, its script and pictures inside the file
NOTHING_MORE = "base-uri 'none'; form-action 'none'"
ITS_SERVER = "connect-src 'self'; base-uri 'none'; form-action 'self'"


@dataclass(frozen=True)
class Section:
    """A part of a page under its own heading. `data` is what its script reads, by name."""

    anchor: str
    title: str
    body: Html
    data: Mapping[str, Any] = field(default_factory=dict)

    def html(self) -> Html:
        heading = element("h2", self.title, id=f"{self.anchor}-title")
        return element("section", heading, self.body, id=self.anchor, aria_labelledby=f"{self.anchor}-title")


def page(title: str, head: Html, sections: Sequence[Section], permitted: str = NOTHING_MORE) -> str:
    """The whole file: a headline, the sections with their contents, and the script."""
    style, script = _style(), _script()
    data = {key: value for section in sections for key, value in section.data.items()}
    contents = [element("li", element("a", each.title, href=f"#{each.anchor}")) for each in sections]
    meta = [
        element("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script, permitted)}">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content="mlphys"),
        element("title", title),
    ]
    body = joined(
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("header", head),
        element("nav", element("ol", contents), aria_label="Contents"),
        element("main", [section.html() for section in sections], id="content"),
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{joined(*meta)}\n<style>{style}</style>\n</head>\n<body>\n{body}\n'
        f'<script type="application/json" id="page-data">{as_json(data)}</script>\n<script>{script}</script>\n'
        "</body>\n</html>\n"
    )


def policy(style: str, script: str, permitted: str = NOTHING_MORE) -> str:
    """This style, this script, pictures inside the file, and what is `permitted` beside them."""
    return f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; img-src data:; {permitted}"


def digest(content: str) -> str:
    """The hash by which a policy permits an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def as_json(data: Any) -> str:
    """JSON for a script element: ASCII, and no sign of it begins or ends markup."""
    written = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return written.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def layer_scripts() -> list[str]:
    """The files that compute layers, one for each family of them."""
    return [path.read_text(encoding="utf-8") for path in sorted((ASSETS / "layers").glob("*.js"))]


@cache
def own_scripts() -> list[str]:
    """The other files."""
    return [path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.js"))]


@cache
def _style() -> str:
    return "\n" + "\n".join(path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.css")))


@cache
def _script() -> str:
    """All files, those of the layers first, each in a function of its own."""
    files = [f"(() => {{\n{source}}})();" for source in [*layer_scripts(), *own_scripts()]]
    return '\n"use strict";\nconst page = {layers: {}, activations: {}, losses: {}};\n' + "\n".join(files) + "\n"
