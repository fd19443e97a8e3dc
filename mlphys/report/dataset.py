"""The data: splits with checksums, the balance of the classes, and samples of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlphys.report import png
from mlphys.report.html import Html, element, joined, table
from mlphys.report.network import of_numbers
from mlphys.report.page import Section
from mlphys.runs.page_samples import PageSamples
from mlphys.runs.run import Run
from mlphys.schema.document import flow

SPLITS = ("train", "validation", "test")
MOST_CLASSES = 20
PER_CLASS = 16
MOST_IMAGES = 64


def section(run: Run, samples: PageSamples | None) -> Section:
    description, facts = run.description, run.data
    splits = [
        [name, facts["splits"][name]["samples"], element("code", facts["splits"][name]["sha256"][:16])]
        for name in SPLITS
    ]
    classes = f", {len(description.classes)} classes" if description.classes else ""
    steps = [flow(step) for step in run.config.data.model_dump()["preprocess"]]
    words = f"{run.config.data.name}: samples of {of_numbers(description.shape)}{classes}"
    words += f"; preprocessing: {', then '.join(steps)}." if steps else "; not preprocessed."
    parts: list[Html | None] = [
        element("p", words),
        table(["split", "samples", "sha256 begins with"], splits, "Splits"),
        _balance(run) if description.classes else None,
        _pictured(run, samples) if samples else None,
    ]
    return Section("data", "The data", joined(*parts))


def _balance(run: Run) -> Html | None:
    counts = [run.data["splits"][split]["class_counts"] for split in SPLITS]
    names = list(run.description.classes)
    if len(names) > 3 * MOST_CLASSES or not any(counts):
        return None
    largest = max(counts[0].get(name, 0) for name in names) or 1
    rows: list[list[Any]] = []
    for name in names:
        share = counts[0].get(name, 0) / largest
        rows.append([name, *(of.get(name, 0) for of in counts), _bar(share)])
    return table(["class", *SPLITS, "of train"], rows, "Samples of each class")


def _bar(share: float) -> Html:
    rect = element("rect", width=round(100 * share, 1), height=8, class_="c0")
    return element("svg", rect, viewBox="0 0 100 8", class_="share", aria_hidden="true")


def _pictured(run: Run, samples: PageSamples) -> Html | None:
    """Rows of images, one for each class, or a sheet of them where there are no classes."""
    if not png.is_image(run.description.shape) or not len(samples.x):
        return None
    low, high = value_range(run, samples)
    pixels = png.grey_levels(samples.x, low, high)
    names = run.description.classes
    if not names or len(names) > MOST_CLASSES:
        sheet = png.mosaic(pixels[:MOST_IMAGES], 16)
        return element(
            "figure", _image(sheet, f"{len(pixels)} samples"), element("figcaption", f"{samples.split} samples")
        )
    rows = []
    for label, name in enumerate(names):
        own = pixels[:200][samples.labels[:200] == label][:PER_CLASS]
        if len(own):
            rows.append(
                joined(element("dt", name), element("dd", _image(png.mosaic(own, PER_CLASS), f"samples of {name}")))
            )
    caption = element("figcaption", f"{samples.split} samples of each class")
    return element("figure", element("dl", rows, class_="samples"), caption)


def _image(pixels: np.ndarray, alt: str) -> Html:
    height, width = pixels.shape[:2]
    return element("img", src=png.address(pixels), alt=alt, width=width, height=height, class_="pixels")


def value_range(run: Run, samples: PageSamples) -> tuple[float, float]:
    """Of the training samples, or of those that are shown."""
    known = run.data["splits"]["train"].get("range")
    if known:
        return float(known[0]), float(known[1])
    return float(samples.x.min()), float(samples.x.max())
