"""The pictures of figures/ and the numbers of analysis/, each with its caption and its CSV."""

from __future__ import annotations

import base64
import json
from typing import Any

from mlphys.config.reference import first_line
from mlphys.errors import UserError
from mlphys.figures.analysis_result import Analysis
from mlphys.figures.picture import Plot
from mlphys.report import png
from mlphys.report.html import Html, element, joined, table
from mlphys.report.page import Section
from mlphys.runs.run import Run
from mlphys.schema import registry

LARGEST = 1_500_000  # bytes of a picture in the page
LARGEST_ALL = 8_000_000  # bytes of all pictures
LARGEST_CSV = 150_000  # bytes of a picture's numbers
MOST = 60
ENTRIES: tuple[tuple[str, type], ...] = (("mlphys.plots", Plot), ("mlphys.analysis", Analysis))


def section(run: Run) -> Section | None:
    names = [name.removesuffix(".png") for name in run.folder.names("figures") if name.endswith(".png")]
    drawn, left_out, spent = [], [], 0
    for name in names[:MOST]:
        content = _png(run, f"figures/{name}.png")
        if content is None or spent + len(content) > LARGEST_ALL:
            left_out.append(name)
            continue
        spent += len(content)
        drawn.append(_figure(run, name, content))
    numbers = [analysis for name in run.folder.names("analysis") if (analysis := _analysis(run, name))]
    if not drawn and not numbers:
        return None
    more = [*left_out, *names[MOST:]]
    note = element("p", f"Too large for this page: {', '.join(more)}.", class_="note") if more else None
    return Section("pictures", "Pictures and analyses", joined(element("div", drawn, class_="pictures"), numbers, note))


def meaning(name: str) -> str:
    """What a picture or an analysis shows, from its name: the first sentence of the entry that drew it."""
    pictures = [
        (entry, package, base) for package, base in ENTRIES for entry in registry.names(package) if _is_of(name, entry)
    ]
    words = name.replace("_", " ")
    if not pictures:
        return words
    entry, package, base = max(pictures, key=lambda each: len(each[0]))
    return f"{words}: {first_line(registry.entry(package, entry, base))}"


def _is_of(name: str, entry: str) -> bool:
    return f"{name}_".startswith(f"{entry}_")


def _png(run: Run, name: str) -> bytes | None:
    try:
        content = run.folder.read(name, LARGEST)
    except UserError:
        return None
    return content if content.startswith(png.SIGNATURE) else None


def _figure(run: Run, name: str, content: bytes) -> Html:
    caption = meaning(name)
    size = {"width": int.from_bytes(content[16:20]), "height": int.from_bytes(content[20:24])}
    picture = element("img", src=png.address_of(content), alt=caption, **size)
    return element("figure", picture, element("figcaption", caption, _csv(run, name)))


def _csv(run: Run, name: str) -> Html | None:
    try:
        content = run.folder.read(f"figures/{name}.csv", LARGEST_CSV)
    except UserError:
        return None
    address = "data:text/csv;base64," + base64.b64encode(content).decode()
    return joined(" ", element("a", "CSV", href=address, download=f"{name}.csv"))


def _analysis(run: Run, file: str) -> Html | None:
    """The numbers of one analysis, those that are not in lists."""
    if not file.endswith(".json"):
        return None
    try:
        content = json.loads(run.folder.read(f"analysis/{file}", LARGEST))
    except (UserError, ValueError, RecursionError):
        return None
    rows = [[key.replace("_", " "), value] for key, value in _leaves(content)][:MOST]
    if not rows:
        return None
    name = file.removesuffix(".json")
    summary = element("summary", meaning(name))
    return element("details", summary, table(["number", "value"], [[key, _shown(value)] for key, value in rows]))


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in _leaves(each, f"{path}.{key}" if path else str(key))]
    return [] if isinstance(value, list) or value is None else [(path, value)]


def _shown(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value
