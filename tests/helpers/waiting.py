"""Waits that end: with what was waited for, or with a failure that names it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONGEST = 120  # seconds for what takes a few


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, f"waited {LONGEST} s for {what}"
        time.sleep(0.01)


@contextmanager
def killed_if_stuck(process: subprocess.Popen) -> Iterator[None]:
    """A process that is read from longer than any takes is killed, so that its reader sees its end."""
    timer = threading.Timer(LONGEST, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def joined(thread: threading.Thread, what: str) -> None:
    thread.join(LONGEST)
    assert not thread.is_alive(), f"waited {LONGEST} s for {what}"


def ended(process: subprocess.Popen, what: str) -> int:
    """The exit code. A process that goes on is killed."""
    try:
        return process.wait(LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"waited {LONGEST} s for {what}") from None
