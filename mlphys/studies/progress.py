"""What a user sees of a study under way."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from mlphys.io.history import quantities
from mlphys.numerics.uncertainty import rounded
from mlphys.studies.executor import Epoch
from mlphys.studies.study_file import MemberRecord
from mlphys.terminal import printable


class StudyReporter(Protocol):
    """Receives how many members there are to train, and each one's start, epochs and end."""

    def begin(self, total: int, slots: int) -> None: ...

    def began(self, record: MemberRecord) -> None: ...

    def epoch(self, epoch: Epoch) -> None: ...

    def ended(self, record: MemberRecord) -> None: ...

    def end(self) -> None: ...


class Counts:
    """How many members are trained, have ended and have failed, and how long the others take; nothing is shown."""

    def begin(self, total: int, slots: int) -> None:
        self.total, self.slots = total, slots
        self.done, self.failed = 0, 0
        self._began_at = time.monotonic()

    def began(self, record: MemberRecord) -> None:
        pass

    def epoch(self, epoch: Epoch) -> None:
        pass

    def ended(self, record: MemberRecord) -> None:
        self.done += 1
        self.failed += record.state == "failed"

    def end(self) -> None:
        pass

    def left(self) -> float | None:
        """Seconds that the other members take, if they take as long as those before; None: nothing is known."""
        if not self.done:
            return None
        return (time.monotonic() - self._began_at) / self.done * (self.total - self.done)


class Lines(Counts):
    """A plain line a member, for a log."""

    def ended(self, record: MemberRecord) -> None:
        super().ended(record)
        left = self.left()
        more = f", {duration(left)} left" if left and self.done < self.total else ""
        failed = f", {self.failed} failed" if self.failed else ""
        print(printable(f"{self.done}/{self.total}{failed}{more}  {record.member}: {outcome(record)}"), flush=True)


class Bar(Counts):
    """A bar for the study, and a line for each member under way, for a terminal."""

    def begin(self, total: int, slots: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        super().begin(total, slots)
        plain = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[values]}"))
        columns = (next(plain), BarColumn(bar_width=12), next(plain))  # a value such as [16, 32] is no markup
        self._progress = Progress(*columns)
        self._task = self._progress.add_task("study", total=self.total, values="")
        self._tasks: dict[int, Any] = {}
        self._progress.start()
        self._show()

    def began(self, record: MemberRecord) -> None:
        self._tasks[record.number] = self._progress.add_task(printable(record.member), total=None, values="")
        self._show()

    def epoch(self, epoch: Epoch) -> None:
        named = quantities(epoch.row)
        shown = [name for name in named if name.startswith("validation_")] or named
        values = "  ".join(f"{name} {epoch.row[name]:.4f}" for name in shown if epoch.row[name] is not None)
        where = f"{epoch.phase} {epoch.epoch}/{epoch.epochs}"
        task = self._tasks[epoch.number]
        self._progress.update(task, total=epoch.epochs, completed=epoch.epoch, values=f"{where}  {values}")

    def ended(self, record: MemberRecord) -> None:
        super().ended(record)
        self._progress.remove_task(self._tasks.pop(record.number))
        if record.state != "done":
            line = printable(f"{record.member}: {outcome(record)}")
            self._progress.console.print(line, markup=False, highlight=False)
        self._show()

    def end(self) -> None:
        self._progress.stop()

    def _show(self) -> None:
        left = self.left()
        parts = [f"{self.done}/{self.total} done", f"{len(self._tasks)} running", f"{self.failed} failed"]
        if left:
            parts.append(f"{duration(left)} left")
        self._progress.update(self._task, completed=self.done, values=", ".join(parts))


def outcome(record: MemberRecord) -> str:
    """How a member ended: its epochs and first metric, or why it failed; and what became of one that was resumed."""
    return "; ".join(filter(None, (_ended(record), record.moved)))


def _ended(record: MemberRecord) -> str:
    if record.state != "done":
        return f"{record.state}: {record.reason}" if record.reason else record.state
    split = "test" if "test" in record.metrics else "validation"
    metrics = record.metrics.get(split, {})
    name = next((name for name in metrics if f"{name}_stderr" in metrics), None)
    value = metrics.get(name) if name else None
    measured = f", {split} {name} {rounded(value, metrics[f'{name}_stderr'])}" if name and value is not None else ""
    return f"{record.epochs} epochs, {duration(record.seconds or 0)}{measured}"


def duration(seconds: float) -> str:
    """`3.2 s`, `4 min`, `2.5 h`."""
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def reporter(quiet: bool) -> StudyReporter:
    """A bar on a terminal, lines in a log, nothing where `quiet`."""
    if quiet:
        return Counts()
    return Bar() if sys.stdout.isatty() else Lines()
