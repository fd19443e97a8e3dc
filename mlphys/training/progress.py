"""What a user sees of a training under way."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol

LESS_OFTEN_AFTER = 100  # epochs; then a log gets a line for each hundredth part of the training


class Reporter(Protocol):
    """Told of a phase's begin, of each chunk and of each epoch's row of history."""

    def begin(self, phase: str, epochs: int, done: int) -> None: ...

    def chunk(self, epoch: int, fraction: float, means: Mapping[str, float]) -> None: ...

    def epoch(self, row: Mapping[str, Any]) -> None: ...

    def end(self) -> None: ...


class Silence:
    """Nothing is shown."""

    def begin(self, phase: str, epochs: int, done: int) -> None:
        pass

    def chunk(self, epoch: int, fraction: float, means: Mapping[str, float]) -> None:
        pass

    def epoch(self, row: Mapping[str, Any]) -> None:
        pass

    def end(self) -> None:
        pass


class Lines(Silence):
    """A plain line an epoch, for a log; of a long training every hundredth part."""

    def begin(self, phase: str, epochs: int, done: int) -> None:
        self._epochs = epochs
        self._every = max(1, epochs // LESS_OFTEN_AFTER)

    def epoch(self, row: Mapping[str, Any]) -> None:
        epoch = row["epoch"]
        if epoch == 1 or epoch == self._epochs or epoch % self._every == 0:
            print(f"{row['phase']} {epoch}/{self._epochs}  {described(row)}  {row['seconds']:.2f} s", flush=True)


class Bar(Silence):
    """A bar with the last values and the time left, for a terminal."""

    def begin(self, phase: str, epochs: int, done: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[values]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._phase, self._epochs, self._measured = phase, epochs, ""
        self._task = self._progress.add_task(f"{phase} 0/{epochs}", total=epochs, completed=done, values="compiling")
        self._progress.start()

    def chunk(self, epoch: int, fraction: float, means: Mapping[str, float]) -> None:
        self._progress.update(
            self._task,
            completed=epoch - 1 + fraction,
            description=f"{self._phase} {epoch}/{self._epochs}",
            values=f"{described(means)}{self._measured}",
        )

    def epoch(self, row: Mapping[str, Any]) -> None:
        measured = {name: value for name, value in row.items() if name.startswith("validation_")}
        self._measured = f"  {described(measured)}" if measured else ""
        self._progress.update(self._task, completed=row["epoch"], values=described(row))

    def end(self) -> None:
        self._progress.stop()


def described(values: Mapping[str, Any]) -> str:
    """`loss 0.1234  accuracy 0.9612`: the quantities of a row, without its bookkeeping."""
    kept = {name: value for name, value in values.items() if name not in BOOKKEEPING}
    return "  ".join(f"{name} {value:.4f}" for name, value in kept.items())


BOOKKEEPING = {"phase", "epoch", "seconds", "learning_rate"}


def reporter(quiet: bool) -> Reporter:
    """A bar on a terminal, lines in a log, nothing where `quiet`."""
    if quiet:
        return Silence()
    return Bar() if sys.stdout.isatty() else Lines()
