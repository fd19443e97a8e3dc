"""Progress reports during training: a bar, log lines, or nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from mlphys.io.history import quantities
from mlphys.terminal import echo

NARROWEST = 80  # columns of a terminal; on a narrower one the bar would cut numbers
LESS_OFTEN_AFTER = 100  # epochs; longer trainings log 100 lines


class Reporter(Protocol):
    """Receives the start of a phase, each chunk, and the history row of each epoch."""

    def begin(self, phase: str, epochs: int, done: int) -> None: ...

    def chunk(self, epoch: int, fraction: float, means: Mapping[str, float]) -> None: ...

    def epoch(self, row: Mapping[str, Any]) -> None: ...

    def end(self) -> None: ...


class Silence:
    """Shows nothing."""

    def begin(self, phase: str, epochs: int, done: int) -> None:
        pass

    def chunk(self, epoch: int, fraction: float, means: Mapping[str, float]) -> None:
        pass

    def epoch(self, row: Mapping[str, Any]) -> None:
        pass

    def end(self) -> None:
        pass


class Lines(Silence):
    """One plain line per epoch for a log, at most about LESS_OFTEN_AFTER."""

    def begin(self, phase: str, epochs: int, done: int) -> None:
        self._epochs = epochs
        self._every = max(1, epochs // LESS_OFTEN_AFTER)

    def epoch(self, row: Mapping[str, Any]) -> None:
        epoch = row["epoch"]
        if epoch == 1 or epoch == self._epochs or epoch % self._every == 0:
            echo(f"{row['phase']} {epoch}/{self._epochs}  {described(row)}  {row['seconds']:.2f} s")


class Bar(Silence):
    """A progress bar for a terminal, with the last metrics (validation in brackets) and the remaining time."""

    def begin(self, phase: str, epochs: int, done: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[values]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        self._phase, self._epochs = phase, epochs
        self._validation: dict[str, float] = {}
        self._task = self._progress.add_task(f"{phase} 0/{epochs}", total=epochs, completed=done, values="compiling")
        self._progress.start()

    def chunk(self, epoch: int, fraction: float, means: Mapping[str, float]) -> None:
        self._show(epoch, epoch - 1 + fraction, means)

    def epoch(self, row: Mapping[str, Any]) -> None:
        prefix = "validation_"
        self._validation = {
            name[len(prefix) :]: row[name] for name in row if name.startswith(prefix) and row[name] is not None
        }
        self._show(
            row["epoch"],
            row["epoch"],
            {name: row[name] for name in self._validation or quantities(row) if row[name] is not None},
        )

    def end(self) -> None:
        self._progress.stop()

    def _show(self, epoch: int, completed: float, means: Mapping[str, float]) -> None:
        values = [
            f"{name} {value:.4f}" + (f" ({self._validation[name]:.4f})" if name in self._validation else "")
            for name, value in means.items()
        ]
        description = f"{self._phase} {epoch}/{self._epochs}"
        self._progress.update(self._task, completed=completed, description=description, values="  ".join(values))


def described(row: Mapping[str, Any]) -> str:
    """`loss 0.1234  accuracy 0.9612`."""
    return "  ".join(f"{name} {row[name]:.4f}" for name in quantities(row) if row[name] is not None)


def reporter(quiet: bool) -> Reporter:
    """A bar on a terminal with room for its numbers, lines elsewhere, nothing if `quiet`."""
    if quiet:
        return Silence()
    wide = shutil.get_terminal_size((120, 24)).columns >= NARROWEST
    return Bar() if sys.stdout.isatty() and wide else Lines()
