"""test_evaluations.csv: a row for each time the test split of a run was evaluated; a resumed training keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlphys.errors import UserError
from mlphys.io.run_files import TEST_EVALUATIONS
from mlphys.io.run_folder import RunFolder

COLUMNS = "epochs,metric,value"
LARGEST = 4_000_000  # bytes
MOST_NAMED = 5


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the test split: after how many epochs of training, and the main metric."""

    epochs: int
    metric: str
    value: float


def add(folder: RunFolder, evaluation: Evaluation) -> None:
    row = f"{evaluation.epochs},{evaluation.metric},{evaluation.value!r}\n"
    new = not folder.has(TEST_EVALUATIONS)
    folder.append(TEST_EVALUATIONS, (f"{COLUMNS}\n{row}" if new else row).encode(), new)


def read(folder: RunFolder) -> list[Evaluation]:
    """In the order in which they were made; none for a run of an earlier version. Raises UserError where damaged."""
    if not folder.has(TEST_EVALUATIONS):
        return []
    head, *rows = folder.read(TEST_EVALUATIONS, LARGEST).decode("utf-8", "replace").splitlines() or [""]
    try:
        if head != COLUMNS:
            raise ValueError
        cells = [row.split(",") for row in rows]
        return [Evaluation(int(epochs), metric, float(value)) for epochs, metric, value in cells]
    except ValueError:
        where = folder.path / TEST_EVALUATIONS
        raise UserError(f"{where}: damaged: expected rows of {COLUMNS}; remove it to count from 0 again") from None


def remarks(evaluations: Sequence[Evaluation]) -> list[str]:
    """How often the test split was evaluated and what this means for its numbers; nothing for once or never."""
    if len(evaluations) < 2:
        return []
    epochs = list(dict.fromkeys(str(each.epochs) for each in evaluations))
    shown = ", ".join([*epochs[:MOST_NAMED], *(["..."] if len(epochs) > MOST_NAMED else [])])
    weights = f"after {shown} epochs of training" if len(epochs) > 1 else "always with the same weights"
    return [
        f"the test split was evaluated {len(evaluations)} times, {weights}; "
        "a choice that was made by these numbers makes the last of them look better than it is"
    ]
