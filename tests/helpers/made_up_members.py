"""Ways to train a member of a study that need no network; processes import them from here."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from mlphys.studies.executor import Epoch, Order, OtherThreads, Report, Result, Stopped

ROW = {"phase": "train", "epoch": 1, "loss": 0.5, "seconds": 0.1}


def measured(order: Order, report: Report) -> Result:
    """Done at once; its accuracy is its number, and its epochs tell the process that trained it."""
    report(Epoch(order.number, "train", 1, 1, ROW))
    metrics = {"accuracy": float(order.number), "accuracy_stderr": 0.1}
    return Result("done", None, os.getpid(), 1, "epochs", 0.5, {"validation": metrics})


def killed_if_second(order: Order, report: Report) -> Result:
    if order.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return measured(order, report)


def raising_if_second(order: Order, report: Report) -> Result:
    if order.number == 2:
        raise ZeroDivisionError("division by zero")
    return measured(order, report)


_threads: list[int] = []


def settled_by_first(order: Order, report: Report) -> Result:
    """A process has the threads of the first member that it trained."""
    if _threads and _threads != [order.threads]:
        raise OtherThreads("other threads")
    _threads[:] = [order.threads]
    return measured(order, report)


def waiting_to_be_interrupted(order: Order, report: Report) -> Result:
    report(Epoch(order.number, "train", 1, 1, ROW))
    signal.pause()
    raise AssertionError("unreachable")


def reporting_until_stopped(order: Order, report: Report) -> Result:
    """Reports epochs for as long as nobody stops it."""
    try:
        while True:
            report(Epoch(order.number, "train", 1, 1, ROW))
            threading.Event().wait(0.01)
    except Stopped as stopped:
        return Result("pruned", str(stopped))


def writing_its_run(order: Order, report: Report) -> Result:
    """Fails after it has written a config into its run; its epochs are 1 if there was one."""
    config = Path(order.directory) / "config.yaml"
    epochs = int(config.exists())
    config.parent.mkdir(exist_ok=True)
    config.write_text("made up")
    return Result("failed", f"{order.directory}: is made up", epochs)
