"""What a notebook shows of a run: how it ended, the main number with its error and baseline, curves, the net."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlphys.io.history import quantities
from mlphys.notebook.curves import panel
from mlphys.notebook.html import table
from mlphys.numerics.uncertainty import rounded
from mlphys.report import numbers
from mlphys.report.html import Html, element
from mlphys.runs.run import Run
from mlphys.schema.layers import text
from mlphys.show.evaluation import BASELINES

MOST_PANELS = 2


def page(run: Run) -> Html:
    """As HTML."""
    measured = [element("li", number) for number in main_numbers(run, baselines=True)]
    rows = [[row.name, text(row.output_shape), row.parameters()] for row in run.rows]
    net = table(["layer", "output", "parameters"], rows) if rows else None
    return element(
        "div",
        element("b", run.name), f": {ending(run)}",
        element("ul", measured, style="margin: 0.3em 0"),
        _curves(run.history),
        element("details", element("summary", _size(run)), net),
        element("code", run.path),
    )  # fmt: skip


def ending(run: Run) -> str:
    """`done after 12 epochs`."""
    status = run.status
    epochs = status["epochs"]
    if not run.config.model.ITERATIVE:
        return str(status["state"])
    early = ", stopped early" if status["stopped"] == "early_stopping" else ""
    return f"{status['state']} after {epochs} epoch{'' if epochs == 1 else 's'}{early}"


def main_numbers(run: Run, baselines: bool = False) -> list[str]:
    """`test accuracy 0.9881 +- 0.0011`, for each split that was measured."""
    lines = []
    for split, metrics in run.metrics.items():
        name = next((name for name in run.config.model.MEASURED if isinstance(metrics.get(name), int | float)), None)
        if name is None:
            continue
        number = f"{split} {name} {rounded(metrics[name], metrics.get(f'{name}_stderr'))}"
        others = _baselines(name, metrics) if baselines else []
        lines.append(f"{number} ({'; '.join(others)})" if others else number)
    return lines


def _baselines(name: str, metrics: Mapping[str, Any]) -> list[str]:
    baselines = [other for other in numbers.BASELINES.get(name, ()) if isinstance(metrics.get(other), int | float)]
    return [f"{BASELINES[other]}: {rounded(metrics[other], metrics.get(f'{other}_stderr'))}" for other in baselines]


def _curves(history: Sequence[Mapping[str, Any]]) -> list[Html]:
    """The loss and one other quantity, in training and on validation."""
    names = quantities(history[0]) if history else []
    recorded = [name for name in names if not name.startswith("validation_")]
    first = sorted(recorded, key=lambda name: (name != "loss", name != "accuracy"))
    by_values = {tuple(row[name] for row in history): name for name in reversed(first)}  # the loss may have two names
    chosen = [name for name in first if name in by_values.values()][:MOST_PANELS]
    return [
        panel(
            name.replace("_", " "),
            {
                label: [row[column] for row in history]
                for label, column in (("train", name), ("validation", f"validation_{name}"))
                if column in names
            },
        )
        for name in chosen
    ]


def _size(run: Run) -> str:
    count = sum(math.prod(shape) for shape in run.loaded.weight_shapes().values())
    sizes = {split: facts["samples"] for split, facts in run.data["splits"].items()}
    return (
        f"{run.config.model.kind} of {count} parameters; {sizes['train']} training, {sizes['validation']} validation, "
        f"{sizes['test']} test samples of {run.config.data.name}"
    )
