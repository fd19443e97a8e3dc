"""Progress of trainings in the output of a cell: one bar that moves, in any notebook and without its extensions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mlphys.io.history import quantities
from mlphys.notebook import kernel
from mlphys.notebook.html import bar
from mlphys.studies.executor import Epoch
from mlphys.studies.progress import Counts, StudyReporter, duration, outcome
from mlphys.studies.progress import reporter as study_reporter_outside
from mlphys.studies.study_file import MemberRecord
from mlphys.training.progress import Reporter, Silence, described
from mlphys.training.progress import reporter as reporter_outside

EVERY = 0.25  # seconds between two pictures of the bar


class CellBar(Silence):
    """A bar for each phase, with the last row of the history and the time that is left."""

    def begin(self, phase: str, epochs: int, done: int) -> None:
        self._phase, self._epochs, self._first = phase, epochs, done
        self._at, self._values = float(done), "compiling"
        self._began_at = self._shown_at = time.monotonic()
        self._output = kernel.shown(*self._picture())

    def chunk(self, epoch: int, fraction: float, means: Mapping[str, float]) -> None:
        self._at = epoch - 1 + fraction
        if self._values == "compiling":
            self._values = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        self._show()

    def epoch(self, row: Mapping[str, Any]) -> None:
        self._at = row["epoch"]
        self._values = described(_different(row))
        self._show()

    def end(self) -> None:
        kernel.update(self._output, *self._picture(ended=True))

    def _show(self) -> None:
        if time.monotonic() - self._shown_at >= EVERY:
            self._shown_at = time.monotonic()
            kernel.update(self._output, *self._picture())

    def _picture(self, ended: bool = False) -> tuple[str, str]:
        seconds, trained = time.monotonic() - self._began_at, self._at - self._first
        left = seconds / trained * (self._epochs - self._at) if trained else None
        when = duration(seconds) if ended else f"{duration(left)} left" if left is not None else ""
        where = f"{self._phase} {int(self._at)}/{self._epochs}"
        return bar(where, self._at, self._epochs, [self._values, when])


def _different(row: Mapping[str, Any]) -> dict[str, float]:
    """The first quantities that differ, on validation where there is one: the loss of an autoencoder has two names."""
    values = {name: row[name] for name in quantities(row) if row[name] is not None}
    validation = {name: value for name, value in values.items() if name.startswith("validation_")}
    once = {value: name for name, value in reversed((validation or values).items())}
    return {name: value for name, value in (validation or values).items() if once[value] == name}


class StudyCell(Counts):
    """A bar for a study, with the last member that ended, and a line for each that failed."""

    def begin(self, total: int, slots: int) -> None:
        super().begin(total, slots)
        self._running: dict[int, str] = {}
        self._last, self._shown_at = "", time.monotonic()
        self._output = kernel.shown(*self._picture())

    def began(self, record: MemberRecord) -> None:
        self._running[record.number] = f"{record.member}: begins"
        self._show()

    def epoch(self, epoch: Epoch) -> None:
        member = self._running[epoch.number].partition(": ")[0]
        self._running[epoch.number] = f"{member}: {epoch.phase} {epoch.epoch}/{epoch.epochs}"
        if time.monotonic() - self._shown_at >= EVERY:
            self._show()

    def ended(self, record: MemberRecord) -> None:
        super().ended(record)
        self._running.pop(record.number, None)
        self._last = f"{record.member}: {outcome(record)}"
        self._show()

    def end(self) -> None:
        self._running.clear()
        self._show()

    def _show(self) -> None:
        self._shown_at = time.monotonic()
        kernel.update(self._output, *self._picture())

    def _picture(self) -> tuple[str, str]:
        left = self.left()
        failed = f"{self.failed} failed" if self.failed else ""
        when = f"{duration(left)} left" if left and self.done < self.total else ""
        parts = [failed, when, *self._running.values(), self._last]
        return bar(f"study {self.done}/{self.total}", self.done, self.total, parts)


def reporter(quiet: bool) -> Reporter:
    """A bar in the cell of a notebook; elsewhere what the command shows."""
    return CellBar() if kernel.has_notebook() and not quiet else reporter_outside(quiet)


def study_reporter(quiet: bool) -> StudyReporter:
    """The same for a study."""
    return StudyCell() if kernel.has_notebook() and not quiet else study_reporter_outside(quiet)
