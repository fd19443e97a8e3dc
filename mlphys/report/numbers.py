"""The headline and the metrics: each number with its standard error and its baseline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlphys.numerics.metric_names import MEANINGS
from mlphys.numerics.uncertainty import rounded
from mlphys.report.html import Html, element, joined, table
from mlphys.report.page import Section
from mlphys.runs.run import Run

SPLITS = ("test", "validation", "train")
# what a main metric is compared with, the hardest baseline first
BASELINES = {
    "accuracy": ("majority_accuracy",),
    "mse": ("pca_mse", "mean_image_mse", "mean_target_mse"),
}
PER = {"per_class": "class", "per_target": "target"}
MOST_ROWS = 200  # of classes
POWER = re.compile(r"e([+-]?[0-9]+)")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Main:
    """The main number of a run."""

    split: str
    name: str
    value: float
    stderr: float | None
    baseline: tuple[str, float] | None

    def text(self) -> str:
        return measured(self.value, self.stderr)


def measured(value: float, stderr: float | None = None) -> str:
    """`0.9881 ± 0.0011`, with a minus of a number's width; `5.7 × 10⁻⁵`."""
    written = rounded(value, stderr).replace("+-", "±")
    return POWER.sub(lambda found: f" × 10{str(int(found[1])).translate(RAISED)}", written).replace("-", "−")


def main(run: Run) -> Main | None:
    """The first metric that the kind of model is measured by, on test if that was evaluated."""
    metrics = run.metrics
    for split in SPLITS:
        numbers = metrics.get(split, {})
        name = next((name for name in run.config.model.MEASURED if numbers.get(name) is not None), None)
        if name:
            among = BASELINES.get(name, ())
            baseline = next(((each, numbers[each]) for each in among if numbers.get(each) is not None), None)
            return Main(split, name, numbers[name], numbers.get(f"{name}_stderr"), baseline)
    return None


def section(run: Run, evaluated: int) -> Section | None:
    """The table of all metrics by split, and those of each class or target; test was `evaluated` so many times."""
    metrics = run.metrics
    if not metrics:
        return None
    splits = [split for split in SPLITS if split in metrics]
    names = [name for name in run.config.model.MEASURED if any(name in metrics[split] for split in splits)]
    rows = [
        [
            joined(element("b", name.replace("_", " ")), " ", element("small", _typeset(MEANINGS.get(name, "")))),
            *(_cell(metrics[split], name) for split in splits),
        ]
        for name in names
    ]
    counts = [f"{split}{_of_samples(metrics[split].get('samples'))}" for split in splits]
    note = "± is the standard error that the finite number of samples leaves."
    if evaluated:
        note += f" The test split was evaluated {'once' if evaluated == 1 else f'{evaluated} times'}."
    parts = [table(["metric", *counts], list(rows), class_="metrics"), element("p", note, class_="note")]
    parts += [part for key, of in PER.items() for part in _per(key, of, metrics[splits[0]], splits[0])]
    return Section("metrics", "Metrics", joined(*parts))


def _of_samples(count: int | None) -> str:
    return "" if count is None else f" ({count:,} samples)"


def _per(key: str, of: str, metrics: Mapping[str, Any], split: str) -> list[Html]:
    block: Mapping[str, Mapping[str, Any]] = metrics.get(key) or {}
    if not block:
        return []
    columns = [name for name in next(iter(block.values())) if not name.endswith("_stderr")]
    rows = [[name, *(_cell(facts, column) for column in columns)] for name, facts in list(block.items())[:MOST_ROWS]]
    return [table([of, *columns], rows, f"Each {of} of {split}")]


def _typeset(meaning: str) -> str:
    """With a minus where a hyphen stands for one."""
    return re.sub(r"(?<![a-z0-9])-(?=[ a-z0-9])", "−", meaning)


def _cell(numbers: Mapping[str, Any], name: str) -> Any:
    value = numbers.get(name)
    if value is None:
        return "–"
    return value if isinstance(value, int) else measured(value, numbers.get(f"{name}_stderr"))


def headline(title: str, subtitle: Sequence[Any], number: Main | None, further: Sequence[Html]) -> Html:
    """The page's title with the main number, its error and its baseline."""
    parts: list[Any] = [element("h1", title), element("p", list(subtitle), class_="subtitle")]
    if number:
        against = None
        if number.baseline:
            name, value = number.baseline
            against = element("p", f"{MEANINGS.get(name, name)}: {measured(value)}", class_="baseline")
        shown = [
            element("p", f"{number.split} {number.name.replace('_', ' ')}", class_="what"),
            element("p", number.text(), class_="value"),
            against,
        ]
        parts.append(element("div", shown, list(further), class_="main-number"))
    elif further:
        parts.append(element("div", list(further)))
    return joined(*parts)
