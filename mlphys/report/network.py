"""The network: a drawing to scale, and the table of its layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlphys.report.html import Html, element, joined, table
from mlphys.report.page import Section
from mlphys.runs.run import Run
from mlphys.schema.fields import Shape
from mlphys.schema.shapes import Row

TALL, GAP, MARGIN, LABEL = 150.0, 26.0, 12.0, 58.0
MOST_DRAWN = 40  # layers


def section(run: Run) -> Section:
    rows, loaded = run.rows, run.loaded
    parameters = sum(math.prod(shape) for shape in loaded.weight_shapes().values())
    shape = loaded.net_input.shape
    words = f"{len(rows)} layers with {parameters:,} parameters" if rows else f"{parameters:,} parameters, no layers"
    parts: list[Html | None] = [element("p", f"{words}; a sample has {of_numbers(shape)}.")]
    if rows:
        parts += [_drawing(shape, rows) if len(rows) <= MOST_DRAWN else None, _table(shape, rows)]
    else:
        weights = [[name, size(shape) or "1", math.prod(shape)] for name, shape in loaded.weight_shapes().items()]
        parts.append(table(["weights", "shape", "numbers"], list(weights), "What was learned"))
    return Section("network", "The network", joined(*parts))


def size(shape: Shape) -> str:
    """`28 × 28 × 1`."""
    return " × ".join(map(str, shape))


def of_numbers(shape: Shape) -> str:
    """`28 × 28 × 1 numbers`."""
    return "1 number" if math.prod(shape) == 1 else f"{size(shape)} numbers"


def _table(shape: Shape, rows: Sequence[Row]) -> Html:
    body = [["input", size(shape), 0, ""]] + [
        [
            joined(element("b", type(row.layer).__name__), " ", element("small", _words(row))),
            size(row.output_shape),
            row.parameters(),
            size(row.receptive_field) if row.receptive_field else "all",
        ]
        for row in rows
    ]
    return table(["layer", "output", "parameters", "receptive field"], body)


def _words(row: Row) -> str:
    name = row.layer.activation_name()
    words = [name] if name and type(row.layer).__name__ != "Activation" else []
    words += [f"kernel of {row.tied_to}, transposed"] if row.tied_to else []
    words += [] if row.trainable else ["frozen"]
    return ", ".join(words)


def _drawing(shape: Shape, rows: Sequence[Row]) -> Html:
    """Blocks whose height and depth are those of the outputs, to scale: images as stacks of maps, rows as bars."""
    shapes = [shape, *(row.output_shape for row in rows)]
    names = ["input", *(type(row.layer).__name__ for row in rows)]
    side = max((max(each[:2]) for each in shapes if len(each) == 3), default=1)
    longest = max((math.prod(each) for each in shapes if len(each) < 3), default=1)
    parts, x = [], MARGIN
    for name, each in zip(names, shapes, strict=True):
        block, width = _block(each, side, longest, x)
        middle = x + width / 2
        parts.append(block)
        parts.append(element("text", name, x=round(middle, 1), y=TALL + 40, text_anchor="middle", class_="name"))
        parts.append(element("text", size(each), x=round(middle, 1), y=TALL + 56, text_anchor="middle"))
        x += max(width, LABEL + 5.2 * max(0, len(name) - 9)) + GAP
    label = f"{', then '.join(f'{name} {size(each)}' for name, each in zip(names, shapes, strict=True))}"
    svg = element("svg", parts, viewBox=f"0 0 {x:.0f} {TALL + 66:.0f}", width=f"{x:.0f}", role="img", aria_label=label)
    return element("figure", svg, class_="drawing scrolls", tabindex="0")


def _block(shape: Shape, side: int, longest: int, x: float) -> tuple[Html, float]:
    if len(shape) != 3:
        tall = max(4.0, TALL * (math.log(1 + math.prod(shape)) / math.log(1 + longest)))
        bar = element(
            "rect", x=round(x + LABEL / 2 - 8, 1), y=round(15 + (TALL - tall) / 2, 1), width=16, height=round(tall, 1),
            rx=2, class_="block",
        )  # fmt: skip
        return bar, LABEL
    height, width = (max(5.0, 0.72 * TALL * n / side) for n in shape[:2])
    maps = min(shape[2], 8)
    step = 4.0
    deep = step * (maps - 1)
    left = x + max(0.0, (LABEL - width - deep) / 2)
    squares = [
        element(
            "rect", x=round(left + step * i, 1), y=round(15 + (TALL - height - deep) / 2 + deep - step * i, 1),
            width=round(width, 1), height=round(height, 1), rx=1, class_="block",
        )
        for i in reversed(range(maps))
    ]  # fmt: skip
    return joined(*squares), max(LABEL, width + deep)
