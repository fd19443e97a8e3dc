"""The samples of a dataset, as text, and the bar while they are downloaded."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from mlphys.data.inspection import Inspection
from mlphys.io.download import Progress
from mlphys.show.table import table


def inspected(inspection: Inspection, remarks: Sequence[str] = ()) -> str:
    """The splits and classes of a dataset, how its files were read, and warnings, `remarks` of the model among them."""
    splits = table(
        ["split", "samples", "smallest", "largest", "NaN or infinite", "duplicates"],
        [
            [
                name,
                facts.samples,
                _value(facts.smallest),
                _value(facts.largest),
                facts.not_finite,
                facts.duplicates,
            ]
            for name, facts in inspection.splits.items()
        ],
    )
    names = list(inspection.splits)
    counts = [inspection.splits[name].class_counts for name in names]
    rows = [[label, *(count[label] for count in counts)] for label in counts[0]]
    classes = ["", table(["class", *names], rows)] if rows else []
    shared = [f"samples of {second} also in {first}: {count}" for (first, second), count in inspection.shared.items()]
    lines = [
        *inspection.notes,
        *shared,
        f"values that are the same in all training samples: {inspection.constant_features} of {inspection.features}",
    ]
    lines += [f"smallest class / largest class in training: {inspection.balance:.3f}"] if rows else []
    warnings = [f"warning: {warning}" for warning in (*inspection.warnings(), *remarks)] or ["no warnings"]
    return "\n".join([splits, *classes, "", *lines, *warnings])


def _value(number: float | None) -> str:
    return "none" if number is None else f"{number:g}"


@contextlib.contextmanager
def download() -> Iterator[Progress]:
    """A bar for a download on a terminal; nothing in a log."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("downloading"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total or None, visible=True)
